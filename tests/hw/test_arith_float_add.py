# Amaranth's values are not typed.
# pyright: reportArgumentType=false
"""Floating-point accumulation: every sum of a small format, against exact arithmetic."""

import itertools
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from macwright.hw.arith.float_add import FloatTerm, add_float
from macwright.hw.formats import parse_format
from macwright.sim.golden import decode, legal_codes
from macwright.sim.golden.float_mac import add_special, nan_of

#: Bits of the term's significand, and the exponents that its highest bit may have.
BITS, EXPONENTS = 3, range(-5, 6)


@pytest.mark.parametrize("adder", ["ripple", "brent_kung"])
@pytest.mark.parametrize("name", ["e3m2", "e3m1fin", "e3m1wp"])
def test_every_sum_is_rounded_once(name, adder):
    """Subnormals, ties, cancellation, signed zeros and overflow are all among them."""
    fmt: Any = parse_format(name)
    m = Module()
    before, sign, significand = Signal(fmt.width), Signal(), Signal(BITS)
    exponent, out = Signal(signed(5)), Signal(fmt.width)
    nan_in, inf_in = (Signal() if flag else None for flag in (fmt.has_nan, fmt.has_inf))
    special = (nan_in, inf_in)
    low, high = EXPONENTS[0] - BITS + 1, EXPONENTS[-1]
    term = FloatTerm(sign, exponent, significand, nan_in, inf_in, low, high)
    m.d.comb += out.eq(add_float(m, fmt, before, term, adder=adder))
    inputs = (before, sign, exponent, significand)
    # Of NaN codes only one is ever a sum.
    codes = [c for c in legal_codes(fmt) if decode(fmt, c) != "nan" or c == nan_of(fmt)]
    kinds = [(0, 0), *([(1, 0)] if fmt.has_nan else []), *([(0, 1)] if fmt.has_inf else [])]

    async def bench(ctx):
        numbers = [(e, s) for e in EXPONENTS for s in range(4, 8)] + [(0, 0)]
        for code, minus, (power, digits) in itertools.product(codes, (0, 1), numbers):
            for signal, value in zip(inputs, (code, minus, power, digits), strict=True):
                ctx.set(signal, value)
            number = -digits if minus else digits
            for nan, inf in kinds if digits == 4 and power == 0 else [(0, 0)]:
                for signal, value in zip(special, (nan, inf), strict=True):
                    if signal is not None:
                        ctx.set(signal, value)
                exact = "nan" if nan else ("-inf" if minus else "inf") if inf else None
                exact = exact or (number, power - BITS + 1)
                want = add_special(fmt, code, exact, bool(minus))
                got = ctx.get(out)
                assert got == want, f"{name}: {code:#x} plus {exact} is {got:#x}, not {want:#x}"

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("adder", ["ripple", "sklansky"])
def test_a_term_that_is_never_small_needs_no_subnormals(adder):
    """The same without the logic that its documentation says is left out."""
    fmt: Any = parse_format("e4m2")
    m = Module()
    before, sign, significand = Signal(fmt.width), Signal(), Signal(2)
    exponent, out = Signal(signed(5)), Signal(fmt.width)
    term = FloatTerm(sign, exponent, significand, None, None, -2, 1)
    m.d.comb += out.eq(add_float(m, fmt, before, term, adder=adder))
    sums = {0}

    async def bench(ctx):
        todo = [0]
        while todo:
            code = todo.pop()
            terms = [(e, s) for e in (-1, 0, 1) for s in (2, 3)] + [(0, 0)]
            for minus, (power, digits) in itertools.product((0, 1), terms):
                values = (code, minus, power, digits)
                for signal, value in zip(
                    (before, sign, exponent, significand), values, strict=True
                ):
                    ctx.set(signal, value)
                number = -digits if minus else digits
                want = add_special(fmt, code, (number, power - 1), bool(minus))
                assert ctx.get(out) == want, values
                if want not in sums:
                    sums.add(want)
                    todo.append(want)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(sums) > 40
