"""ZigZag: the layers as a workload, with loops, bits of operands and where they come from.

The words are those of ``zigzag.parser.workload_validator`` of zigzag-dse 3.9; JSON is YAML.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx

from macwright.dse.export.loops import Plane, bits_of, plane_of, product_loops
from macwright.dse.export.source import QuantisedPoint, SourceRun
from macwright.dse.workload import Layer, Workload
from macwright.hw.files import write_atomic

__all__ = ["export"]


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.zigzag.yaml``: the multiply-accumulate layers of one sample.

    Convolutions of one and two axes keep their loops; all others are matrix products, whose groups
    are the batch. Bits of results are those of the unit's accumulator and, finally, of the widest
    format that a reader wants; of layers that nothing reads those of the accumulator.
    """
    quantised = run.quantised(point)
    layers = _layers(quantised)
    path = folder / f"{quantised.stem}.zigzag.yaml"
    write_atomic(path, json.dumps(layers, indent=1) + "\n")
    return [path]


def _layers(quantised: QuantisedPoint) -> list[dict[str, Any]]:
    layers = quantised.network.layers
    sources = _sources(quantised.network)
    bits = {layer.name: bits_of(quantised, layer, "ZigZag") for layer in layers}
    numbers = {layer.name: number for number, layer in enumerate(layers)}
    result = []
    for number, layer in enumerate(layers):
        own, plane = bits[layer.name], plane_of(layer, quantised.network)
        readers = [bits[name].act for name in numbers if layer.name in sources[name].values()]
        result.append(
            {
                "id": number,
                "name": layer.name,
                **(_product(layer) if plane is None else _convolution(plane)),
                "operand_precision": {
                    "W": own.weight,
                    "I": own.act,
                    "O": own.sums,
                    "O_final": max(readers, default=own.sums),
                },
                # What no other layer computes is a layer's own.
                "operand_source": {
                    operand: number if source is None else numbers[source]
                    for operand, source in sources[layer.name].items()
                },
            }
        )
    return result


def _convolution(plane: Plane) -> dict[str, Any]:
    (down, right), (rows, columns) = plane.strides, plane.dilations
    return {
        "operator_type": "Conv",
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "dimension_relations": [f"ix={right}*ox+{columns}*fx", f"iy={down}*oy+{rows}*fy"],
        "loop_dims": list(plane.loops),
        "loop_sizes": list(plane.loops.values()),
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": list(plane.size[::-1]),
        "padding": [list(pair) for pair in plane.pads[::-1]],
    }


def _product(layer: Layer) -> dict[str, Any]:
    loops = product_loops(layer)
    return {
        "operator_type": "Gemm",
        "equation": "O[b][d][k]+=I[b][d][c]*W[b][c][k]",
        "loop_dims": list(loops),
        "loop_sizes": list(loops.values()),
    }


def _sources(network: Workload) -> Mapping[str, dict[str, str | None]]:
    """Last layer before each operand of each layer; None for weights and for the input."""
    order = [layer.name for layer in network.layers]
    producers: dict[str, str] = {}
    for before, _, tensor in network.graph.edges(data="tensor"):
        producers[str(tensor)] = str(before)

    def last(tensor: str) -> str | None:
        node = producers.get(tensor)
        if node is None:
            return None
        return _nearest(network.graph, node, order)

    return {
        layer.name: {
            "I": last(layer.act),
            "W": last(layer.weight) if layer.dynamic else None,
        }
        for layer in network.layers
    }


def _nearest(graph: nx.DiGraph, node: str, order: Sequence[str]) -> str | None:
    """The last of the layers from which a node is reached past none of the others."""
    seen, waiting, layers = set(), [node], []
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        if here in order:
            layers.append(here)
        else:
            waiting += graph.predecessors(here)
    return max(layers, key=order.index, default=None)
