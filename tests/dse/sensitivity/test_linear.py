"""Losses from one pass backward, against networks that are run again for each tensor."""

import numpy as np
import pandas as pd
import pytest
from helpers import networks

from macwright.dse.data.recipe import load_recipe
from macwright.dse.data.task import spearman
from macwright.dse.quantizer import QuantOptions
from macwright.dse.sensitivity import linear, measure
from macwright.dse.sensitivity.measure import LossMeasure, measure_and_check
from macwright.dse.sensitivity.source import find_losses
from macwright.dse.settings import Settings
from macwright.dse.workload import load_workload

WEIGHTS, ACTIVATIONS = ["int3", "int4", "e2m1fn", "int6"], ["int4", "int5", "int8"]


@pytest.fixture
def always(monkeypatch):
    """One pass even where it takes longer, as in networks as small as these; nothing is cached."""
    monkeypatch.setattr(linear, "BACKWARD", 0)
    monkeypatch.setenv("MACWRIGHT_CACHE", "/dev/null")


def measured(workload, dataset, monkeypatch, **more):
    """Losses from one pass, exact ones, and what is said of the first."""
    how = LossMeasure(**more)
    one, said = measure_and_check(workload, dataset, WEIGHTS, ACTIVATIONS, measure=how)
    monkeypatch.setattr(linear, "BACKWARD", 1e9)
    exact, other = measure_and_check(workload, dataset, WEIGHTS, ACTIVATIONS, measure=how)
    assert other == {"way": "exact", "checked": 0, "rank_correlation": None}
    pd.testing.assert_frame_equal(one.drop(columns="loss"), exact.drop(columns="loss"))
    return np.asarray(one["loss"]), np.asarray(exact["loss"]), said


def straight(outputs=3):
    """A network without bends: convolutions, a sum, a mean and a Gemm."""
    rng = np.random.default_rng(3)

    def normal(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    weights = {
        "w1": normal(8, 1, 3, 3), "w2": normal(8, 1, 3, 3), "w3": normal(8, 8, 1, 1),
        "w4": normal(outputs, 72), "b1": np.linspace(-1, 1, 8).astype(np.float32),
    }  # fmt: skip
    nodes = [
        ("Conv", ["x", "w1", "b1"], "c1", {"strides": [2, 2]}),
        ("Conv", ["c1", "w2"], "c2", {"pads": [1, 1, 1, 1], "group": 8}),
        ("Conv", ["c1", "w3"], "c3", {}),
        ("Add", ["c2", "c3"], "s", {}),
        ("Flatten", ["s"], "f", {}),
        ("Gemm", ["f", "w4"], "logits", {"transB": 1}),
    ]
    return networks.model(nodes, weights, out=("N", outputs))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("at_once", [1 << 28, 1])
def test_networks_without_bends_are_met_exactly(tmp_path, monkeypatch, always, bias, at_once):
    path, data = networks.write(tmp_path, straight())
    dataset = load_recipe(path, data_path=data)
    monkeypatch.setattr(linear, "LARGEST", at_once)
    options = QuantOptions(bias_correction=bias)
    one, exact, said = measured(
        load_workload(path, dataset), dataset, monkeypatch, options=options, images=21
    )
    assert said["way"] == "jacobian"
    assert said["checked"] == min(24, len(one))
    assert said["rank_correlation"] == pytest.approx(1, abs=5e-3)
    np.testing.assert_allclose(one, exact, rtol=2e-3)


def test_layers_keep_the_means_of_their_outputs(tmp_path, monkeypatch, always):
    rng = np.random.default_rng(3)
    shapes = {"w1": (8, 1, 3, 3), "w2": (8, 8, 1, 1), "w3": (3, 8, 2, 2)}
    weights = {
        name: (rng.uniform(0.2, 1, shape) / np.prod(shape[1:])).astype(np.float32)
        for name, shape in shapes.items()
    }
    nodes = [
        ("Conv", ["x", "w1"], "c1", {"strides": [2, 2]}),
        ("Conv", ["c1", "w2"], "c2", {}),
        ("Conv", ["c2", "w3"], "c3", {}),
        ("Flatten", ["c3"], "logits", {}),
    ]
    proto = networks.model(nodes, weights, out=("N", 12))
    x = 3 + rng.standard_normal((48, 1, 8, 8)).astype(np.float32)
    path, data = networks.write(tmp_path, proto, x_calib=x)
    dataset = load_recipe(path, data_path=data)
    one, exact, said = measured(load_workload(path, dataset), dataset, monkeypatch)
    assert said["way"] == "jacobian"
    np.testing.assert_allclose(one, exact, rtol=1e-2)


def test_many_outputs_are_estimated_from_some_directions(tmp_path, monkeypatch, always):
    path, data = networks.write(tmp_path, straight(outputs=64))
    dataset = load_recipe(path, data_path=data)
    one, exact, said = measured(load_workload(path, dataset), dataset, monkeypatch)
    assert said["way"] == "jacobian"
    np.testing.assert_allclose(one, exact, rtol=0.7)
    assert np.median(one / exact) == pytest.approx(1, abs=0.3)


def test_bends_leave_the_order_as_it_is(tmp_path, monkeypatch, always):
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    monkeypatch.setattr(measure, "ALIKE", 0.9)
    one, exact, said = measured(workload, dataset, monkeypatch)
    assert said["way"] == "jacobian"
    assert spearman(one, exact) > 0.97
    assert np.median(one / exact) == pytest.approx(1, abs=0.15)


def test_a_pass_that_ranks_otherwise_is_not_used(tmp_path, monkeypatch, always):
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    monkeypatch.setattr(measure, "ALIKE", 1.1)
    one, exact, said = measured(workload, dataset, monkeypatch)
    assert (said["way"], said["checked"]) == ("exact", 24)
    assert 0.9 < said["rank_correlation"] <= 1
    np.testing.assert_array_equal(one, exact)


def test_operators_without_a_rule_are_measured_exactly(tmp_path, monkeypatch, always):
    proto = networks.cnn()
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Softplus"
    path, data = networks.write(tmp_path, proto)
    dataset = load_recipe(path, data_path=data)
    said = measured(load_workload(path, dataset), dataset, monkeypatch)[2]
    assert said == {"way": "exact", "checked": 0, "rank_correlation": None}


def test_a_run_knows_how_its_losses_were_measured(tmp_path, always):
    path, data = networks.write(tmp_path, straight())
    dataset = load_recipe(path, data_path=data)
    settings = Settings(weights=tuple(WEIGHTS), activations=tuple(ACTIVATIONS), jobs=1)
    source = find_losses(load_workload(path, dataset), dataset, settings).source
    assert (source["metric"], source["way"], source["checked"]) == ("logit_mse", "jacobian", 24)
    assert source["rank_correlation"] > 0.99
