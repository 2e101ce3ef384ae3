"""What has a cost row of its own: units, and modes of units whose energies differ."""

from collections.abc import Iterable

from macwright.costmodel.technology.technology import Technology
from macwright.hw.pe.spec import Unit, UnitSpec

__all__ = ["priced"]


def priced(specs: Iterable[UnitSpec], technology: Technology) -> list[Unit]:
    """Units with several modes, and those of their modes that have a cost row of their own.

    What differs between the modes is the energy, so there are none where there are no energies.
    """
    every = [spec.operating_modes() for spec in specs]
    energies = technology.energy is not None or not technology.mappable
    return [modes[0].spec for modes in every] + [
        mode for modes in every if energies for mode in modes[1:]
    ]
