"""Pairwise terms of a run: what neighbouring layers lose together, beyond their sum."""

from collections.abc import Iterator, Mapping
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd

from macwright.costmodel.progress import Progress
from macwright.dse.data.recipe import Dataset
from macwright.dse.sensitivity.pairs import measure_pairs
from macwright.dse.sensitivity.source import Losses
from macwright.dse.settings import Settings
from macwright.dse.solver.model.pairs import PairTerm
from macwright.dse.workload import Workload

__all__ = ["neighbours", "pair_terms"]

KINDS = ("weight", "activation")


def neighbours(workload: Workload) -> list[tuple[str, str]]:
    """Pairs of layers of which one reads what the other gives, with no layer in between."""
    names = [layer.name for layer in workload.layers]
    edges = []
    for name in names:
        seen, waiting = {name}, [name]
        while waiting:
            for node in workload.graph.successors(waiting.pop()):
                if node in seen:
                    continue
                seen.add(node)
                if node in names:
                    edges.append((name, node))
                else:
                    waiting.append(node)
    return sorted(edges, key=lambda pair: (names.index(pair[0]), names.index(pair[1])))


def pair_terms(
    workload: Workload,
    dataset: Dataset,
    options: pd.DataFrame,
    losses: Losses,
    settings: Settings,
    progress: Progress | None = None,
) -> list[PairTerm]:
    """Losses that two options of neighbouring layers add together.

    Those neighbours are measured that can interact most: by the product of their median losses.
    The term of two options is the sum of those of their tensors, each weighed by the root of the
    factors of the two kinds, as errors of outputs are that multiply to it. It is at least what
    keeps the losses of all allocations from falling below zero.

    Parameters
    ----------
    workload, dataset
        Network and data.
    options : DataFrame
        Columns ``layer, option, weight, activation, loss``.
    losses : Losses
        Their factors are used.
    settings : Settings
        How many neighbours, and samples.
    progress : callable, optional
        Called with ``("pairs", done, total)``.

    Returns
    -------
    list of PairTerm
        Layer, option, layer, option and loss.
    """
    of_layer = {str(name): rows for name, rows in options.groupby("layer")}
    median = {name: float(np.median(rows["loss"])) for name, rows in of_layer.items()}
    every = neighbours(workload)
    every.sort(key=lambda pair: -median[pair[0]] * median[pair[1]])
    chosen = every[: settings.pairs]
    questions = [
        ((first, kind, f), (second, other, g))
        for first, second in chosen
        for kind, other in product(KINDS, KINDS)
        for f, g in product(of_layer[first][kind].unique(), of_layer[second][other].unique())
    ]
    table = measure_pairs(
        workload,
        dataset,
        questions,
        images=settings.images,
        jobs=settings.jobs,
        progress=progress,
    )
    extra = {
        pair: float(value) * sqrt(losses.factors[pair[0][1]] * losses.factors[pair[1][1]])
        for pair, value in zip(questions, table["interaction"], strict=True)
    }
    degree = {
        name: sum(name in pair for pair in chosen) for name in {x for pair in chosen for x in pair}
    }
    return [
        term for first, second in chosen for term in _terms(first, second, of_layer, extra, degree)
    ]


def _terms(
    first: str,
    second: str,
    of_layer: Mapping[str, pd.DataFrame],
    extra: Mapping[tuple[tuple[str, str, str], tuple[str, str, str]], float],
    degree: Mapping[str, int],
) -> Iterator[PairTerm]:
    """Terms of two layers."""
    rows = (of_layer[name].to_dict("records") for name in (first, second))
    for a, b in product(*rows):
        loss = sum(
            extra[(first, kind, a[kind]), (second, other, b[other])]
            for kind, other in product(KINDS, KINDS)
        )
        least = a["loss"] / degree[first] + b["loss"] / degree[second]
        yield first, a["option"], second, b["option"], max(loss, -least)
