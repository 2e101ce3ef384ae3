"""A run of the tiny network whose point has the formats that a test asks for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.tiny import write_tiny_model

from macwright.dse.data.recipe import load_recipe
from macwright.dse.export.source import SourceRun, open_run
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.pe import IntMacSpec

WriteRun = Callable[..., SourceRun]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The tiny network."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def write_run(tiny, tmp_path) -> WriteRun:
    """Write a run with one point, and open it."""

    def write(*pairs: tuple[str, str], **options) -> SourceRun:
        workload, dataset = load_workload(tiny), load_recipe(tiny)
        pairs = pairs * 2 if len(pairs) == 1 else pairs
        unit = IntMacSpec()
        layers = {
            layer.name: LayerChoice(
                weight=weight, activation=act_format(layer, act), unit=unit.name
            )
            for layer, (weight, act) in zip(workload.layers, pairs, strict=True)
        }
        allocation = Allocation(
            point=3,
            model_sha256=workload.sha256,
            technology="gates",
            layers=layers,
            units={unit.name: unit},
            quantiser={**QuantOptions().to_fields(), **options},
        )
        info = {
            "model": tiny.name,
            "model_sha256": workload.sha256,
            "data_sha256": dataset.sha256,
            "settings": {"free": [], "held_out": None},
        }
        folder = tmp_path / "run"
        (folder / "allocations").mkdir(parents=True)
        (folder / "allocations" / "3.json").write_text(json.dumps(allocation.to_fields()))
        (folder / "run.json").write_text(json.dumps(info))
        return open_run(folder, model=tiny)

    return write
