"""Sensitivities, and what they predict."""

from dataclasses import replace

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
import pytest
from helpers import networks
from helpers.rounding import NEAREST, round_weights, run
from onnx import numpy_helper

from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import act_format, quantise
from macwright.dse.sensitivity.measure import LossMeasure, calibrate_prediction, measure_sensitivity
from macwright.dse.workload import load_workload


def measure(network, weights, acts, images=64, **options):
    how = LossMeasure(images=images)
    return measure_sensitivity(network[0], network[1], weights, acts, measure=how, **options)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Workload and data set, with a cache of their own."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


def test_table_has_a_row_for_each_tensor_and_format(network):
    table = measure(network, ["int4", "e2m1fin"], ["int4", "uint4", "int8"], images=8)
    assert list(table.columns) == ["layer", "tensor", "format", "loss"]
    first = table[table.layer == "n_c1"]
    assert first[first.tensor == "weight"]["format"].tolist() == ["int4", "e2m1fn"]
    assert first[first.tensor == "activation"]["format"].tolist() == ["int4", "int8"]
    second = table[(table.layer == "n_c2") & (table.tensor == "activation")]
    assert second["format"].tolist() == ["uint4", "uint8"]
    assert len(table) == 16
    assert (table.loss > 0).all()


def test_weight_losses_are_those_of_the_whole_network(network):
    workload, dataset = network
    x = dataset.x_calib["x"][:8]
    table = measure_sensitivity(
        workload, dataset, ["int4"], ["int4"], measure=LossMeasure(images=8, options=NEAREST)
    )
    losses = table[table.tensor == "weight"].set_index("layer").loss
    for layer in workload.layers:
        proto = onnx.ModelProto()
        proto.CopyFrom(workload.model)
        round_weights(proto, layer.weight, bits=4)
        change = run(proto, x) - run(workload.model, x)
        assert losses[layer.name] == pytest.approx((change**2).mean(), rel=1e-3)


def test_weights_are_rounded_as_the_quantiser_rounds_them(network):
    workload, dataset = network
    x = dataset.x_calib["x"][:48]
    options = replace(NEAREST, rounding="gptq", images=48)
    table = measure_sensitivity(
        workload, dataset, ["int3"], ["int8"], measure=LossMeasure(images=48, options=options)
    )
    losses = table[table.tensor == "weight"].set_index("layer").loss
    nearest = measure_sensitivity(
        workload, dataset, ["int3"], ["int8"], measure=LossMeasure(images=48, options=NEAREST)
    )
    exact = run(workload.model, x)
    for layer in workload.layers:
        # All else in formats that lose nothing; what later layers make up for is no part of it.
        formats = {other.name: ("int16", act_format(other, "int16")) for other in workload.layers}
        formats[layer.name] = "int3", formats[layer.name][1]
        _, plans = quantise(workload, dataset, formats, options=options)
        weight = next(plan.weight for plan in plans if plan.layer.name == layer.name)
        assert weight is not None
        proto = onnx.ModelProto()
        proto.CopyFrom(workload.model)
        item = next(i for i in proto.graph.initializer if i.name == layer.weight)
        item.CopyFrom(numpy_helper.from_array(weight, item.name))
        change = run(proto, x) - exact
        assert losses[layer.name] == pytest.approx((change**2).mean(), rel=0.01)
    assert losses.sum() < 0.8 * nearest[nearest.tensor == "weight"].loss.sum()


def test_activation_losses_are_those_of_the_whole_network(network):
    workload, dataset = network
    x = dataset.x_calib["x"][:8]
    table = measure_sensitivity(
        workload, dataset, ["int4"], ["int4"], measure=LossMeasure(images=8, options=NEAREST)
    )
    losses = table[table.tensor == "activation"].set_index("layer").loss
    for layer in workload.layers:
        act = run(workload.model, x, layer.act) if layer.act != "x" else x
        top = 15 if act.min() >= 0 else 7
        scale = np.abs(act).max() / top
        rounded = (np.clip(np.rint(act / scale), top - 15, top) * scale).astype(np.float32)
        # The layer alone reads the rounded tensor: the residual add keeps the exact one.
        proto = onnx.ModelProto()
        proto.CopyFrom(workload.model)
        node = next(n for n in proto.graph.node if n.name == layer.name)
        node.input[0] = "given"
        proto.graph.initializer.append(numpy_helper.from_array(rounded, "given"))
        change = run(proto, x) - run(workload.model, x)
        assert losses[layer.name] == pytest.approx((change**2).mean(), rel=1e-3)


@pytest.mark.parametrize("opset", [17, 18])
def test_later_layers_undo_errors_of_means_as_bias_correction_does(network, tmp_path, opset):
    workload, dataset = network
    if opset == 18:
        proto = onnx.version_converter.convert_version(networks.cnn(), 18)
        for node, old in zip(proto.graph.node, workload.model.graph.node, strict=True):
            node.name = old.name
        (tmp_path / "newer").mkdir()
        path, data = networks.write(tmp_path / "newer", proto)
        dataset = load_recipe(path, data_path=data)
        workload = load_workload(path, dataset)
    x = dataset.x_calib["x"][:20]
    options = replace(NEAREST, bias_correction=True)
    table = measure_sensitivity(
        workload, dataset, ["int3"], ["int8"], measure=LossMeasure(images=20, options=options)
    )
    losses = table[table.tensor == "weight"].set_index("layer").loss
    plain = measure_sensitivity(
        workload, dataset, ["int3"], ["int8"], measure=LossMeasure(images=20, options=NEAREST)
    )
    before = plain[plain.tensor == "weight"].set_index("layer").loss
    exact = workload.model
    for place, layer in enumerate(workload.layers):
        proto = onnx.ModelProto()
        proto.CopyFrom(exact)
        for other in workload.layers:  # each gets a bias of its own
            node = next(n for n in proto.graph.node if n.name == other.name)
            bias = workload.tensor(node.input[2]) if len(node.input) > 2 else np.zeros(8, "f4")
            del node.input[2:]
            node.input.append(f"bias of {other.name}")
            proto.graph.initializer.append(numpy_helper.from_array(bias, node.input[2]))
        round_weights(proto, layer.weight, bits=3)
        for other in workload.layers[place:]:
            name = "s" if other.out == "c3" else other.out  # a sum's means count
            axes = (0, 2, 3) if other.op == "Conv" else 0
            lack = (run(exact, x, name) - run(proto, x, name)).mean(axis=axes)
            at = next(i for i in proto.graph.initializer if i.name == f"bias of {other.name}")
            at.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(at) + lack, at.name))
        change = run(proto, x) - run(exact, x)
        assert losses[layer.name] == pytest.approx((change**2).mean(), rel=1e-3)
        assert losses[layer.name] < before[layer.name]


def test_wider_formats_lose_less(network):
    table = measure(network, ["int3", "int5", "int8"], ["int8"], images=8)
    pivot = table[table.tensor == "weight"].pivot(index="layer", columns="format", values="loss")
    assert np.all(np.diff(pivot[["int8", "int5", "int3"]].to_numpy(), axis=1) > 0)


def test_same_bytes_whatever_the_threads_and_kept(network, monkeypatch, tmp_path):
    first = measure(network, ["int4"], ["int4"], images=20, jobs=1)
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "other"))
    stages = []
    second = measure(network, ["int4"], ["int4"], images=20, jobs=2,
        progress=lambda *step: stages.append(step),
    )  # fmt: skip
    assert first.equals(second)
    assert stages[-1] == ("sensitivity", 8, 8)
    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", None)  # nothing can run
        assert measure(network, ["int4"], ["int4"], images=20).equals(first)


def test_unknown_formats_are_refused(network):
    with pytest.raises(ValueError, match="odd"):
        measure(network, ["odd"], ["int8"])


def test_power_law_is_found_again():
    losses = np.geomspace(0.01, 10, 10)
    fit = calibrate_prediction(list(losses), list(0.3 * losses**1.2))
    assert fit.b == pytest.approx(1.2)
    assert fit.kl(2.0) == pytest.approx(0.3 * 2**1.2)
    assert fit.factor == pytest.approx(1)
    assert fit.rank == pytest.approx(1)
    assert fit.points == 10
    assert fit.kl(0) == 0


def test_calibrations_that_are_refused():
    with pytest.raises(ValueError, match=r"at least three different losses .* not 2 and 2"):
        calibrate_prediction([1, 2], [1, 2])
    with pytest.raises(ValueError, match=r"must be positive, not 0\.0"):
        calibrate_prediction([1, 2, 3], [1, 0, 2])
