"""Foldings: how many units of an engine share the work of a layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from macwright.hw.accelerator.stream import check_count
from macwright.hw.errors import RefusedInput

__all__ = ["Folding", "LayerShape", "divisors", "smallest_folding"]


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A layer as matrix products.

    Parameters
    ----------
    positions : int
        Output positions (M).
    groups : int
        Groups of channels.
    outputs : int
        Output channels of a group (N).
    taps : int
        Taps of the window.
    inputs : int
        Input channels of a group; K is taps x inputs.
    """

    positions: int
    groups: int
    outputs: int
    taps: int
    inputs: int


@dataclass(frozen=True, kw_only=True)
class Folding:
    """Parallelism of an engine.

    Parameters
    ----------
    pe : int
        Output channels of a group at a time (P).
    simd : int
        Products of each in a cycle (S).
    groups : int
        Groups at a time (G).
    """

    pe: int = 1
    simd: int = 1
    groups: int = 1

    def check(self, name: str, shape: LayerShape) -> None:
        """Refuse what a layer cannot have.

        Raises
        ------
        ValueError
            If a number does not divide the layer's, or several groups at a time are not whole.
        """
        for what, number, whole in (
            ("PEs", self.pe, shape.outputs),
            ("Products a cycle", self.simd, shape.inputs),
            ("Groups at a time", self.groups, shape.groups),
        ):
            check_count(f"{what} of {name}", number)
            if whole % number:
                raise RefusedInput(f"{what} of {name} must divide {whole}, not be {number}")
        if self.groups > 1 and (self.pe, self.simd) != (shape.outputs, shape.inputs):
            raise RefusedInput(
                f"Groups at a time of {name} must be whole: {shape.outputs} PEs of {shape.inputs} "
                f"products, not {self.pe} of {self.simd}"
            )

    @property
    def units(self) -> int:
        """Products of the engine in a cycle."""
        return self.pe * self.simd * self.groups

    def cycles(self, shape: LayerShape) -> int:
        """Cycles of a frame: ``(groups / G) M (N / P) (K / S)``."""
        return (
            (shape.groups // self.groups)
            * shape.positions
            * (shape.outputs // self.pe)
            * (shape.taps * shape.inputs // self.simd)
        )

    @classmethod
    def of(cls, numbers: Mapping[str, int]) -> "Folding":
        """From a mapping with any of its fields."""
        return cls(**numbers)


def smallest_folding(shape: LayerShape, cycles: int) -> Folding | None:
    """Folding of the fewest units that takes no more cycles; None if there is none.

    Of equal ones that with the most PEs, whose sums need no adders between units.

    Examples
    --------
    >>> smallest_folding(LayerShape(positions=49, groups=1, outputs=6, taps=9, inputs=4), 2700)
    Folding(pe=2, simd=2, groups=1)
    """
    choices = [
        Folding(pe=pe, simd=simd)
        for pe, simd in product(divisors(shape.outputs), divisors(shape.inputs))
    ]
    choices += [
        Folding(pe=shape.outputs, simd=shape.inputs, groups=groups)
        for groups in divisors(shape.groups)
    ]
    able = [choice for choice in choices if choice.cycles(shape) <= cycles]
    return min(able, key=lambda c: (c.units, c.simd, -c.pe), default=None)


def divisors(number: int) -> list[int]:
    """Divisors of a number, rising."""
    return [d for d in range(1, number + 1) if number % d == 0]
