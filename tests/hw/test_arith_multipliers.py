# amaranth: UnusedElaboratable=no
"""Multipliers and bit heap: every operand pair of small ones."""

import itertools

import pytest
from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.sim import Simulator

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.multipliers import MULTIPLIERS, add_product
from macwright.hw.arith.prefix import ADDERS, add_around, prefix_add


def wrap(value, width):
    return value % (1 << width)


def values(width, is_signed):
    half = 1 << (width - 1)
    return range(-half, half) if is_signed else range(2 * half)


def run(m, inputs, output, vectors, expected):
    """Simulate `m` on every vector and compare with `expected(*vector)`."""

    async def bench(ctx):
        for vector in vectors:
            for signal, value in zip(inputs, vector, strict=True):
                ctx.set(signal, value)
            got = ctx.get(output)
            assert got == expected(*vector), f"inputs {vector}: {got}, not {expected(*vector)}"

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("adder", ADDERS)
@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize(
    ("na", "sa", "nb", "sb"),
    [(4, True, 3, True), (3, False, 4, True), (3, True, 2, False), (4, False, 3, False)]
    + [(1, sa, n, True) for sa in (True, False) for n in (1, 2)],
)
@pytest.mark.parametrize("negative", [False, True])
def test_product_is_exact(adder, multiplier, na, sa, nb, sb, negative):
    m = Module()
    a = Signal(signed(na) if sa else unsigned(na))
    b = Signal(signed(nb) if sb else unsigned(nb))
    width = na + nb + 2
    heap = BitHeap(width)
    add_product(m, heap, a, b, multiplier=multiplier, shift=1, negative=negative)
    heap.add_constant(5)
    out = Signal(width)
    m.d.comb += out.eq(heap.sum(m, adder=adder))
    sign = -1 if negative else 1
    vectors = itertools.product(values(na, sa), values(nb, sb))
    run(m, (a, b), out, vectors, lambda x, y: wrap(5 + sign * 2 * x * y, width))


@pytest.mark.parametrize("adder", ADDERS)
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_prefix_adders(adder, width):
    m = Module()
    a, b, out = Signal(width), Signal(width), Signal(width)
    m.d.comb += out.eq(prefix_add(m, a, b, adder=adder))
    vectors = itertools.product(range(1 << width), repeat=2)
    run(m, (a, b), out, vectors, lambda x, y: wrap(x + y, width))


def test_heap_adds_signed_values_and_constants():
    m = Module()
    x, y, out = Signal(signed(3)), Signal(2), Signal(6)
    heap = BitHeap(6)
    heap.add(x, shift=2)  # pyright: ignore
    heap.add(y, negative=True)  # pyright: ignore
    heap.add(-3)  # pyright: ignore
    heap.add(Signal(signed(3), init=-4), shift=1)  # pyright: ignore
    m.d.comb += out.eq(heap.sum(m))
    run(
        m,
        (x, y),
        out,
        itertools.product(range(-4, 4), range(4)),
        lambda p, q: wrap(4 * p - q - 3 - 8, 6),
    )


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="Heap width must be at least 1, not 0"):
        BitHeap(0)
    with pytest.raises(ValueError, match=r"Multiplier must be one of .*, not 'wallace'"):
        add_product(Module(), BitHeap(4), Signal(2), Signal(2), multiplier="wallace")
    with pytest.raises(ValueError, match=r"Adder must be one of .*, not 'fast'"):
        prefix_add(Module(), Signal(2), Signal(2), adder="fast")
    with pytest.raises(ValueError, match=r"^Adder whose carry is added must be .*, not 'plus'$"):
        add_around(Module(), Signal(2), Signal(2), adder="plus", around=Signal())
