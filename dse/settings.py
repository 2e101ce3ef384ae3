"""What a run may choose from: formats, hardware, limits, and how much of the front it reports."""

from dataclasses import dataclass
from typing import Any

from macwright.costmodel.tables.default_units import SWITCHED, WEIGHTS, switched_unit
from macwright.dse.solver import Budget
from macwright.hw.errors import RefusedInput

__all__ = ["ACTIVATIONS", "Dataflow", "Settings", "Temporal"]

#: Activation formats of the default search; an integer stands for the unsigned one, too.
ACTIVATIONS = ("int4", "int5", "int6", "int8", "e2m1fn", "e2m3fn", "e4m3fin")


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
        Clock; units that are known to be slower are left out.
    switched : tuple of str
        Units with several modes that may be unit types, as
        :func:`macwright.costmodel.tables.default_units.switched_unit` takes them.

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

    @property
    def specs(self) -> tuple[Any, ...]:
        """Specs of the units with several modes."""
        return tuple(dict.fromkeys(switched_unit(text) for text in self.switched))

    def __post_init__(self) -> None:
        _ = self.specs  # refuses what is no such unit
        _positive(self.types, "Number of unit types", whole=True)
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
        Clock; units that are known to be slower are left out.

    Examples
    --------
    >>> Dataflow(clock_mhz=100.0)
    Dataflow(clock_mhz=100.0)
    """

    clock_mhz: float = 200.0

    def __post_init__(self) -> None:
        _positive(self.clock_mhz, "Clock in MHz")


def _positive(value: float, what: str, *, whole: bool = False) -> None:
    if not 0 < value < float("inf") or (whole and value != int(value)):
        kind = "a whole number of at least 1" if whole else "above 0"
        raise RefusedInput(f"{what} must be {kind}, not {value}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run may choose from and how much of the front it reports.

    Parameters
    ----------
    technology : str
        Name of a technology.
    weights, activations : tuple of str
        Formats that each layer may use. A signed integer stands for the unsigned one of the same
        width where a layer's activations are never negative.
    objective : str
        Cost column that the front trades against the predicted loss.
    second : str or None
        Another cost column to trade at the same time: a front of three objectives.
    budgets : tuple of Budget
        Limits on the totals of cost columns.
    architecture : Temporal, Dataflow or None
        Hardware to be chosen together with the formats; None: only formats, and costs that know
        no hardware.
    dsp : bool
        Whether units use the hard multipliers of an FPGA.
    points : int
        Points of the front to report, besides those at the costs of uniform allocations.
    measured : int
        Reported points to measure on data, besides the same.
    metric : str
        What losses are, one of :data:`macwright.dse.sensitivity.metrics.METRICS`.
    images : int
        Calibration samples for the sensitivities.
    pairs : int
        Neighbouring layers whose losses together are measured, as many pairs.
    rank : int
        Random allocations to measure, to see how well the losses rank them.
    refine : int
        Times to search again with losses corrected by the measured points.
    held_out : float
        Share of the evaluation data that nothing is chosen by; the knee is measured on it at last.
    layer_energy : bool
        Whether energies are measured with the operands of each layer, for the points reported.
    time_limit_s : float or None
        Wall-clock seconds for the search.
    verify : bool
        Whether to simulate the units of the front, if there is a simulator.
    jobs : int or None
        Processes; None: one for each processor.
    scheduler : str or None
        Address of a Dask cluster that characterises units and evaluates allocations.

    Examples
    --------
    >>> settings = Settings(technology="ecp5", budgets=(Budget("bops", max=1e9),))
    >>> settings.objective, settings.points
    ('area_time', 32)
    """

    technology: str = "gates"
    weights: tuple[str, ...] = WEIGHTS
    activations: tuple[str, ...] = ACTIVATIONS
    objective: str = "area_time"
    second: str | None = None
    budgets: tuple[Budget, ...] = ()
    architecture: Temporal | Dataflow | None = None
    dsp: bool = False
    points: int = 32
    measured: int = 10
    metric: str = "logit_mse"
    images: int = 64
    pairs: int = 0
    rank: int = 0
    refine: int = 0
    held_out: float = 0.0
    layer_energy: bool = False
    time_limit_s: float | None = None
    verify: bool = True
    jobs: int | None = None
    scheduler: str | None = None
