"""A run of the tiny network whose one point has the formats that a test asks for."""

import json
from pathlib import Path

import pytest

from helpers.paths import SHARED
from helpers.tiny import write_tiny_model
from macwright.dse.data.recipe import load_recipe
from macwright.dse.export.exporters import export_point
from macwright.dse.export.source import QuantisedPoint, SourceRun, open_run
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.dse.workload import Workload, load_workload
from macwright.hw.pe import IntMacSpec

#: Number of the point.
POINT = 3


def write_export_run(folder: Path, *pairs: tuple[str, str], **options: object) -> SourceRun:
    """Write the network and a run with one point into a folder, and open it.

    Parameters
    ----------
    folder : Path
        Where `tiny.onnx` is, or goes, with its data, and the folder of the run goes.
    pairs : tuple of str
        Formats of weights and activations of the two layers; one pair for both.
    options
        Of the quantiser, where they are not the default.
    """
    model = folder / "tiny.onnx"
    if not model.exists():
        write_tiny_model(folder)
    workload, dataset = load_workload(model), load_recipe(model)
    unit = IntMacSpec()
    layers = {
        layer.name: LayerChoice(weight=weight, activation=act_format(layer, act), unit=unit.name)
        for layer, (weight, act) in zip(
            workload.layers, pairs * 2 if len(pairs) == 1 else pairs, strict=True
        )
    }
    allocation = Allocation(
        point=POINT,
        model_sha256=workload.sha256,
        technology="gates",
        layers=layers,
        units={unit.name: unit},
        quantiser={**QuantOptions().to_fields(), **options},
    )
    info = {
        "model": model.name,
        "model_sha256": workload.sha256,
        "data_sha256": dataset.sha256,
        "settings": {"free": [], "held_out": None},
    }
    run = folder / "run"
    (run / "allocations").mkdir(parents=True)
    (run / "allocations" / f"{POINT}.json").write_text(json.dumps(allocation.to_fields()))
    (run / "run.json").write_text(json.dumps(info))
    return open_run(run, model=model)


class Chosen(SourceRun):
    """A run whose point has the same formats everywhere; nothing is quantised."""

    def quantised(self, point: int) -> QuantisedPoint:
        unit = IntMacSpec()
        choice = LayerChoice(weight="int4", activation="int8", unit=unit.name)
        layers = {layer.name: choice for layer in self.workload.layers}
        allocation = Allocation(
            point=point, model_sha256="", technology="gates", layers=layers,
            units={unit.name: unit},
        )  # fmt: skip
        return QuantisedPoint(allocation=allocation, network=self.workload, plans=[])


def exported(kind: str, name: str, folder: Path) -> tuple[Workload, Path]:
    """Network of ../shared/data, skipped where absent, and its only file of a kind."""
    model = SHARED / "data" / "models" / f"{name}.onnx"
    if not model.is_file():
        pytest.skip(f"{name} is not here")
    dataset = load_recipe(model)
    run = Chosen(folder=folder, workload=load_workload(model, dataset), dataset=dataset)
    (path,) = export_point(run, 0, kind, folder)
    return run.workload, path
