"""What is chosen together: formats, and an array for all layers or an engine for each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from macwright.dse.architecture.mapping import NO_FORMATS, NO_MODE
from macwright.dse.cost_columns import FRAME, LATENCY
from macwright.dse.search.points import Point
from macwright.dse.solver import (
    ArrayShape,
    Budget,
    OptionTable,
    Solution,
    choose_dataflow,
    choose_temporal,
)
from macwright.dse.solver.joint.dataflow import best_dataflow
from macwright.dse.solver.joint.sequential import restricted_table
from macwright.dse.solver.joint.temporal import best_temporal
from macwright.hw.errors import Infeasible

__all__ = ["JointProblem"]


@dataclass(frozen=True, eq=False, kw_only=True)
class JointProblem:
    """Formats and hardware to choose.

    Parameters
    ----------
    table : OptionTable
        Options with the labels `formats`, `unit` and, on arrays, `mode`.
    arrays : sequence of ArrayShape
        Arrays to choose from; none for engines of their own.
    types : int
        Unit types on an array at most.
    area : str
        Name of the area: ``"area"`` or ``"luts"``.
    """

    table: OptionTable
    arrays: Sequence[ArrayShape] = ()
    types: int = 1
    area: str = "area"

    @property
    def columns(self) -> list[str]:
        """Cost columns."""
        names = [name for name in self.table.values if name != "loss"]
        if self.arrays:
            names += [self.area, *self.arrays[0].columns]
        return names

    def restricted(self, rows: np.ndarray) -> "JointProblem":
        """The problem with only some options (sorted); every layer must keep one."""
        arrays = [
            replace(array, columns={name: np.asarray(c)[rows] for name, c in array.columns.items()})
            for array in self.arrays
        ]
        return replace(self, table=restricted_table(self.table, rows), arrays=arrays)

    def best(
        self, objective: str, budgets: Sequence[Budget], time_limit_s: float | None = None
    ) -> tuple[Solution, str] | None:
        """Best choice and its array (``""`` of engines), or ``None`` if there is none."""
        if not self.arrays:
            solution = best_dataflow(
                self.table, objective, budgets, slowest=FRAME, time_limit_s=time_limit_s
            )
            return None if solution is None else (solution, "")
        chip = best_temporal(
            self.table,
            self.arrays,
            objective,
            budgets,
            types=self.types,
            area=self.area,
            time_limit_s=time_limit_s,
        )
        return None if chip is None else (chip.solution, chip.array)

    def refuse(self, budgets: Sequence[Budget]) -> None:
        """Raise the error that says which limit cannot be kept, of times also as frame rates."""
        try:
            if self.arrays:
                choose_temporal(
                    self.table, self.arrays, "loss", budgets, types=self.types, area=self.area
                )
            else:
                choose_dataflow(self.table, "loss", budgets, slowest=FRAME)
        except Infeasible as error:
            raise Infeasible(f"{error}{self._rates(budgets)}") from None

    def _rates(self, budgets: Sequence[Budget]) -> str:
        """Frame rate that is limited and the one to be had, where the time has a limit."""
        time = LATENCY if self.arrays else FRAME
        limits = [b.max for b in budgets if b.column == time and b.max is not None]
        others = [b for b in budgets if b.column != time]
        fastest = self.best(time, others) if limits else None
        if fastest is None or fastest[0].status != "optimal":
            return ""
        had, asked = 1e3 / fastest[0].totals[time], 1e3 / min(limits)
        within = "".join(
            f"{word}{b.column} {sign} {limit:g}"
            for word, b in zip([" within ", *[" and "] * len(others)], others, strict=False)
            for sign, limit in (("<=", b.max), (">=", b.min))
            if limit is not None
        )
        return f"; that is at most {had:,.0f} frames/s{within}, not {asked:,.0f}"

    def point(self, name: str, solution: Solution, array: str, proof: Solution | None) -> Point:
        """What is reported of a choice; `proof` has the status of its loss."""
        index = {
            (self.table.layers[layer], option): row
            for row, (layer, option) in enumerate(
                zip(self.table.layer_of_row.tolist(), self.table.options, strict=True)
            )
        }
        rows = {layer: index[layer, option] for layer, option in solution.allocation.items()}
        # Pools and the like have no formats to choose.
        pairs = {layer: self.table.labels["formats"][row] for layer, row in rows.items()}
        pairs = {layer: pair for layer, pair in pairs.items() if pair != NO_FORMATS}
        units = {layer: self.table.labels["unit"][rows[layer]] for layer in pairs}
        hardware: dict[str, Any] = {"unit_types": sorted(set(units.values()))}
        time = solution.totals[LATENCY if self.arrays else FRAME]
        totals = {**solution.totals, "throughput_fps": 1e3 / time}
        if self.arrays:
            hardware["array"] = array
            modes = {layer: self.table.labels["mode"][row] for layer, row in rows.items()}
            hardware["modes"] = {name: mode for name, mode in modes.items() if mode != NO_MODE}
        else:
            folds = {layer: solution.allocation[layer].split(" ")[1] for layer in pairs}
            names: tuple[str, ...] = ("pe", "simd", "groups")
            folding: dict[str, dict[str, int]] = {
                layer: dict(zip(names, map(int, fold.split("x")), strict=False))
                for layer, fold in folds.items()
            }
            hardware["folding"] = folding
        return Point(
            name=name,
            pairs=pairs,
            totals=totals,
            status=None if proof is None else proof.status,
            gap=None if proof is None else proof.gap,
            hardware=hardware,
            units=units,
        )
