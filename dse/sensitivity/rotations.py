"""Which layers of which formats read Hadamard transforms, by what their tensors lose with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.fine import is_fine
from macwright.dse.quantizer.im2col import layer_bias, to_matrix
from macwright.dse.quantizer.layer_weights import LayerWeights
from macwright.dse.quantizer.options import QuantOptions, act_format
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.quantizer.rotation import GAIN, free_widths
from macwright.dse.quantizer.rotation_choice import ROWS, nearest_error
from macwright.dse.workload import Layer, Workload
from macwright.hw.formats import parse_format

__all__ = ["Rotations", "candidate_widths", "near_four_bits"]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 1
#: Layer, "weight" or "activation", and format.
_Tensor = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Rotations:
    """Transforms that layers may read, and what each tensor loses without and with them.

    A layer in a pair of formats reads the transform if that saves a share of
    :data:`macwright.dse.quantizer.rotation.GAIN` of what both tensors lose together, and one of
    the formats is not fine. So every option of a layer has one width, before anything is searched.

    Parameters
    ----------
    widths : mapping of str to int
        Of the transform that each layer may read, in channels of a block.
    plain, turned : mapping of (layer, tensor, format) to float
        Losses without and with it, in squared units of the outputs.

    Examples
    --------
    >>> plain = {("fc", "weight", "int4"): 1.0, ("fc", "activation", "int4"): 9.0}
    >>> turned = {("fc", "weight", "int4"): 1.0, ("fc", "activation", "int4"): 3.0}
    >>> rotations = Rotations(widths={"fc": 32}, plain=plain, turned=turned)
    >>> rotations.of({"fc": ("int4", "int4")})
    {'fc': 32}
    """

    widths: Mapping[str, int] = field(default_factory=dict)
    plain: Mapping[_Tensor, float] = field(default_factory=dict)
    turned: Mapping[_Tensor, float] = field(default_factory=dict)

    @classmethod
    def of_tables(
        cls, widths: Mapping[str, int], plain: pd.DataFrame, turned: pd.DataFrame
    ) -> "Rotations":
        """From tables with columns ``layer, tensor, format, loss``."""
        return cls(widths=widths, plain=_by_tensor(plain), turned=_by_tensor(turned))

    def table(self) -> pd.DataFrame:
        """Losses with transforms: columns ``layer, rotation, tensor, format, loss``."""
        rows = [(x[0], self.widths[x[0]], *x[1:], loss) for x, loss in self.turned.items()]
        return pd.DataFrame(rows, columns=["layer", "rotation", "tensor", "format", "loss"])

    def width(self, layer: str, formats: tuple[str, str]) -> int:
        """Of the transform that a layer in formats of weights and activations reads; 1 for none.

        A format whose loss was not measured counts as one that loses nothing.
        """
        if layer not in self.widths or all(is_fine(parse_format(name)) for name in formats):
            return 1
        tensors = [
            (layer, kind, name)
            for kind, name in zip(("weight", "activation"), formats, strict=True)
        ]
        plain, turned = (
            sum(losses.get(tensor, 0.0) for tensor in tensors)
            for losses in (self.plain, self.turned)
        )
        return self.widths[layer] if turned <= (1 - GAIN) * plain and plain > 0 else 1

    def loss(self, layer: str, kind: str, formats: tuple[str, str]) -> float:
        """What the weights or the activations of a layer in a pair of formats lose.

        Raises
        ------
        KeyError
            If that was not measured.
        """
        losses = self.plain if self.width(layer, formats) == 1 else self.turned
        return losses[layer, kind, formats[0 if kind == "weight" else 1]]

    def of(self, formats: Mapping[str, tuple[str, str]]) -> dict[str, int]:
        """Widths of the layers of an allocation that read a transform."""
        widths = {name: self.width(name, pair) for name, pair in formats.items()}
        return {name: width for name, width in widths.items() if width > 1}

    def options(self, formats: Mapping[str, tuple[str, str]]) -> QuantOptions:
        """How an allocation is quantised."""
        return QuantOptions(rotations=self.of(formats))


def _by_tensor(table: pd.DataFrame) -> dict[_Tensor, float]:
    return {(r["layer"], r["tensor"], r["format"]): r["loss"] for r in table.to_dict("records")}


def near_four_bits(names: Sequence[str]) -> str:
    """Format of about 4 bits, the first of several."""
    return min(
        names, key=lambda x: (abs(float(parse_format(x).bits_per_value) - 4), names.index(x))
    )


def candidate_widths(
    workload: Workload,
    dataset: Dataset,
    weights: Sequence[str],
    activations: Sequence[str],
    images: int,
) -> dict[str, int]:
    """Width of the transform that each layer would best read, for those that one helps at all.

    It is the one with the least error of the layer's outputs in formats of about 4 bits, rounded to
    nearest, in the float network; kept in the cache, by content.

    Parameters
    ----------
    workload, dataset
        Network and data.
    weights, activations : sequence of str
        Formats that the search may use.
    images : int
        Calibration samples, from the first.
    """
    names = near_four_bits(weights), near_four_bits(activations)
    key: Any = content_key(
        version=VERSION,
        model=workload.identity,
        data=dataset.sha256,
        formats=list(names),
        images=images,
    )
    cache = Cache("rotations")
    known = cache.get(key)
    if known is None:
        known = _candidates(workload, dataset, names, images)
        cache.put(key, known)
    return {str(name): int(width) for name, width in known.items()}


def _candidates(
    workload: Workload, dataset: Dataset, names: tuple[str, str], images: int
) -> dict[str, int]:
    options = QuantOptions()
    network = prepare(workload, dataset, options)
    feeds = dataset.first(dataset.x_calib, images)
    partial_run = PartialRun(network, network.model.graph, feeds)
    widths_of = {}
    for layer in network.layers:
        tried = free_widths(network, layer)
        if not tried:
            continue
        act, out = partial_run.advance([layer.act, layer.out])
        rows, wanted = act.reshape(-1, act.shape[-1]), out.reshape(-1, out.shape[-1])
        some = slice(None, None, -(-len(rows) // ROWS))
        weights = _weights(network, layer)
        formats = parse_format(names[0]), parse_format(act_format(layer, names[1]))
        errors = {
            width: nearest_error(weights, rows[some], wanted[some], formats, options, width)
            for width in (1, *tried)
        }
        best = min(errors, key=errors.__getitem__)
        if best > 1:
            widths_of[layer.name] = best
    return widths_of


def _weights(network: Workload, layer: Layer) -> LayerWeights:
    tensor = network.tensor(layer.weight).astype(np.float32)
    return LayerWeights(layer, to_matrix(layer, tensor), layer_bias(network, layer), tensor.shape)
