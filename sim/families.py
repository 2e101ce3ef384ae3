"""One row for each family of units: golden model, bench and its tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from macwright.hw.errors import RefusedType
from macwright.hw.formats import FloatFormat
from macwright.hw.pe.operand import has_specials
from macwright.hw.pe.spec import UnitSpec
from macwright.sim.golden.bitplane_dot import BitplaneDotModel
from macwright.sim.golden.composable_mac import ComposableMacModel
from macwright.sim.golden.dot import DotModel
from macwright.sim.golden.float_mac import FloatMacModel
from macwright.sim.golden.grouped_dot import GroupedDotModel
from macwright.sim.golden.hadamard import HadamardModel
from macwright.sim.golden.mac import IntMacModel, MinifloatMacModel
from macwright.sim.golden.packed_mac import PackedMacModel
from macwright.sim.golden.requant import RequantModel
from macwright.sim.golden.serial_mac import SerialMacModel
from macwright.sim.golden.shift_add_mac import ShiftAddMacModel

__all__ = ["FAMILIES", "Verification", "golden_model", "verification"]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What units of a family are checked with.

    Parameters
    ----------
    model : callable
        ``model(spec)`` gives the golden model.
    bench : str
        Module of `macwright.sim.bench`.
    tests : tuple of str
        Functions of that module.
    more : callable or None
        ``more(spec)`` gives the names of tests that only some units of the family have.
    """

    model: Callable[[Any], Any]
    bench: str
    tests: tuple[str, ...]
    more: Callable[[Any], tuple[str, ...]] | None = None

    def tests_of(self, spec: UnitSpec) -> tuple[str, ...]:
        """Tests of one unit."""
        return self.tests + (self.more(spec) if self.more else ())


def _shift_add_tests(spec: Any) -> tuple[str, ...]:
    totals = ("totals",) if spec.scale is not None else ()
    return totals + (("specials",) if has_specials(spec.act) else ())


def _dot_model(spec: Any) -> DotModel:
    return GroupedDotModel(spec) if spec.groups > 1 else DotModel(spec)


_MAC = ("corners", "pairs", "sums", "controls", "limits")
_PORTS = ("corners", "sums", "controls", "limits")
#: Row of each family, and of `minifloat_mac` with a float accumulator, which is other hardware.
FAMILIES = {
    "int_mac": Verification(model=IntMacModel, bench="mac", tests=_MAC),
    "minifloat_mac": Verification(model=MinifloatMacModel, bench="mac", tests=_MAC),
    "minifloat_mac, float accumulator": Verification(
        model=FloatMacModel,
        bench="float_mac",
        tests=("corners", "pairs", "sums", "controls", "rounding", "cancellation", "ends"),
    ),
    "packed_mac": Verification(
        model=PackedMacModel,
        bench="packed_mac",
        tests=("corners", "lanes", "sums", "controls", "limits"),
    ),
    "requant": Verification(
        model=RequantModel, bench="requant", tests=("corners", "ties", "numbers", "controls")
    ),
    "hadamard": Verification(
        model=HadamardModel,
        bench="hadamard",
        tests=("points", "corners", "numbers", "controls"),
    ),
    "serial_mac": Verification(
        model=SerialMacModel,
        bench="serial_mac",
        tests=("corners", "sums", "controls", "limits", "products"),
    ),
    "composable_mac": Verification(model=ComposableMacModel, bench="ports", tests=_PORTS),
    "shift_add_mac": Verification(
        model=ShiftAddMacModel,
        bench="shift_add_mac",
        tests=("corners", "sums", "controls", "limits", "groups"),
        more=_shift_add_tests,
    ),
    "bitplane_dot": Verification(model=BitplaneDotModel, bench="ports", tests=_PORTS),
    "dot": Verification(
        model=_dot_model,
        bench="dot",
        tests=("corners", "lanes", "sums", "controls", "cancellation", "limits"),
    ),
}


def verification(spec: Any) -> Verification:
    """Row of a unit.

    Raises
    ------
    RefusedType
        If its family has none.
    """
    family = spec.family
    if family == "minifloat_mac" and isinstance(spec.acc, FloatFormat):
        family = "minifloat_mac, float accumulator"
    if family not in FAMILIES:
        raise RefusedType(f"Unit must be of family {', '.join(FAMILIES)}, not {family!r}")
    return FAMILIES[family]


def golden_model(spec: Any) -> Any:
    """Golden model of a unit.

    Parameters
    ----------
    spec : UnitSpec
        Of any family.

    Returns
    -------
    MacModel, DotModel or PortModel
        ``step(**codes, clear=…)`` is a clock edge; `acc` the accumulator as an unsigned code word,
        None where the contract leaves it open.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> model = golden_model(IntMacSpec())
    >>> model.step(a=3, w=0xFE, clear=1)  # 3 x -2
    >>> model.step(a=5, w=1, clear=0)
    >>> hex(model.acc)
    '0xffffffff'
    """
    return verification(spec).model(spec)
