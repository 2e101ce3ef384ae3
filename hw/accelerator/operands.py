"""Formats of a network as the operands of units."""

from dataclasses import replace
from typing import Any

from macwright.hw.accelerator.network import Edge, Node
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import (
    ApotFormat,
    BinaryFormat,
    FloatFormat,
    IntFormat,
    PotFormat,
    TernaryFormat,
)
from macwright.hw.formats.scaled import FixedFormat
from macwright.hw.pe import IntMacSpec, MinifloatMacSpec, ShiftAddMacSpec
from macwright.hw.pe.accumulator import FixedAcc
from macwright.hw.pe.operand import product_range

__all__ = ["default_unit", "fitting_unit", "level_format", "operand_format"]


def default_unit(act: Any, weight: Any, sums: int, simd: int) -> Any:
    """Multiply-accumulate unit for formats of a layer and bits of its sums.

    Its operands come from registers, so that its own one, where it has the choice, is after the
    product; minifloats have a second one, before their product is aligned.
    """
    if isinstance(act, FloatFormat) or isinstance(weight, FloatFormat):
        least = MinifloatMacSpec(act=act, weight=weight, terms=1).acc.width  # type: ignore[union-attr]
        acc = FixedAcc(max(sums, least))
        return MinifloatMacSpec(act=act, weight=weight, acc=acc, pipeline=2, cut="product")
    acc = IntFormat(max(sums, range_width(*product_range(act, weight))))
    if isinstance(weight, PotFormat | ApotFormat):
        return ShiftAddMacSpec(act=act, weight=weight, acc=acc, group=1, scale=None, pipeline=1)
    return IntMacSpec(act=act, weight=weight, acc=acc, pipeline=1, cut="product")


def fitting_unit(like: Any, act: Any, weight: Any, sums: int) -> Any:
    """A unit of the kind of another, its sums of so many bits.

    Raises
    ------
    RefusedInput
        If the other one is of other formats.
    """
    if (like.act, like.weight) != (act, weight):
        raise RefusedInput(f"Unit must multiply {act} by {weight}, not be {like.name}")
    if not isinstance(like, IntMacSpec):
        return default_unit(act, weight, sums, 1)
    least = range_width(*product_range(act, weight))
    return replace(like, acc=IntFormat(max(sums, least)), terms=None)


def operand_format(node: Node, fmt: Any, *, weight: bool = False) -> Any:
    """Format of a unit's operand for codes of a format; fixed point is an integer with a scale."""
    if isinstance(fmt, FixedFormat):
        return fmt.integer
    if isinstance(fmt, IntFormat | BinaryFormat | TernaryFormat | FloatFormat):
        return fmt
    if weight and isinstance(fmt, PotFormat | ApotFormat):
        return fmt
    raise RefusedInput(
        f"{'Weights' if weight else 'Activations'} of {node.name} must be integers or minifloats "
        f"to be built, not {fmt}"
    )


def level_format(edge: Edge) -> Any:
    """Format of the codes of an edge whose levels are compared or summed.

    Raises
    ------
    RefusedInput
        If it is neither of integers nor a minifloat.
    """
    fmt = edge.format
    if isinstance(fmt, FixedFormat):
        return fmt.integer
    if not isinstance(fmt, IntFormat | TernaryFormat | FloatFormat):
        raise RefusedInput(
            f"Edge {edge.name} must be of integers or minifloats to be built, not {fmt}"
        )
    return fmt
