"""The file of the whole front (of each clock), of which `front.csv` holds a selection."""

from collections.abc import Mapping, Sequence

import pandas as pd

from macwright.dse.run.folder import csv_text
from macwright.dse.search.points import Point
from macwright.dse.solver.front import Front

__all__ = ["whole_front_csv"]


def whole_front_csv(
    fronts: Sequence[tuple[float | None, Front]],
    options: pd.DataFrame,
    reported: Sequence[Point],
) -> str:
    """One row for each point of the front of each clock, by rising cost.

    Parameters
    ----------
    fronts : sequence of (float or None, Front)
        Clock in MHz, None where costs know none, and all points at it.
    options : DataFrame
        `options.csv` of the run, with columns ``layer, option``.
    reported : sequence of Point
        Points of `front.csv`.

    Returns
    -------
    str
        Columns: `clock_mhz`, where there is one; the cost; `predicted_loss`; `status`, `gap`;
        `point`, the number of the point in `front.csv`, empty for others; `allocation`, for each
        layer in the order of `layers.csv` the place of its option among those of the layer in
        `options.csv`, the first being 0.
    """
    names: dict[str, dict[str, int]] = {}
    for layer, option in zip(options["layer"], options["option"], strict=True):
        of_layer = names.setdefault(layer, {})
        of_layer[option] = len(of_layer)

    def places(pairs: Mapping[str, str]) -> str:
        return " ".join(str(of_layer[pairs[layer]]) for layer, of_layer in names.items())

    numbers = {(point.clock_mhz, places(point.pairs)): int(point.name) for point in reported}
    rows = []
    for clock_mhz, front in fronts:
        for solution in front:
            allocation = places(solution.allocation)
            rows.append(
                {
                    **({} if clock_mhz is None else {"clock_mhz": clock_mhz}),
                    front.cost: solution.totals[front.cost],
                    "predicted_loss": solution.objective,
                    "status": solution.status,
                    "gap": solution.gap,
                    "point": numbers.get((clock_mhz, allocation), ""),
                    "allocation": allocation,
                }
            )
    return csv_text(rows)
