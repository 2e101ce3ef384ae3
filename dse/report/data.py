"""The files of a run directory, read and checked for the report."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from macwright.dse.csv_file import from_text
from macwright.dse.run.allocation import read_allocation
from macwright.dse.run.info import read_info
from macwright.hw.errors import RefusedInput

__all__ = ["Choice", "ReportedPoint", "Run", "Uniform", "load_run"]

#: Columns of front.csv that are no cost.
_PLAIN = (
    "point",
    "status",
    "gap",
    "predicted_loss",
    "predicted_accuracy",
    "measured_accuracy",
    "measured_standard_error",
    "exact_accuracy",
    "clock_mhz",
    "clock",
    "unit_types",
    "shared_area_time",
    "mean_weight_bits",
    "mean_activation_bits",
    "throughput_fps",
    "allocation",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What one layer of an allocation uses; widths in bits, `mode` of a unit that has several."""

    weight: str
    activation: str
    unit: str
    weight_bits: float
    activation_bits: float
    mode: str = ""

    @property
    def rows(self) -> tuple[str, str]:
        """Names that the row of the unit in its mode, or in its widest one, has in costs.csv."""
        return f"{self.unit}@{self.mode}", self.unit


@dataclass(frozen=True, kw_only=True)
class ReportedPoint:
    """One row of front.csv with its allocation, layers in network order.

    `predicted`, `accuracy` and `exact` are in the run's metric: predicted from the loss, measured
    with fake quantisation, and measured as an integer network.
    `clock` is the clock in words, empty where costs know none; `unit_types` counts the units on
    chip, `shared_area_time` is the area x time on one array that all layers share.
    """

    number: int
    status: str
    gap: float | None
    loss: float
    predicted: float | None
    accuracy: float | None
    standard_error: float | None
    costs: dict[str, float]
    weight_bits: float | None
    activation_bits: float | None
    file: str
    choices: tuple[Choice, ...]
    array: str = ""
    exact: float | None = None
    clock: str = ""
    clock_mhz: float | None = None
    unit_types: int | None = None
    shared_area_time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """One row of uniform.csv: the same formats in every layer, for comparison."""

    name: str
    loss: float | None
    predicted: float | None
    accuracy: float | None
    standard_error: float | None
    costs: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run directory.

    `info` is run.json, `layers` and `units` are the rows of layers.csv and costs.csv as text,
    `points` are in order of rising cost in the column `objective`, `columns` the names of the cost
    columns with the objective first, `whole` the number of rows of whole_front.csv, and
    `sensitivities` the loss of each layer, tensor and format.
    """

    info: dict[str, Any]
    objective: str
    columns: tuple[str, ...]
    layers: tuple[dict[str, str], ...]
    units: tuple[dict[str, str], ...]
    points: tuple[ReportedPoint, ...]
    uniforms: tuple[Uniform, ...] = field(default=())
    sequential: tuple[dict[str, str], ...] = field(default=())
    whole: int = 0
    sensitivities: Mapping[tuple[str, str, str], float] = field(default_factory=dict)

    @cached_property
    def measured(self) -> tuple[ReportedPoint, ...]:
        """Points whose accuracy was measured, in order."""
        return tuple(point for point in self.points if point.accuracy is not None)

    @cached_property
    def timed(self) -> bool:
        """Whether costs hold at a clock."""
        return any(point.clock for point in self.points)


def load_run(run_dir: Path) -> Run:
    """Read run.json, front.csv, layers.csv, costs.csv, the allocations and other tables, if any.

    Raises
    ------
    ValueError
        If a file, column or value is missing or malformed; names the file and what it must hold.
    OSError
        If a file cannot be read.
    """
    info = read_info(run_dir)
    layers = _rows(run_dir / "layers.csv", ("layer", "op", "macs", "weights"))
    for row in layers:
        for name in ("macs", "weights"):
            _number(row[name], f"layers.csv, layer {row['layer']!r}, {name},")
    units = _rows(run_dir / "costs.csv", ("unit", "technology", "area", "area_unit"))
    for row in units:
        for name in ("area", "macs_per_cycle", "energy_fj_per_mac"):
            _optional(row, name, f"costs.csv, unit {row['unit']!r}")
        if row.get("macs_per_cycle") and float(row["macs_per_cycle"]) <= 0:
            raise RefusedInput(
                f"costs.csv, unit {row['unit']!r}, macs_per_cycle, must be above 0, not "
                f"{row['macs_per_cycle']!r}"
            )
    rows = _rows(run_dir / "front.csv", ("point", "status", "predicted_loss", "allocation"))
    if not rows:
        raise RefusedInput("front.csv must have at least one point, not only its header")
    costs = [name for name in rows[0] if name not in _PLAIN and _is_cost(rows, name)]
    objective = info.get("objective", "area_time")
    if objective not in costs:
        raise RefusedInput(
            f"front.csv must have numbers in the column {objective}, the run's objective"
        )
    columns = (objective, *(name for name in costs if name != objective))
    names = [row["layer"] for row in layers]
    points = [_point(run_dir, row, columns, names) for row in rows]
    if len({point.number for point in points}) < len(points):
        raise RefusedInput("front.csv must number its points differently, not repeat a number")
    uniform, sequential = run_dir / "uniform.csv", run_dir / "sequential.csv"
    whole = run_dir / "whole_front.csv"
    needed = ("predicted_loss", objective, "joint_point", "joint_predicted_loss")
    return Run(
        info=info,
        objective=objective,
        columns=columns,
        layers=tuple(layers),
        units=tuple(units),
        points=tuple(sorted(points, key=lambda point: (point.costs[objective], point.number))),
        uniforms=tuple(_uniforms(uniform, columns)) if uniform.is_file() else (),
        sequential=tuple(_rows(sequential, needed)) if sequential.is_file() else (),
        whole=len(_rows(whole, (objective, "predicted_loss"))) if whole.is_file() else 0,
        sensitivities=_sensitivities(run_dir / "sensitivity.csv"),
    )


def _sensitivities(path: Path) -> dict[tuple[str, str, str], float]:
    """Losses of a run; none where the file is absent."""
    if not path.is_file():
        return {}
    losses = {}
    for row in _rows(path, ("layer", "tensor", "format", "loss")):
        key = row["layer"], row["tensor"], row["format"]
        loss = _number(row["loss"], f"{path.name}, layer {row['layer']!r}, loss,")
        if not 0 <= loss < math.inf:
            raise RefusedInput(
                f"{path.name}, layer {row['layer']!r}, loss, must be a number from 0, not {loss}"
            )
        losses[key] = loss
    return losses


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", restval="")
            rows = [
                {name: from_text(v) if isinstance(v, str) else v for name, v in row.items()}
                for row in reader
            ]
            columns = reader.fieldnames or ()
    except FileNotFoundError:
        raise RefusedInput(f"the run folder must hold {path.name}, which is missing") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedInput(
            f"{path.name} must be a CSV file in UTF-8, which it is not: {error}"
        ) from None
    if missing := [name for name in needed if name not in columns]:
        raise RefusedInput(f"{path.name} must have the columns {', '.join(missing)}")
    if rows and "" in rows[0] and isinstance(rows[0][""], list):
        raise RefusedInput(f"{path.name} must have as many fields in each row as in its header")
    return rows


def _number(value: str, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RefusedInput(f"{where} must be a finite number, not {value!r}")
    return number


def _optional(row: dict[str, str], name: str, where: str) -> float | None:
    return _number(row[name], f"{where}, {name},") if row.get(name) else None


def _is_cost(rows: list[dict[str, str]], name: str) -> bool:
    """Return whether a column holds a finite number in every row."""
    try:
        return all(math.isfinite(float(row[name])) for row in rows)
    except (ValueError, TypeError):
        return False


def _point(
    run_dir: Path, row: dict[str, str], columns: tuple[str, ...], names: list[str]
) -> ReportedPoint:
    where = f"front.csv, point {row['point']}"
    number = _number(row["point"], "front.csv, point,")
    choices, array = _choices(run_dir, row["allocation"], names)
    types = _optional(row, "unit_types", where)
    return ReportedPoint(
        number=int(number),
        status=row["status"],
        gap=_optional(row, "gap", where),
        loss=_number(row["predicted_loss"], f"{where}, predicted_loss,"),
        predicted=_optional(row, "predicted_accuracy", where),
        accuracy=_optional(row, "measured_accuracy", where),
        standard_error=_optional(row, "measured_standard_error", where),
        costs={name: _number(row[name], f"{where}, {name},") for name in columns},
        weight_bits=_optional(row, "mean_weight_bits", where),
        activation_bits=_optional(row, "mean_activation_bits", where),
        file=row["allocation"],
        choices=choices,
        array=array,
        exact=_optional(row, "exact_accuracy", where) if "exact_accuracy" in row else None,
        clock=_clock_text(row),
        clock_mhz=_optional(row, "clock_mhz", where),
        unit_types=None if types is None else int(types),
        shared_area_time=_optional(row, "shared_area_time", where),
    )


def _clock_text(row: dict[str, str]) -> str:
    """Return the clock of a row, such as ``500 MHz`` or ``200 MHz (assumed)``."""
    if not row.get("clock_mhz"):
        return ""
    rate = _number(row["clock_mhz"], "front.csv, clock_mhz,")
    return f"{rate:g} MHz" + (" (assumed)" if row.get("clock") == "assumed" else "")


def _choices(run_dir: Path, file: str, names: list[str]) -> tuple[tuple[Choice, ...], str]:
    """Choices of an allocation file in network order, and the array, if one was chosen."""
    folder = run_dir.resolve()
    paths = [] if "\0" in file else [folder / file, folder / "allocations" / file]
    path = next(
        (p for p in map(Path.resolve, paths) if p.is_file() and p.is_relative_to(folder)), None
    )
    if path is None:
        raise RefusedInput(f"front.csv must name allocation files of the run folder, not {file!r}")
    allocation = read_allocation(path)
    result = []
    for name in names:
        if name not in allocation.layers:
            raise RefusedInput(
                f"{path.name} must give weight, activation and unit of the layer {name!r}"
            )
        choice = allocation.layers[name]
        weight, activation = choice.formats
        result.append(
            Choice(
                weight=choice.weight,
                activation=choice.activation,
                unit=choice.unit,
                weight_bits=weight.bits_per_value,
                activation_bits=activation.bits_per_value,
                mode=choice.mode,
            )
        )
    return tuple(result), "" if allocation.array is None else allocation.array.name


def _uniforms(path: Path, columns: tuple[str, ...]) -> list[Uniform]:
    result = []
    for row in _rows(path, ("name",)):
        where = f"uniform.csv, {row['name']}"
        costs = {name: _optional(row, name, where) for name in columns}
        result.append(
            Uniform(
                name=row["name"],
                loss=_optional(row, "predicted_loss", where),
                predicted=_optional(row, "predicted_accuracy", where),
                accuracy=_optional(row, "measured_accuracy", where),
                standard_error=_optional(row, "measured_standard_error", where),
                costs={name: value for name, value in costs.items() if value is not None},
            )
        )
    return result
