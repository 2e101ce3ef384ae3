"""Floating-point accumulation: an exact term is added to a number of a format, rounded once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.normalise import (
    leading_zeros,
    normalise,
    shift_left,
    shift_right_sticky,
)
from macwright.hw.arith.prefix import add_around
from macwright.hw.arith.target import GENERIC, Target
from macwright.hw.formats import FloatFormat

__all__ = ["FLOAT_CUTS", "Cut", "FloatTerm", "add_float", "nan_code"]

#: Places where registers may cut the addition, in its order: both addends are aligned, added, and
#: their sum is normalised.
FLOAT_CUTS = ("aligned", "added", "normalised")
#: What it does at such a place: ``cut(place, values)`` gives the values behind it.
Cut: TypeAlias = Callable[[str, list[Value]], list[Value]]


@dataclass(frozen=True)
class FloatTerm:
    """An exact number ``(-1)**sign * significand * 2**(exponent - len(significand) + 1)``.

    Parameters
    ----------
    sign : Value
        One bit.
    exponent : Value
        Signed; of the significand's highest bit.
    significand : Value
        Its highest bit is 1, or it is zero.
    nan, inf : Value or None
        Whether it is none of that but a NaN or an infinity; None where it never is.
    low, high : int
        Least and greatest exponent that a bit of the significand has that is not 0.
    bias : int
        What `exponent` is more than that: a format's bias, where it was added before.
    """

    sign: Value
    exponent: Value
    significand: Value
    nan: Value | None
    inf: Value | None
    low: int
    high: int
    bias: int = 0


def nan_code(fmt: FloatFormat) -> int:
    """Code of the NaN that arithmetic gives: quiet and positive, if there is a choice."""
    if fmt.specials == "ieee":
        return fmt.max_code + 1 + (1 << (fmt.man_bits - 1))
    return fmt.max_code + 1


def _uncut(place: str, values: list[Value]) -> list[Value]:
    return values


def add_float(
    m: Module,
    fmt: FloatFormat,
    before: Value,
    term: FloatTerm,
    *,
    target: Target = GENERIC,
    adder: str = "ripple",
    cut: Cut = _uncut,
) -> Value:
    """Code of the sum of `before` and a term, rounded once, to nearest even.

    Sums that are too large become infinity in a format that has it, else NaN, else the largest
    number. NaN gives NaN, of :func:`nan_code`; so do two infinities of different sign. Zero is
    positive unless both addends are negative zeros or a negative sum was rounded to it.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    fmt : FloatFormat
        Format of `before` and of the sum.
    before : Value
        Code: zero, or a sum of such terms.
    term : FloatTerm
        What is added. If all its bits are above the smallest normal number of `fmt`, then every
        sum is normal, and if a sum stops growing before the format ends, none overflows; the
        logic for either is then left out.
    target : Target
        What the adder is made of.
    adder : str
        How it adds: "ripple", or a prefix adder of :func:`macwright.hw.arith.prefix.add_around`.
    cut : callable
        What happens at each of :data:`FLOAT_CUTS`, such as a register; nothing by default. All
        values that go from one side to the other pass through it.
    """
    man, exp = fmt.man_bits, fmt.exp_bits
    width = max(len(term.significand), man + 1)
    gradual = term.low < fmt.min_exponent
    field = before[man : man + exp]
    hidden = field.any()
    normal = Cat(field[0] | ~hidden, field[1:])
    acc_sign, acc_sig = before[man + exp], Cat(before[:man], hidden)

    top = max(1 << exp, abs(term.high + fmt.bias) + 1, abs(term.low + fmt.bias) + 1)
    top += len(term.significand)
    difference = Signal(signed(top.bit_length() + 2), name="difference")
    biased = Signal(signed(top.bit_length() + 1), name="term_exponent")
    m.d.comb += [biased.eq(term.exponent + (fmt.bias - term.bias)), difference.eq(normal - biased)]
    less = difference[-1]

    # The larger one stays, the smaller one moves to the right. A prefix adder gives a magnitude, so
    # that nothing else is compared; nor is a distance negated, of which one place is wired.
    fast = adder != "ripple"
    x = Cat(Const(0, width - man - 1), acc_sig)
    y = Cat(Const(0, width - len(term.significand)), term.significand)
    swap = Signal(name="swap")
    equal = Const(0, 1) if gradual or fast else (difference == 0) & (y > x)
    m.d.comb += swap.eq((less & term.significand[-1]) | equal)
    big, small = Signal(width, name="big"), Signal(width + 3, name="small")
    amount = Signal(len(difference) - 1, name="amount")
    m.d.comb += [
        big.eq(Mux(swap, y, x)),
        small.eq(
            Mux(swap, Cat(Const(0, 2), x), Cat(Const(0, 3), y))
            if fast
            else Cat(Const(0, 3), Mux(swap, x, y))
        ),
        amount.eq(
            difference ^ less.replicate(len(difference))
            if fast
            else Mux(less, -difference, difference)
        ),
    ]
    moved = shift_right_sticky(m, small, amount)
    minus = Signal(name="minus")
    m.d.comb += minus.eq(acc_sign ^ term.sign)
    no, special = Const(0, 1), _specials(fmt, before)
    nan, inf = (no if x is None else x for x in (term.nan, term.inf))
    greater, signs = Mux(swap, biased, normal), [acc_sign, term.sign]
    aligned = [big, moved, minus, swap, greater, *signs, nan, inf, *special]
    big, moved, minus, swap, greater, *signs, nan, inf, was, quiet = cut("aligned", aligned)
    total, flip = _add(m, big, moved, minus, gradual=gradual, target=target, adder=adder)

    exponent = Signal(len(biased), name="exponent")
    m.d.comb += exponent.eq(greater)
    sign = Mux(swap ^ flip, signs[1], signs[0])
    sign = Mux(~total.any(), signs[0] & signs[1], sign)[0]
    added = [total, exponent, sign, *signs, nan, inf, was, quiet]
    total, exponent, *others = cut("added", added)
    magnitude, others = _round(m, fmt, total, exponent, others, gradual=gradual, cut=cut)
    overflows = term.high + man + 2 + fmt.bias >= (1 << exp) - 1
    return _finish(m, fmt, term, magnitude, others, overflows=overflows)


def _specials(fmt: FloatFormat, code: Value) -> tuple[Value, Value]:
    """Whether a code of a sum is a NaN (in IEEE formats: or an infinity), and there its NaN bit."""
    man, exp = fmt.man_bits, fmt.exp_bits
    if fmt.specials == "ieee":
        return code[man : man + exp].all(), code[man - 1]
    if fmt.specials == "none":
        return Const(0, 1), Const(0, 1)
    return code[:-1].all() if fmt.specials == "fn" else code == nan_code(fmt), Const(0, 1)


def _add(
    m: Module,
    big: Value,
    moved: Value,
    minus: Value,
    *,
    gradual: bool,
    target: Target,
    adder: str,
) -> tuple[Value, Value]:
    """``|big +- moved|``, one bit longer, and whether `moved` was the larger one."""
    if adder != "ripple":
        return _add_around(m, big, moved, minus, adder=adder)
    heap = BitHeap(len(moved) + 1, target=target)
    flip: Value = Const(0, 1)
    if gradual:
        # Of two numbers below the smallest normal one the exponents say nothing.
        flip = Signal(name="flip")
        m.d.comb += flip.eq(minus & (Cat(Const(0, 3), big) < moved))
        first = Signal(len(moved), name="first")
        m.d.comb += first.eq(Cat(Const(0, 3), big) ^ flip.replicate(len(moved)))
        heap.add(first)
    else:
        heap.add(big, shift=3)
    second = Signal(len(moved), name="second")
    m.d.comb += second.eq(moved ^ (minus & ~flip).replicate(len(moved)))
    heap.add(second)
    heap.add_bit(minus, 0)
    raw = Signal(len(moved) + 1, name="raw_sum")
    total = Signal(len(raw), name="total")
    m.d.comb += [raw.eq(heap.sum(m)), total.eq(Cat(raw[:-1], raw[-1] & ~minus))]
    return total, flip


def _add_around(
    m: Module, big: Value, moved: Value, minus: Value, *, adder: str
) -> tuple[Value, Value]:
    """The same by a prefix adder; of equal numbers, `moved` counts as the larger one."""
    second = Signal(len(moved), name="second")
    m.d.comb += second.eq(moved ^ minus.replicate(len(moved)))
    raw, carry = add_around(m, Cat(Const(0, 3), big), second, adder=adder, around=minus)
    flip, total = Signal(name="flip"), Signal(len(moved) + 1, name="total")
    m.d.comb += [
        flip.eq(minus & ~carry),
        total.eq(Cat(raw ^ flip.replicate(len(moved)), carry & ~minus)),
    ]
    return total, flip


def _round(
    m: Module,
    fmt: FloatFormat,
    total: Value,
    exponent: Value,
    others: list[Value],
    *,
    gradual: bool,
    cut: Cut,
) -> tuple[Value, list[Value]]:
    """Biased code without sign, with room for overflow, of a sum, and the others beside it."""
    man, width = fmt.man_bits, len(total)
    if gradual:
        # A marker stops the shift where the exponent ends.
        stop = Signal(width, name="stop")
        m.d.comb += stop.eq(Const(1 << (width - 1), width) >> exponent.as_unsigned())
        marked = [(total[k] | stop[k])[0] for k in range(width)]
        # The marker is absent where no zeros can reach the end of the exponent.
        marked[0] = Const(1, 1)
        bits = leading_zeros(m, marked)
        shifted, count = shift_left(m, total, bits), Cat(*bits)
    else:
        shifted, count = normalise(m, total)
    some: Value = total.any() if gradual else Const(0, 1)
    shifted, count, exponent, some, *others = cut(
        "normalised", [shifted, count, exponent, some, *others]
    )
    rounded = shifted[width - man - 1 :]
    guard, rest = shifted[width - man - 2], shifted[: width - man - 2]
    field = Signal(len(exponent), name="field")
    leading = rounded[man]
    if gradual:
        m.d.comb += field.eq(Mux(some, exponent - count + leading, 0))
    else:
        m.d.comb += field.eq(Mux(leading, exponent - count + 1, 0))
    magnitude = Signal(man + len(exponent), name="magnitude")
    up = guard & (rest.any() | rounded[0])
    m.d.comb += magnitude.eq(Cat(rounded[:man], field) + up)
    return magnitude, others


def _finish(
    m: Module,
    fmt: FloatFormat,
    term: FloatTerm,
    magnitude: Value,
    others: list[Value],
    *,
    overflows: bool,
) -> Value:
    """Code word with overflow and special values."""
    man, exp = fmt.man_bits, fmt.exp_bits
    sign, acc_sign, term_sign, nan, inf, was, quiet = others
    code = Signal(fmt.width, name="sum_code")
    m.d.comb += code.eq(Cat(magnitude[: man + exp], sign))
    if fmt.specials in ("fnuz", "wp"):
        clean = Signal(fmt.width, name="sum_clean")
        m.d.comb += clean.eq(Cat(code[:-1], sign & code[:-1].any()))
        code = clean
    over: Value = (magnitude > fmt.max_code)[0] if overflows else Const(0, 1)
    if fmt.specials == "none":
        return Cat(Mux(over, fmt.max_code, code[:-1])[: man + exp], sign)
    if not overflows and term.nan is None and term.inf is None:
        return code
    if fmt.specials != "ieee":
        return Mux(nan | inf | was | over, nan_code(fmt), code)
    if not overflows and term.inf is None:
        # Of the special values only NaN ever gets into the sum.
        return Mux(nan | was, nan_code(fmt), code)
    becomes_nan = Signal(name="becomes_nan")
    m.d.comb += becomes_nan.eq(nan | (was & quiet) | (was & inf & (acc_sign ^ term_sign)))
    infinite = Cat(Const((fmt.max_code + 1), man + exp), Mux(inf, term_sign, acc_sign))
    limit = Cat(Const((fmt.max_code + 1), man + exp), sign)
    code = Mux(over, limit, code)
    code = Mux(inf | was, infinite, code)
    return Mux(becomes_nan, nan_code(fmt), code)
