"""Energy of the points of a run with the operands of their own layers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.characterize.layer_energy import layer_energies
from macwright.costmodel.progress import Progress
from macwright.costmodel.technology.technology import Technology
from macwright.dse.bitexact.layer import layer_codes
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.layer import plan_layer
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.search.options import split_pairs
from macwright.dse.search.points import Point
from macwright.dse.search.result import SearchResult
from macwright.dse.settings import Settings
from macwright.dse.workload import Layer, Workload
from macwright.hw.formats import Format, parse_format
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import Unit

__all__ = ["COLUMN", "with_layer_energy"]

#: Cost column of the points.
COLUMN = "layer_energy_uj"
#: Rows and columns of a layer's matrix product that operands are taken from, groups of its
#: channels, and elements of its unrolled activations.
SIDE, GROUPS, LARGEST = 64, 4, 1 << 20
#: Rounding to nearest: codes of GPTQ switch as often, and take longer.
OPTIONS = QuantOptions(rounding="nearest")

_Codes = NDArray[np.int64]
#: Layer, its option, and the unit that computes it with its mode.
_Place = tuple[str, str, tuple[str, str]]


def with_layer_energy(
    workload: Workload,
    dataset: Dataset,
    search: SearchResult,
    units: Mapping[tuple[str, str], Any],
    switched: Sequence[Any],
    technology: Technology,
    settings: Settings,
    progress: Progress | None = None,
) -> SearchResult:
    """Points with the energy of each layer's unit on the layer's own operands.

    Activations are those of the float network for calibration samples, weights those of the file,
    both in the formats of the layer; each pair of layer and option is simulated once.

    Parameters
    ----------
    workload, dataset
        Network and data.
    search : SearchResult
        Points.
    units : mapping
        Spec of the unit of each pair of formats.
    switched : sequence of unit specs
        Units with several modes.
    technology : Technology
        One that has energies.
    settings : Settings
        Number of samples and of threads.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    SearchResult
        Points with `layer_energy`, in fJ for each product, and the column :data:`COLUMN`: the
        total of all products of one sample, uJ.

    Raises
    ------
    ValueError
        If the technology has no energies, or a layer has no fixed scale.
    """
    places: dict[_Place, None] = {}
    lists = ("front", "uniforms", "sequential", "beside")
    for name in lists:
        for point in getattr(search, name):
            places.update(dict.fromkeys(_places(point, units)))
    codes = _layer_codes(workload, dataset, {place[:2] for place in places}, settings.images)
    modes = [mode for spec in (*units.values(), *switched) for mode in spec.operating_modes()]
    energy = _energies(places, codes, modes, technology, settings, progress)
    macs = {layer.name: layer.macs for layer in workload.layers}

    def measured(point: Point) -> Point:
        mine = {place[0]: energy[place] for place in _places(point, units)}
        total = sum(macs[name] * each for name, each in mine.items()) * 1e-9
        return replace(point, layer_energy=mine, totals={**point.totals, COLUMN: total})

    return replace(
        search,
        columns={**search.columns, COLUMN: "uJ, products of one sample, the layers' own operands"},
        **{name: [measured(point) for point in getattr(search, name)] for name in lists},
    )


def _places(point: Point, units: Mapping[tuple[str, str], Any]) -> list[_Place]:
    """Layers, options, and units with their modes of a point."""
    formats, modes = split_pairs(point.pairs), point.hardware.get("modes", {})
    return [
        (layer, pair, (point.units.get(layer) or units[formats[layer]].name, modes.get(layer, "")))
        for layer, pair in point.pairs.items()
    ]


def _layer_codes(
    workload: Workload, dataset: Dataset, wanted: set[tuple[str, str]], images: int
) -> dict[tuple[str, str], list[tuple[_Codes, _Codes]]]:
    """Codes of some groups of each layer in each of its options, shapes (m, k) and (k, n)."""
    workload = prepare(workload, dataset, OPTIONS)
    feeds = dataset.first(dataset.x_calib, images)
    partial_run = PartialRun(workload, workload.model.graph, feeds)
    groups = {}
    for layer in workload.layers:
        names = [layer.act, layer.out, *([layer.weight] if layer.dynamic else [])]
        act, out, *second = partial_run.advance(names)
        some = max(1, LARGEST // (layer.groups * layer.m * layer.k))
        for name, pair in sorted(wanted):
            if name == layer.name:
                weight, activation = (parse_format(text) for text in pair.split("/"))
                plan = plan_layer(
                    workload, layer, (weight, activation), [act, *second], out, OPTIONS
                )
                codes = layer_codes(plan, [values[:some] for values in (act, *second)])
                groups[name, pair] = _sampled(layer, codes.act, codes.weight)
    return groups


def _sampled(layer: Layer, acts: _Codes, weights: _Codes) -> list[tuple[_Codes, _Codes]]:
    """Some groups, rows and columns, the same for all options of a layer."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(len(acts))[: min(GROUPS, layer.groups)]
    rows = np.sort(rng.permutation(acts.shape[1])[:SIDE])
    columns = np.sort(rng.permutation(weights.shape[2])[:SIDE])
    return [(acts[g][rows], weights[g][:, columns]) for g in groups]


def _energies(
    places: Mapping[_Place, None],
    codes: Mapping[tuple[str, str], list[tuple[_Codes, _Codes]]],
    modes: Sequence[OperatingMode],
    technology: Technology,
    settings: Settings,
    progress: Progress | None,
) -> dict[_Place, float]:
    """Energy of a product, fJ, the mean of a layer's groups."""
    wanted = {unit for _, _, unit in places}
    named = {(mode.name, mode.label): mode if mode.label else mode.spec for mode in modes}
    used = {unit: named[unit] for unit in sorted(wanted)}
    entries = {
        f"{layer} {pair} {group} on {unit}": ((layer, pair, unit), group)
        for layer, pair, unit in places
        for group in range(len(codes[layer, pair]))
    }

    def operands(entry: str, spec: Unit) -> tuple[_Codes, _Codes] | None:
        (layer, pair, unit), group = entries[entry]
        if used[unit] != spec:
            return None
        acts, weights = codes[layer, pair][group]
        weight, activation = (parse_format(text) for text in pair.split("/"))
        return _extended(acts, activation, spec.act), _extended(weights, weight, spec.weight)

    rows = layer_energies(
        list(used.values()),
        list(entries),
        operands,
        technology,
        jobs=settings.jobs,
        progress=progress,
    )
    energies: dict[_Place, list[float]] = {}
    for entry, value in zip(rows["layer"], rows["energy_fj_per_mac"], strict=True):
        energies.setdefault(entries[entry][0], []).append(float(value))
    return {place: float(np.mean(values)) for place, values in energies.items()}


def _extended(codes: _Codes, narrow: Format, wide: Format) -> _Codes:
    """Codes of the same values in the format of the unit's operand.

    An unsigned operand takes signed values as levels above the least one, as machines of one array
    keep them.
    """
    if narrow == wide:
        return codes
    values = narrow.decode(codes)
    lifted = narrow.signed and not wide.signed
    return wide.encode(values - narrow.min if lifted else values)
