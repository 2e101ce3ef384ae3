"""The file of the whole front, of which `front.csv` holds a selection."""

from collections.abc import Mapping, Sequence

import pandas as pd

from macwright.dse.run.folder import csv_text
from macwright.dse.search.points import Point
from macwright.dse.solver.front import Front

__all__ = ["whole_front_csv"]


def whole_front_csv(front: Front, options: pd.DataFrame, reported: Sequence[Point]) -> str:
    """One row for each point of a front, by rising cost.

    Parameters
    ----------
    front : Front
        All points.
    options : DataFrame
        Table of options of the run, with columns ``layer, option``.
    reported : sequence of Point
        Points of `front.csv`.

    Returns
    -------
    str
        Columns: the cost; `predicted_loss`; `status`, `gap`; `point`, the number of the point in
        `front.csv`, empty for others; `allocation`, for each layer in the order of `layers.csv` the
        place of its option among those of the layer in `options.csv`, the first being 0.
    """
    names: dict[str, dict[str, int]] = {}
    for layer, option in zip(options["layer"], options["option"], strict=True):
        of_layer = names.setdefault(layer, {})
        of_layer[option] = len(of_layer)

    def places(pairs: Mapping[str, str]) -> str:
        return " ".join(str(of_layer[pairs[layer]]) for layer, of_layer in names.items())

    numbers = {places(point.pairs): int(point.name) for point in reported}
    rows = []
    for solution in front:
        allocation = places(solution.allocation)
        rows.append(
            {
                front.cost: solution.totals[front.cost],
                "predicted_loss": solution.objective,
                "status": solution.status,
                "gap": solution.gap,
                "point": numbers.get(allocation, ""),
                "allocation": allocation,
            }
        )
    return csv_text(rows)
