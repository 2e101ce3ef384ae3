"""A small machine, built once."""

from pathlib import Path

import numpy as np
import pytest
from helpers import networks
from helpers.allocations import write_allocation

from macwright.dse.build.emit import write_machine
from macwright.dse.build.machine import lower
from macwright.dse.data.recipe import load_recipe
from macwright.dse.run.allocation import read_allocation
from macwright.dse.workload import load_workload


@pytest.fixture(scope="session")
def pixels(tmp_path_factory) -> Path:
    """The small network with pixels of 8 bits."""
    folder = tmp_path_factory.mktemp("model")
    path, data = networks.write(folder, networks.cnn())
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, 60, 8, 8)).astype(np.uint8)
    np.savez(data, a=images[0], b=images[1], y=rng.integers(0, 3, 60))
    path.with_suffix(".toml").write_text(
        'data = "net.npz"\ncalibration = "a"\nevaluation = "b"\nlabels = "y"\nlayout = "NHW"\n'
        "scale = 0.015625\nmean = [0.3]\nstd = [0.7]\n"
    )
    return path


@pytest.fixture(scope="session")
def built(pixels, tmp_path_factory) -> Path:
    """The machine, as a folder."""
    dataset = load_recipe(pixels)
    workload = load_workload(pixels, dataset)
    folder = tmp_path_factory.mktemp("machine")
    allocation = read_allocation(write_allocation(folder / "1.json", workload))
    write_machine(lower(workload, dataset, allocation, interval=600), allocation, folder)
    return folder
