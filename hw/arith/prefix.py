"""Parallel-prefix adders: the last addition of a compressor tree when it must be fast."""

from amaranth.hdl import Cat, Module, Signal, Value

from macwright.hw.errors import RefusedInput

__all__ = ["ADDERS", "prefix_add"]

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
    half, generate = Signal(width, name="half"), Signal(width, name="generate")
    m.d.comb += [half.eq(a ^ b), generate.eq(a & b)]
    pairs = [(generate[k], half[k]) for k in range(width)]
    if carry is not None:
        first = Signal(name="g")
        m.d.comb += first.eq(pairs[0][0] | (pairs[0][1] & carry))
        pairs[0] = (first, pairs[0][1])

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
    carries = Cat(0 if carry is None else carry, *(g for g, _ in pairs[:-1]))
    return half ^ carries
