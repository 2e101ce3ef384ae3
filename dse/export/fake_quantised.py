"""Plain ONNX: the fake-quantised network, as it is evaluated."""

from pathlib import Path

from macwright.dse.export.rewrite import serialised
from macwright.dse.export.source import SourceRun
from macwright.dse.quantizer.plan import quantised_model
from macwright.hw.files import write_atomic

__all__ = ["export"]


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.onnx``: rounding in float operators, for every format."""
    quantised = run.quantised(point)
    model = quantised_model(quantised.network, quantised.plans)
    path = folder / f"{quantised.stem}.onnx"
    write_atomic(path, serialised(model, quantised.network.model))
    return [path]
