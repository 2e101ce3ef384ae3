"""Leading zeros, and shifts to the left and to the right that normalise and align."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["leading_zeros", "normalise", "shift_left", "shift_right_sticky"]


def leading_zeros(m: Module, bits: list[Value]) -> list[Value]:
    """Number of zeros before the first one.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    bits : list of Value
        At least one bit, lowest first, not all of them zero.

    Returns
    -------
    list of Value
        Bits of the count, lowest first.
    """
    stages = (len(bits) - 1).bit_length()
    padded = [*[Const(1, 1)] * ((1 << stages) - len(bits)), *bits]
    count, _ = _count(m, padded)
    return count


def _count(m: Module, bits: list[Value]) -> tuple[list[Value], Value]:
    """Count of a power of two of bits, and whether all of them are zero."""
    zero = Signal(name="zero")
    if len(bits) == 1:
        m.d.comb += zero.eq(~bits[0])
        return [], zero
    half = len(bits) // 2
    (low, low_zero), (high, high_zero) = _count(m, bits[:half]), _count(m, bits[half:])
    count = Signal(len(low) + 1, name="count")
    m.d.comb += [
        zero.eq(high_zero & low_zero),
        count.eq(Cat(Mux(high_zero, Cat(*low), Cat(*high)), high_zero)),
    ]
    return [count[k] for k in range(len(count))], zero


def shift_left(m: Module, value: Value, amount: list[Value]) -> Value:
    """``value << amount`` without growing; `amount` as bits, lowest first."""
    for k in reversed(range(len(amount))):
        step = min(1 << k, len(value))
        field = Signal(len(value), name=f"left_{k}")
        moved = Cat(Const(0, step), value)[: len(value)]
        m.d.comb += field.eq(Mux(amount[k], moved, value))
        value = field
    return value


def normalise(m: Module, value: Value) -> tuple[Value, Value]:
    """Shift a number to the left until its highest bit is 1: the result and the shift.

    Each stage looks at the highest bits of what is left, so that counting the zeros costs one
    gate a bit. Of zero, the result is zero and the shift the largest.
    """
    counts = []
    for k in reversed(range((len(value) - 1).bit_length())):
        step = min(1 << k, len(value) - 1)
        zeros, field = Signal(name=f"zeros_{k}"), Signal(len(value), name=f"norm_{k}")
        m.d.comb += [
            zeros.eq(~value[len(value) - step :].any()),
            field.eq(Mux(zeros, Cat(Const(0, step), value)[: len(value)], value)),
        ]
        value = field
        counts.append(zeros)
    return value, Cat(*reversed(counts)) if counts else Const(0, 1)


def shift_right_sticky(m: Module, value: Value, amount: Value) -> Value:
    """``value >> amount``, its lowest bit or-ed with whatever was shifted out."""
    width = len(value)
    stages = (width - 1).bit_length()
    for k in range(min(stages, len(amount))):
        step = 1 << k
        field = Signal(width, name=f"right_{k}")
        moved = Cat(value[: step + 1].any(), value[step + 1 :])
        m.d.comb += field.eq(Mux(amount[k], moved, value))
        value = field
    if len(amount) > stages:
        field = Signal(width, name="right")
        m.d.comb += field.eq(Mux(amount[stages:].any(), value.any(), value))
        value = field
    return value
