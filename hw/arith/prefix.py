"""Parallel-prefix adders: the last addition of a compressor tree when it must be fast."""

from amaranth.hdl import Cat, Module, Signal, Value

from macwright.hw.errors import RefusedInput

__all__ = ["ADDERS", "add_around", "prefix_add"]

ADDERS = ("ripple", "plus", "brent_kung", "sklansky", "kogge_stone")


def prefix_add(m: Module, a: Value, b: Value, *, adder: str, carry: Value | None = None) -> Value:
    """Sum of two unsigned numbers of the same width, modulo two to that width.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    a, b : Value
        Same width.
    adder : {"ripple", "plus", "brent_kung", "sklansky", "kogge_stone"}
        "plus" leaves the choice to the synthesis tool.
    carry : Value or None
        One more bit of the lowest weight.

    Returns
    -------
    Value
        Unsigned, as wide as `a`.

    Raises
    ------
    ValueError
        If the adder is none of those, or the widths differ.
    """
    if adder not in ADDERS:
        raise RefusedInput(f"Adder must be one of {', '.join(ADDERS)}, not {adder!r}")
    width = len(a)
    if len(b) != width:
        raise RefusedInput(f"Both numbers must have the same width, not {width} and {len(b)}")
    if adder == "plus":
        return (a + b if carry is None else a + b + carry)[:width]
    half, pairs = _pairs(m, a, b)
    if carry is not None:
        first = Signal(name="g")
        m.d.comb += first.eq(pairs[0][0] | (pairs[0][1] & carry))
        pairs[0] = (first, pairs[0][1])
    _combine(m, pairs, adder=adder)
    carries = Cat(0 if carry is None else carry, *(g for g, _ in pairs[:-1]))
    return half ^ carries


def add_around(m: Module, a: Value, b: Value, *, adder: str, around: Value) -> tuple[Value, Value]:
    """Sum of two unsigned numbers of the same width, and its carry, which is added, too.

    With `b` the complement of a number, that is the difference where the carry is 1, and its
    complement where it is 0: a magnitude without a comparison before.

    Parameters
    ----------
    m, a, b, adder
        As for :func:`prefix_add`, but not "plus".
    around : Value
        One bit: whether the carry is added.

    Returns
    -------
    tuple of Value
        ``a + b + (carry & around)`` as wide as `a`, and ``carry`` of ``a + b``.

    Raises
    ------
    ValueError
        If the adder is none of those.
    """
    if adder not in ADDERS or adder == "plus":
        known = ", ".join(name for name in ADDERS if name != "plus")
        raise RefusedInput(f"Adder whose carry is added must be one of {known}, not {adder!r}")
    half, pairs = _pairs(m, a, b)
    _combine(m, pairs, adder=adder)
    carry, again = pairs[-1][0], Signal(name="again")
    m.d.comb += again.eq(carry & around)
    return half ^ Cat(again, *(g | (p & again) for g, p in pairs[:-1])), carry


def _pairs(m: Module, a: Value, b: Value) -> tuple[Signal, list[tuple[Value, Value]]]:
    """Sum without carries, and of each bit whether it makes and whether it passes a carry."""
    width = len(a)
    half, generate = Signal(width, name="half"), Signal(width, name="generate")
    m.d.comb += [half.eq(a ^ b), generate.eq(a & b)]
    return half, [(generate[k], half[k]) for k in range(width)]


def _combine(m: Module, pairs: list[tuple[Value, Value]], *, adder: str) -> None:
    """Make of each pair that of all bits up to it."""
    width = len(pairs)

    def combine(high: int, low: int) -> None:
        g, p = Signal(name="g"), Signal(name="p")
        m.d.comb += [
            g.eq(pairs[high][0] | (pairs[high][1] & pairs[low][0])),
            p.eq(pairs[high][1] & pairs[low][1]),
        ]
        pairs[high] = (g, p)

    if adder == "ripple":
        for k in range(1, width):
            combine(k, k - 1)
    elif adder == "kogge_stone":
        step = 1
        while step < width:
            for k in reversed(range(step, width)):
                combine(k, k - step)
            step *= 2
    elif adder == "sklansky":
        step = 1
        while step < width:
            for k in range(width):
                if k & step:
                    combine(k, (k & -step) - 1)
            step *= 2
    else:
        step = 1
        while step < width:
            for k in range(2 * step - 1, width, 2 * step):
                combine(k, k - step)
            step *= 2
        while step:
            for k in range(3 * step - 1, width, 2 * step):
                combine(k, k - step)
            step //= 2
