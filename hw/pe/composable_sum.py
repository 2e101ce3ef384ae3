"""Sums of one cycle of the composable unit: a masked array, or small multipliers joined."""

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value, signed

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import Target
from macwright.hw.arith.widths import range_width
from macwright.hw.pe.modes import Join, Part, any_mode, combine

__all__ = ["fusion_sum", "together_sum"]


def together_sum(
    m: Module, spec: Any, a: Value, w: Value, sel: list[Value], *, target: Target
) -> Value:
    """Sum of products from one array multiplier, of which each mode uses some blocks.

    With the operands of `w` in reverse order, those that belong together meet on the array's
    diagonal, where all partial products of a mode have the same weight: they are summed by the
    array itself, and the sum is shifted down afterwards.
    """
    width = spec.act.width
    sizes = [size for size, _ in spec.widths]
    places = [width - size for size in sizes]
    ends = [spec.mode_range(s, s) for s in sizes]
    most = max(range_width(*end) + place for end, place in zip(ends, places, strict=True))
    heap = BitHeap(most, target=target)
    # Reversing the order of the operands: bit i of `a` meets bit j of the reversed `w`.
    reverse = []
    for j in range(width):
        choices = [w[(width // s - 1 - j // s) * s + j % s] for s in sizes]
        bit = Signal(name=f"w_reversed_{j}")
        chosen = Const(0, 1)
        for flag, choice in zip(sel, choices, strict=True):
            chosen = chosen | (flag & choice)
        m.d.comb += bit.eq(chosen)
        reverse.append(bit)
    constants = [0] * len(sizes)
    for i in range(width):
        for j in range(width):
            active = [i // s + j // s == width // s - 1 for s in sizes]
            minus = [
                on and (i % s == s - 1) != (j % s == s - 1)
                for on, s in zip(active, sizes, strict=True)
            ]
            product = Signal(name=f"pp_{i}_{j}")
            bit = a[i] & reverse[j] & any_mode(sel, active)
            m.d.comb += product.eq(bit ^ any_mode(sel, minus))
            heap.add_bit(product, i + j)
            for k, negative in enumerate(minus):
                constants[k] -= negative << (i + j)
    _add_constants(heap, sel, constants)
    total = Signal(most, name="array_sum")
    m.d.comb += total.eq(heap.sum(m))
    result = Signal(signed(most), name="shifted_sum")
    m.d.comb += result.eq(total.as_signed() >> places[0])
    for flag, place in zip(sel[1:], places[1:], strict=True):
        with m.If(flag):
            m.d.comb += result.eq(total.as_signed() >> place)
    return result


def fusion_sum(
    m: Module, spec: Any, a: Value, w: Value, sel: list[Value], *, target: Target
) -> Value:
    """Sum of leaf products, joined in pairs: first those that are shifted in the most modes.

    A leaf multiplies without sign; where a digit is the signed one of its operand, the partial
    products of its highest bit are complemented, and one constant a mode makes up for all.
    """
    leaf, count = spec.leaf, spec.act.width // spec.leaf
    sizes = [(x // leaf, y // leaf) for x, y in spec.widths]
    constants = [0] * len(sizes)
    parts: dict[tuple[int, int], Part] = {}
    for i in range(count):
        for j in range(count):
            signed_a = [i % x == x - 1 for x, _ in sizes]
            signed_w = [j % y == y - 1 for _, y in sizes]
            heap = BitHeap(2 * leaf + 1, target=target)
            for p in range(leaf):
                for q in range(leaf):
                    minus = [
                        (s and p == leaf - 1) != (t and q == leaf - 1)
                        for s, t in zip(signed_a, signed_w, strict=True)
                    ]
                    at = (i * count + j) * leaf
                    product = Signal(name=f"pp_{i}_{j}_{p}_{q}")
                    m.d.comb += product.eq((a[at + p] & w[at + q]) ^ any_mode(sel, minus))
                    heap.add_bit(product, p + q)
                    for k, (x, y) in enumerate(sizes):
                        shift = p + q + leaf * (i % x + j % y)
                        constants[k] -= minus[k] << shift
            most = ((1 << leaf) - 1) ** 2 + (1 << (2 * leaf - 1))
            value = Signal(most.bit_length(), name=f"leaf_{i}_{j}")
            m.d.comb += value.eq(heap.sum(m))
            parts[i, j] = Part(value, ((0, most),) * len(sizes))
    step = 1
    while len(parts) > 1:
        for axis in (0, 1):
            joined = {}
            for (i, j), low in parts.items():
                if (i, j)[axis] % 2:
                    continue
                other = (i + 1, j) if axis == 0 else (i, j + 1)
                joined[(i // 2, j) if axis == 0 else (i, j // 2)] = combine(
                    m,
                    sel,
                    low,
                    parts[other],
                    Join(step * leaf, shifted=[size[axis] > step for size in sizes]),
                    target=target,
                    name=f"join_{step}_{axis}_{i}_{j}",
                )
            parts = joined
        step *= 2
    heap = BitHeap(range_width(*spec.sum_range), target=target)
    heap.add(parts[0, 0].value)
    _add_constants(heap, sel, constants)
    return heap.sum(m).as_signed()


def _add_constants(heap: BitHeap, sel: list[Value], constants: list[int]) -> None:
    """Add the constant of the mode."""
    for k in range(heap.width):
        flags = [bool(constant >> k & 1) for constant in constants]
        if any(flags):
            bit = any_mode(sel, flags)
            if isinstance(bit, Const):
                heap.add_constant(1 << k)
            else:
                heap.add_bit(bit, k)
