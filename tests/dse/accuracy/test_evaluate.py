"""Measured accuracy of allocations, on a network made here."""

import re

import numpy as np
import onnxruntime
import pytest
from helpers import networks
from helpers.paths import SHARED

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.workload import load_workload

MODELS = SHARED / "data" / "models"


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Workload and data set, with a cache of their own."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


def uniform(workload, weight, act):
    return {item.name: (weight, act_format(item, act)) for item in workload.layers}


def test_float_network_is_the_reference(network):
    workload, dataset = network
    result = evaluate(workload, dataset, None)
    assert (result.metric, result.kl, result.logit_mse, result.agreement) == (100, 0, 0, 1)
    assert result.images == 96


@pytest.mark.parametrize("options", [QuantOptions(), QuantOptions.plain()], ids=["gptq", "plain"])
@pytest.mark.parametrize("formats", [("int8", "int8"), ("e4m3fin", "e3m4fin")])
def test_eight_bits_change_little_and_more_bits_less(network, options, formats):
    workload, dataset = network
    eight = evaluate(workload, dataset, uniform(workload, *formats), options=options)
    three = evaluate(workload, dataset, uniform(workload, "int3", "int3"), options=options)
    assert eight.metric >= 95
    assert 0 < eight.logit_mse < three.logit_mse / 10
    assert eight.kl is not None
    assert three.kl is not None
    assert 0 < eight.kl < three.kl


def test_gptq_keeps_outputs_better_than_nearest_rounding(network):
    workload, dataset = network
    allocation = uniform(workload, "int3", "int8")
    strong = evaluate(workload, dataset, allocation)
    plain = evaluate(workload, dataset, allocation, options=QuantOptions.plain())
    assert strong.logit_mse < 0.7 * plain.logit_mse


def test_same_input_same_result_whatever_the_threads(network, monkeypatch, tmp_path):
    workload, dataset = network
    allocation = uniform(workload, "int4", "int4")
    first = evaluate(workload, dataset, allocation, jobs=1)
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "other"))
    assert evaluate(workload, dataset, allocation, jobs=2) == first


def test_results_are_kept_by_content(network, monkeypatch):
    workload, dataset = network
    allocation = uniform(workload, "int4", "int4")
    first = evaluate(workload, dataset, allocation)
    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", None)  # nothing can run
        assert evaluate(workload, dataset, allocation) == first
        with pytest.raises(TypeError):
            evaluate(workload, dataset, uniform(workload, "int5", "int4"))


def test_fewer_images_are_the_first_ones(network):
    workload, dataset = network
    assert evaluate(workload, dataset, None, images=10).images == 10


def test_dead_channels_and_zero_weights_do_no_harm(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    proto = networks.cnn()
    for item in proto.graph.initializer:
        if item.name in ("w3", "b1"):
            item.raw_data = bytes(len(item.raw_data))
        if item.name == "w1":  # half of the channels never see anything
            item.raw_data = bytes(144) + item.raw_data[144:]
    path, data = networks.write(tmp_path, proto)
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    assert evaluate(workload, dataset, uniform(workload, "int8", "int8")).metric >= 95


def test_constant_activations_do_no_harm(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    flat = np.zeros((48, 1, 8, 8), np.float32)
    path, data = networks.write(tmp_path, networks.cnn(), x_calib=flat)
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    assert 0 <= evaluate(workload, dataset, uniform(workload, "int4", "int4")).metric <= 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("n_c2"), "Allocation must name every layer, and 'n_c2' is missing"),
        (lambda a: a.update(x=("int8", "int8")), "Allocation must name layers of the model only"),
        (lambda a: a.update(n_c2=("odd", "int8")), "odd"),
    ],
)
def test_allocations_that_are_refused(network, change, message):
    workload, dataset = network
    allocation = uniform(workload, "int8", "int8")
    change(allocation)
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(workload, dataset, allocation)


def test_options_that_are_refused():
    with pytest.raises(ValueError, match="must be one of nearest, gptq, adaround, not 'up'"):
        QuantOptions(rounding="up")
    with pytest.raises(ValueError, match="Option images must be a positive integer, not 0"):
        QuantOptions(images=0)
    with pytest.raises(ValueError, match="Option group_size must be a positive integer, not 0"):
        QuantOptions(group_size=0)
    with pytest.raises(ValueError, match="must not be 'output' with a group_size"):
        QuantOptions(group_size=8, weight_scale="output")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weight", "act", "ends", "lost"),
    [
        ("int8", "int8", None, 0.2),
        ("int4", "int4", None, 2.2),
        ("int4", "int4", "int8", 0.8),
        ("int3", "int3", None, 8),
        ("e2m1fin", "e2m1fin", None, 2.4),
    ],
)
def test_resnet20_loses_no_more_than_published_methods(
    tmp_path, monkeypatch, weight, act, ends, lost
):
    path = MODELS / "resnet20_cifar10.onnx"
    if not path.is_file():
        pytest.skip("needs ../shared/data")
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    dataset = load_recipe(path)
    workload = load_workload(path, dataset)
    allocation = uniform(workload, weight, act)
    if ends:
        for layer in (workload.layers[0], workload.layers[-1]):
            allocation[layer.name] = (ends, act_format(layer, ends))
    exact = evaluate(workload, dataset, None)
    assert exact.metric == pytest.approx(92.24)
    # Less than a standard error of these images tells nothing; benchmarks/accuracy.py prints what
    # is lost beside what was published.
    reached = evaluate(workload, dataset, allocation).metric
    assert exact.metric - reached <= lost + exact.standard_error
