"""A small network for all tests of the quantiser."""

import pytest
from helpers import networks

from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import load_workload


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path, data = networks.write(tmp_path_factory.mktemp("net"), networks.cnn())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset
