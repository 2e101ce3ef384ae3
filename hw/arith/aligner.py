"""Alignment of a floating-point product to a fixed-point grid."""

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["align"]


def align(
    m: Module,
    bits: list[Value],
    amount: Value,
    *,
    top: int,
    width: int,
    fill: Value,
    below: Value | None = None,
) -> list[Value]:
    """Shift bits right from a highest position, by a variable amount.

    Small shifts come first: the field grows by the shift only, and most of a stage is a gate, not
    a multiplexer.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    bits : list of Value
        Bits to shift, lowest first.
    amount : Value
        Unsigned shift.
    top : int
        Position of ``bits[0]`` at shift 0; may be negative.
    width : int
        Positions 0 to ``width - 1`` are returned, others are cut off.
    fill : Value
        What positions hold that no bit is shifted to (the sign, if `bits` are complemented by it).
    below : Value or None
        What those below the lowest bit hold; None for `fill`.

    Returns
    -------
    list of Value
        `width` bits.
    """
    below = fill if below is None else below
    field, low = list(bits), top  # position of field[0]
    for stage in range(len(amount)):
        step = 1 << stage
        shifted = [*field, *[fill] * step]
        still = [*[below] * step, *field]
        low -= step
        field = []
        for k, (there, here) in enumerate(zip(shifted, still, strict=True)):
            bit = Signal(name=f"shift_{stage}_{k}")
            m.d.comb += bit.eq(Mux(amount[stage], there, here))
            field.append(bit)
    outside = [below if k < low else fill for k in range(width)]
    return [field[k - low] if 0 <= k - low < len(field) else outside[k] for k in range(width)]
