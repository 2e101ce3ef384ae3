"""How well predicted losses rank random allocations that are measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.progress import Progress
from macwright.dse.data.recipe import Dataset
from macwright.dse.data.task import spearman
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import Settings
from macwright.dse.solver.model.pairs import PairTerm, pair_total
from macwright.dse.validation.accuracy import evaluate_all
from macwright.dse.workload import Workload

__all__ = ["Ranking", "rank_allocations"]

#: Of the random allocations.
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Random allocations, predicted and measured.

    Attributes
    ----------
    table : DataFrame
        Columns ``predicted_loss, measured_logit_mse, measured_kl, measured_accuracy``, the third
        empty where outputs are not logits; one row for each allocation.
    spearman : dict
        Rank correlation of the predicted loss with each measured column that is not empty,
        positive where the prediction is right; None where all values are equal.
    """

    table: pd.DataFrame
    spearman: dict[str, float | None]

    def summary(self) -> dict[str, Any]:
        """For the record."""
        return {"allocations": len(self.table), "seed": SEED, "spearman": self.spearman}


def rank_allocations(
    workload: Workload,
    dataset: Dataset,
    options: pd.DataFrame,
    pairs: Sequence[PairTerm],
    rotations: Rotations,
    settings: Settings,
    progress: Progress | None = None,
) -> Ranking:
    """Measure allocations whose option of each layer is drawn uniformly, and rank them.

    Parameters
    ----------
    workload, dataset
        Network and data.
    options : DataFrame
        Columns ``layer, option, loss``.
    pairs : sequence of PairTerm
        Losses that two options add together.
    rotations : Rotations
        Transforms that layers read.
    settings : Settings
        How many.
    progress : callable, optional
        Called with stage, done and total.
    """
    rng = np.random.default_rng(SEED)
    losses = {
        str(name): dict(zip(rows["option"], rows["loss"], strict=True))
        for name, rows in options.groupby("layer", sort=False)
    }
    drawn = [
        {name: list(mine)[rng.integers(len(mine))] for name, mine in losses.items()}
        for _ in range(settings.rank)
    ]
    evaluations = evaluate_all(workload, dataset, drawn, rotations, settings, progress)
    table = pd.DataFrame(
        {
            "predicted_loss": [
                float(sum(losses[name][option] for name, option in allocation.items()))
                + pair_total(pairs, allocation)
                for allocation in drawn
            ],
            "measured_logit_mse": [e.logit_mse for e in evaluations],
            "measured_kl": [e.kl for e in evaluations],
            "measured_accuracy": [e.metric for e in evaluations],
        }
    )
    predicted = np.asarray(table["predicted_loss"], np.float64)
    measured = {
        name: np.asarray(table[f"measured_{name}"], np.float64)
        for name in ("logit_mse", "kl", "accuracy")
    }
    better = -1.0 if dataset.higher_is_better else 1.0
    signs = {"logit_mse": 1.0, "kl": 1.0, "accuracy": better}
    return Ranking(
        table=table,
        spearman={
            name: _correlation(predicted, signs[name] * values)
            for name, values in measured.items()
            if not np.isnan(values).any()
        },
    )


def _correlation(predicted: np.ndarray, measured: np.ndarray) -> float | None:
    rho = spearman(predicted, measured)
    return rho if np.isfinite(rho) else None
