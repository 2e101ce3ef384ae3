"""Products of the changes that tensors make to the outputs."""

from itertools import combinations, product

import numpy as np
import onnx
import pytest
from helpers.networks import cnn, write
from helpers.rounding import NEAREST, round_weights, run

from macwright.dse.data.recipe import load_recipe
from macwright.dse.sensitivity.cross_terms import Coherence
from macwright.dse.sensitivity.measure import LossMeasure, measure_coherence, measure_sensitivity
from macwright.dse.workload import load_workload

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def network(tmp_path):
    path, data = write(tmp_path, cnn())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


def test_products_are_those_of_whole_networks_with_one_tensor_changed(network):
    workload, dataset = network
    x = dataset.x_calib["x"][:8]
    changes = {}
    for layer in workload.layers:
        proto = onnx.ModelProto()
        proto.CopyFrom(workload.model)
        round_weights(proto, layer.weight, bits=4)
        changes[layer.name] = run(proto, x) - run(workload.model, x)
    found = measure_coherence(workload, dataset, ["int4"], ["int24"], images=8, options=NEAREST)
    for some in (*combinations(changes, 2), tuple(changes)):
        formats = {name: ("int4", "int24" if name == "n_c1" else "uint24") for name in some}
        wanted = sum((changes[a] * changes[b]).mean() for a, b in product(some, some) if a != b)
        together = found.together(formats, share=1.0)
        assert together == pytest.approx(wanted, rel=1e-3, abs=1e-9)
        assert found.together(formats) == pytest.approx(wanted / 4, rel=1e-3, abs=1e-9)


def test_losses_come_from_the_same_measurement(network):
    workload, dataset = network
    table = measure_sensitivity(
        workload, dataset, ["int4", "int3"], ["int6"], measure=LossMeasure(images=8)
    )
    found = measure_coherence(workload, dataset, ["int4", "int3"], ["int6"], images=8)
    assert list(found.tensors) == list(zip(table.layer, table.tensor, table.format, strict=True))
    np.testing.assert_allclose(np.diag(found.products), table.loss, rtol=1e-5)


def test_share_of_the_products_and_their_text():
    rng = np.random.default_rng(1)
    tensors = [(layer, kind, "f") for layer in "abc" for kind in ("weight", "activation")]
    changes = rng.normal(size=(6, 50))
    found = Coherence.of_changes(tensors, changes)
    for some in ("a", "ac", "abc"):
        mine = np.array(
            [change for key, change in zip(tensors, changes, strict=True) if key[0] in some]
        )
        whole = (mine.sum(axis=0) ** 2).mean() - (mine**2).mean(axis=1).sum()
        formats = dict.fromkeys(some, ("f", "f"))
        for share in (0.0, 0.5, 1.0):
            together = found.together(formats, share=share)
            assert together == pytest.approx(share * whole, rel=1e-5, abs=1e-6)
        again = Coherence.from_text(tensors, found.to_text())
        assert again.together(formats) == found.together(formats)
    with pytest.raises(KeyError):
        found.together({"a": ("f", "g")})
