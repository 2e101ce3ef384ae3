"""AccelForge: the layers as einsums of a workload, with the bits of each tensor.

The words are those of ``accelforge.frontend.workload`` of accelforge 1.0; JSON is YAML.
"""

import json
from pathlib import Path
from typing import Any

from macwright.dse.export.loops import bits_of, plane_of, product_loops
from macwright.dse.export.source import QuantisedPoint, SourceRun
from macwright.dse.workload import Layer
from macwright.hw.files import write_atomic

__all__ = ["export"]


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.accelforge.yaml``: an einsum for each multiply-accumulate layer of a sample.

    Tensors of a layer are its own, named by its number in the network; convolutions read an input
    with its padding. Results have the bits of sums.
    """
    quantised = run.quantised(point)
    einsums = [_einsum(quantised, layer, n) for n, layer in enumerate(quantised.network.layers)]
    path = folder / f"{quantised.stem}.accelforge.yaml"
    write_atomic(path, json.dumps({"workload": {"einsums": einsums}}, indent=1) + "\n")
    return [path]


def _einsum(quantised: QuantisedPoint, layer: Layer, number: int) -> dict[str, Any]:
    bits, plane = bits_of(quantised, layer, "AccelForge"), plane_of(layer, quantised.network)
    if plane is None:
        loops = product_loops(layer)
        weight, act, out = (_ranks(names) for names in ("BCK", "BDC", "BDK"))
    else:
        loops = dict(plane.loops)
        weight = _ranks(("G", "K", "C", "FY", "FX"))
        act = _ranks(("B", "G", "C"))
        for axis, stride, dilation in zip("YX", plane.strides, plane.dilations, strict=True):
            act[axis] = f"{stride}*o{axis.lower()}+{dilation}*f{axis.lower()}"
        out = _ranks(("B", "G", "K", "OY", "OX"))
    accesses = [
        {"name": f"A{number}", "projection": act, "bits_per_value": bits.act},
        {"name": f"W{number}", "projection": weight, "bits_per_value": bits.weight},
        {"name": f"S{number}", "projection": out, "bits_per_value": bits.sums, "output": True},
    ]
    shape = [f"0 <= {name.lower()} < {size}" for name, size in loops.items()]
    name = "".join(c if c.isalnum() else "_" for c in layer.name)
    return {
        "name": f"L{number}_{name}",
        "tensor_accesses": accesses,
        "iteration_space_shape": shape,
    }


def _ranks(names: str | tuple[str, ...]) -> dict[str, str]:
    """Ranks that are indexed by their own variables."""
    return {name: name.lower() for name in names}
