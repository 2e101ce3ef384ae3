"""What a run may choose from: formats, hardware, limits, and how much of the front it reports."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from macwright.costmodel.tables.clock import MARGIN
from macwright.costmodel.tables.default_units import SWITCHED, WEIGHTS, switched_unit
from macwright.costmodel.technology.catalogue import RECORDS
from macwright.costmodel.technology.devices import Device
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.dse.cost_columns import (
    FRAME,
    LATENCY,
    device_columns,
    known_columns,
    throughput_limits,
)
from macwright.dse.solver import Budget
from macwright.dse.studies import Execution, Reporting, SensitivityStudy
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import parse_format

__all__ = ["ACTIVATIONS", "WIDE_BITS", "Dataflow", "Settings", "Temporal"]

#: Activation formats of the default search; an integer stands for the unsigned one, too.
ACTIVATIONS = ("int4", "int5", "int6", "int8", "e2m1fn", "e2m3fn", "e4m3fin")


#: Bits of the operands of residual additions and of average pools in integer networks.
WIDE_BITS = 10


@dataclass(frozen=True, kw_only=True)
class Temporal:
    """One output-stationary array that all layers share.

    Parameters
    ----------
    types : int
        Unit types on chip at most; every processing element has one of each.
    rows, columns : tuple of int
        Numbers of rows and of columns that the array may have.
    buffers_kib : tuple of float
        Capacities that the two buffers, of activations and of weights, may have, KiB. They count
        where the technology's node is known.
    clock_mhz : float
        Clock that times are counted at where units have no periods; elsewhere, if not the default,
        the only clock of a search whose settings name none.
    switched : tuple of str
        Units with several modes that may be unit types, as
        :func:`macwright.costmodel.tables.default_units.switched_unit` takes them.
    device : Device or None
        FPGA that the machine must fit; see :class:`Dataflow`. It has one unit type of one mode.
    wide_bits : int
        Bits of the operands of additions and average pools of a machine on a device, 4 to 16: fewer
        take less activation memory, and may cost accuracy.

    Examples
    --------
    >>> Temporal(types=1, rows=(8, 16)).clock_mhz
    200.0
    """

    types: int = 2
    rows: tuple[int, ...] = (4, 8, 16, 32)
    columns: tuple[int, ...] = (4, 8, 16, 32)
    buffers_kib: tuple[float, ...] = (16.0, 64.0)
    clock_mhz: float = 200.0
    switched: tuple[str, ...] = SWITCHED
    device: Device | None = None
    wide_bits: int = WIDE_BITS

    @property
    def specs(self) -> tuple[Any, ...]:
        """Specs of the units with several modes."""
        return tuple(dict.fromkeys(switched_unit(text) for text in self.switched))

    def __post_init__(self) -> None:
        _ = self.specs  # refuses what is no such unit
        if type(self.wide_bits) is not int or not 4 <= self.wide_bits <= 16:
            raise RefusedInput(f"Wide operands must have 4 to 16 bits, not {self.wide_bits!r}")
        if self.wide_bits != WIDE_BITS and self.device is None:
            raise RefusedInput(
                f"Width of wide operands must be {WIDE_BITS} bits without a device, as the machine "
                f"around the array does not count there, not {self.wide_bits}"
            )
        _positive(self.types, "Number of unit types", whole=True)
        if self.device is not None and (self.types > 1 or self.switched):
            raise RefusedInput(
                f"Array on device {self.device.name} must have one unit type of one mode (types=1, "
                f"switched=()), not {self.types} types"
                + (f" and {', '.join(self.switched)}" if self.switched else "")
            )
        for what, values in (("Rows", self.rows), ("Columns", self.columns)):
            for value in values:
                _positive(value, f"{what} of the array", whole=True)
        for value in self.buffers_kib:
            _positive(value, "Capacity of a buffer")
        _positive(self.clock_mhz, "Clock in MHz")


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """An engine for each layer, folded as it needs; all work at once on samples one after another.

    Parameters
    ----------
    clock_mhz : float
        Clock that times are counted at where units have no periods; elsewhere, if not the default,
        the only clock of a search whose settings name none.
    device : Device or None
        FPGA that the machine must fit: its LUTs, flip-flops, block RAMs and multipliers are limits,
        costs are those of the whole machine, and the clock is counted from its look-up tables.

    Examples
    --------
    >>> Dataflow(clock_mhz=100.0)
    Dataflow(clock_mhz=100.0, device=None)
    """

    clock_mhz: float = 200.0
    device: Device | None = None

    def __post_init__(self) -> None:
        _positive(self.clock_mhz, "Clock in MHz")


def _positive(value: float, what: str, *, whole: bool = False) -> None:
    if not 0 < value < float("inf") or (whole and value != int(value)):
        kind = "a whole number of at least 1" if whole else "above 0"
        raise RefusedInput(f"{what} must be {kind}, not {value}")


@dataclass(frozen=True, kw_only=True)
class Settings(SensitivityStudy, Reporting, Execution):
    """What a run may choose from and how much of the front it reports.

    Parameters
    ----------
    technology : str
        Name of a technology.
    library : TechnologyRecord or None
        Record of a library of the user's own, whose name `technology` then is.
    free : tuple of str
        Layers that the search gives formats although the model prescribes some, or ``all``; see
        :func:`macwright.dse.workload.free.freed`.
    weights, activations : tuple of str
        Formats that each layer may use. A signed integer stands for the unsigned one of the same
        width where a layer's activations are never negative.
    objective : str
        Cost column that the front trades against the predicted loss; empty for `area_time` or,
        with an architecture, `area`.
    second : str or None
        Another cost column to trade at the same time: a front of three objectives.
    budgets : tuple of Budget
        Limits on the totals of cost columns.
    architecture : Temporal, Dataflow or None
        Hardware to be chosen together with the formats; None: only formats, and costs that know
        no hardware.
    types : int or None
        Unit types that an allocation may have at most, without an architecture; None for any.
    clocks_mhz : tuple of float
        Clocks to choose from; none for those of the technology. A unit counts at its cheapest
        point that meets the clock, and formats whose unit has none are left out, by name.
    margin : float
        Share of its period that is added to that of a unit before it is compared with the clock's.
    dsp : bool
        Whether units use the hard multipliers of an FPGA.
    time_limit_s : float or None
        Wall-clock seconds for the search.
    metric, images, pairs, rank, refine, rotate
        As of :class:`~macwright.dse.studies.SensitivityStudy`.
    points, measured, held_out, layer_energy
        As of :class:`~macwright.dse.studies.Reporting`.
    verify, jobs, scheduler
        As of :class:`~macwright.dse.studies.Execution`.

    Raises
    ------
    RefusedInput
        If a value will not do, or values do not go together.

    Examples
    --------
    >>> settings = Settings(technology="ecp5", budgets=(Budget("bops", max=1e9),))
    >>> settings.objective, settings.points
    ('area_time', 32)
    """

    technology: str = "gates"
    library: TechnologyRecord | None = None
    free: tuple[str, ...] = ()
    weights: tuple[str, ...] = WEIGHTS
    activations: tuple[str, ...] = ACTIVATIONS
    objective: str = ""
    second: str | None = None
    budgets: tuple[Budget, ...] = ()
    architecture: Temporal | Dataflow | None = None
    types: int | None = None
    clocks_mhz: tuple[float, ...] = ()
    margin: float = MARGIN
    dsp: bool = False
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        self.check_study()
        self.check_reporting()
        self.check_execution()
        self._check_clocks()
        if self.library is None and self.technology not in RECORDS:
            raise RefusedInput(
                f"Technology must be one of {', '.join(RECORDS)}, or have a library, not "
                f"{self.technology!r}"
            )
        if self.library is not None and self.library.name != self.technology:
            raise RefusedInput(
                f"Technology must be the library's, {self.library.name!r}, not {self.technology!r}"
            )
        for name in ("weights", "activations"):
            object.__setattr__(self, name, _formats(name, getattr(self, name)))
        if self.device is not None and self.device.family != self.technology:
            raise RefusedInput(
                f"Technology must be that of device {self.device.name}, {self.device.family}, not "
                f"{self.technology}"
            )
        self._settle_columns()
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise RefusedInput(f"Time limit must be above 0 seconds, not {self.time_limit_s}")
        if self.pairs and self.architecture is not None:
            raise RefusedInput("Pairs of layers must come without an architecture, not with both")
        if self.rotate and self.architecture is not None:
            raise RefusedInput(
                "Hadamard transforms (rotate) must come without an architecture, whose machines "
                "have no unit for them"
            )
        if self.rotate and self.layer_energy:
            raise RefusedInput(
                "Hadamard transforms (rotate) must come without layer_energy, whose operands have "
                "none"
            )

    def _check_clocks(self) -> None:
        if self.types is not None:
            _positive(self.types, "Number of unit types", whole=True)
            if self.architecture is not None or self.second is not None:
                raise RefusedInput(
                    "Number of unit types must come with one objective and no architecture, whose "
                    "own field it is"
                )
        for rate in self.clocks_mhz:
            _positive(rate, "Clock in MHz")
        if not 0 <= self.margin < 1:
            raise RefusedInput(f"Margin of the period must be from 0 to below 1, not {self.margin}")

    @property
    def record(self) -> TechnologyRecord:
        """What is known of the technology."""
        return RECORDS[self.technology] if self.library is None else self.library

    @property
    def columns(self) -> dict[str, str]:
        """Names of cost columns, and the column that each stands for."""
        kinds = {Temporal: "temporal", Dataflow: "dataflow"}
        chip = self.architecture
        if chip is not None and type(chip) not in kinds:
            raise RefusedType(f"Architecture must be Temporal, Dataflow or None, not {chip!r}")
        if self.device is not None:
            return device_columns(self._time)
        return known_columns(
            self.record,
            architecture=None if chip is None else kinds[type(chip)],
            dsp=self.dsp,
            rotate=self.rotate,
        )

    @property
    def device(self) -> Device | None:
        """FPGA that a machine must fit, if one is given."""
        chip = self.architecture
        return chip.device if isinstance(chip, Temporal | Dataflow) else None

    @property
    def _time(self) -> str:
        """Column of the time between two frames of a machine."""
        return LATENCY if isinstance(self.architecture, Temporal) else FRAME

    @property
    def machine_mhz(self) -> float | None:
        """Clock asked for of one array on a device; None for that which placed ones reach."""
        if len(self.clocks_mhz) > 1:
            raise RefusedInput(
                "Clock of one array on a device must be one, not "
                f"{', '.join(f'{rate:g}' for rate in self.clocks_mhz)} MHz"
            )
        return self.clocks_mhz[0] if self.clocks_mhz else None

    @property
    def limits(self) -> tuple[Budget, ...]:
        """Limits of a search with an architecture: the budgets, and what the device has."""
        if self.device is None:
            return self.budgets
        limits = (Budget(name, max=most) for name, most in self.device.resources.items())
        return (*self.budgets, *limits)

    def _default_objective(self) -> str:
        """What a front trades if nobody says: on a device without a rate, the rate that fits."""
        if self.device is None:
            return "area_time" if self.architecture is None else "area"
        limited = {budget.column for budget in self.budgets}
        return "luts" if limited & {self._time, "throughput_fps"} else self._time

    def _settle_columns(self) -> None:
        """Give objectives and budgets the columns that their names stand for."""
        columns = self.columns
        objective = self.objective or self._default_objective()
        for field, name in (("objective", objective), ("second", self.second)):
            if name is None:
                continue
            if name not in columns:
                raise RefusedInput(f"Objective must be one of {', '.join(columns)}, not {name!r}")
            object.__setattr__(self, field, columns[name])
        if self.second == self.objective:
            raise RefusedInput(f"Objectives must be different, not {self.objective!r} twice")
        known = {"loss": "loss", **columns}
        for budget in self.budgets:
            if budget.column not in known:
                raise RefusedInput(
                    f"Budget column must be one of {', '.join(known)}, not {budget.column!r}"
                )
        limits = throughput_limits(self.budgets, columns.get("throughput_fps", ""))
        limits = tuple(replace(budget, column=known[budget.column]) for budget in limits)
        object.__setattr__(self, "budgets", limits)


def _formats(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """Names of formats as they print, each once."""
    if isinstance(names, str) or not names:
        raise RefusedInput(f"Formats of {what} must be one name or more, not {names!r}")
    return tuple(dict.fromkeys(str(parse_format(name)) for name in names))
