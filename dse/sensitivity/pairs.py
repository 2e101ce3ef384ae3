"""How much the formats of tensors of two layers matter together, beyond their sum."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.progress import Progress
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.options import QuantOptions, act_format, weight_format
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.sensitivity.bias import correct_later_biases
from macwright.dse.sensitivity.layer import LayerStudy
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

__all__ = ["measure_pairs"]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 4

_Tensor = tuple[str, str, str]
_Question = tuple[str, str]


def measure_pairs(
    workload: Workload,
    dataset: Dataset,
    pairs: Sequence[tuple[_Tensor, _Tensor]],
    *,
    images: int = 64,
    options: QuantOptions | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Mean squared change of the outputs when tensors of two layers are quantised together.

    Each is rounded as :func:`macwright.dse.sensitivity.measure.measure_sensitivity` rounds it
    alone, the later one by what reaches it.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Its first calibration samples are used.
    pairs : sequence of pairs of ``(layer, tensor, format)``
        What to quantise; `tensor` is ``weight`` or ``activation``.
    images : int
        Samples.
    options : QuantOptions, optional
        Techniques; weights are rounded to nearest.
    jobs : int, optional
        Threads; as many as cores if absent. Results do not depend on it.
    progress : callable, optional
        Called with ``("pairs", done, total)``.

    Returns
    -------
    pandas.DataFrame
        Columns ``layer, tensor, format`` of the earlier layer, the same with ``_2``, ``loss`` of
        both together and ``interaction``: what it is above the sum of the two alone, often
        negative. Kept in the cache, by content.

    Raises
    ------
    ValueError
        If a layer, tensor or format is unknown, or both tensors are of one layer.
    """
    options = options or QuantOptions()
    names = [layer.name for layer in workload.layers]
    rows = [
        sorted((_concrete(workload, tensor) for tensor in pair), key=lambda t: names.index(t[0]))
        for pair in pairs
    ]
    for first, second in rows:
        if first[0] == second[0]:
            raise RefusedInput(f"Pair must be of two layers, not of {first[0]!r} twice")
    cache = Cache("pairs")
    key = content_key(
        version=VERSION,
        model=workload.identity,
        data=dataset.sha256,
        questions=[[list(tensor) for tensor in row] for row in rows],
        images=images,
        options=options.to_fields(),
    )
    measured = cache.get(key)
    if measured is None:
        study = _Pairs(workload, dataset, images, options, jobs)
        measured = study.measured(rows, progress)
        cache.put(key, measured)
    columns = [f"{name}{end}" for end in ("", "_2") for name in ("layer", "tensor", "format")]
    table = pd.DataFrame([[*first, *second] for first, second in rows], columns=columns)
    return table.assign(**dict(zip(("loss", "interaction"), np.array(measured).T, strict=True)))


def _concrete(workload: Workload, tensor: _Tensor) -> _Tensor:
    name, kind, fmt = tensor
    if name not in {layer.name for layer in workload.layers}:
        raise RefusedInput(f"Pair must be of layers of the model, not {name!r}")
    layer = workload.layer(name)
    if kind == "activation":
        return name, kind, act_format(layer, fmt)
    if kind != "weight":
        raise RefusedInput(f"Pair must be of weights and activations, not {kind!r}")
    return name, kind, weight_format(layer, fmt) if layer.dynamic else str(parse_format(fmt))


class _Pairs:
    """Measurements of pairs of one network."""

    def __init__(
        self,
        workload: Workload,
        dataset: Dataset,
        images: int,
        options: QuantOptions,
        jobs: int | None,
    ) -> None:
        self.workload, self.options = prepare(workload, dataset, options), options
        self.feeds = dataset.first(dataset.x_calib, images)
        if options.bias_correction:
            self.workload = correct_later_biases(self.workload, self.feeds)
        self.jobs = jobs or len(os.sched_getaffinity(0))
        (exact,) = self._partial_run().advance([workload.output])
        self.exact = exact.astype(np.float64)

    def measured(
        self, rows: Sequence[Sequence[_Tensor]], progress: Progress | None
    ) -> list[list[float]]:
        """Loss and interaction of each pair."""
        questions: dict[tuple[str, str], dict[_Question, dict[_Question, None]]] = {}
        for (before, *first), (after, *second) in rows:
            of_layers = questions.setdefault((before, after), {})
            of_layers.setdefault((first[0], first[1]), {})[second[0], second[1]] = None
        interactions: dict[tuple[_Tensor, ...], list[float]] = {}
        for (before, after), firsts in questions.items():
            layers = [self.workload.layer(name) for name in (before, after)]
            seconds = list(dict.fromkeys(q for asked in firsts.values() for q in asked))
            alone = self._losses(self._study(self._partial_run(), layers[1]), seconds)
            for first, asked in firsts.items():
                partial_run = self._partial_run()
                study = self._study(partial_run, layers[0])
                own = study.loss(first)
                partial_run.give(before, layers[0].out, study.layer_output(first))
                both = self._losses(self._study(partial_run, layers[1]), list(asked))
                for second, loss in both.items():
                    pair = (before, *first), (after, *second)
                    interactions[pair] = [loss, loss - own - alone[second]]
                if progress:
                    progress("pairs", len(interactions), len(rows))
        return [interactions[first, second] for first, second in rows]

    def _partial_run(self) -> PartialRun:
        return PartialRun(
            self.workload,
            self.workload.model.graph,
            self.feeds,
            at_once=self.options.bias_correction,
        )

    def _study(self, partial_run: PartialRun, layer: Layer) -> LayerStudy:
        """Measurements of a layer in the network as far as the partial_run has run it."""
        partial_run.advance([layer.act, layer.out, *([layer.weight] if layer.dynamic else [])])
        return LayerStudy(
            self.workload,
            layer,
            partial_run,
            self.options,
            "logit_mse",
            lambda out: float(np.mean((out - self.exact) ** 2)),
            {self.workload.output: self.exact},
        )

    def _losses(self, study: LayerStudy, asked: Sequence[_Question]) -> dict[_Question, float]:
        with ThreadPoolExecutor(self.jobs) as pool:
            return dict(zip(asked, pool.map(study.loss, asked), strict=True))
