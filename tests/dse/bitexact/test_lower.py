"""Integer networks of quantised models: close to fake quantisation, of calibration data alone."""

from typing import Any

import numpy as np
import pytest
from helpers import integer_oracle, networks

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.bitexact import (
    evaluate_exact,
    fake_quant_distance,
    input_levels,
    integer_network,
    network_outputs,
)
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import Conv, Gemm, MaxPool, Requant, Table
from macwright.hw.accelerator.network.file import network_text
from macwright.sim.accelerator.integer_network import IntegerModel


def weights(rng, *shape, gain=1.5):
    return (gain * rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def functions():
    """Activation functions of one value, and a bias that a node of its own adds."""
    rng = np.random.default_rng(5)
    constants = {
        "w1": weights(rng, 6, 1, 3, 3, gain=3), "w2": weights(rng, 6, 6, 1, 1, gain=3),
        "w3": weights(rng, 6, 6, 1, 1, gain=3), "w4": weights(rng, 6 * 16, 3, gain=9),
        "b4": weights(rng, 3), "six": np.float32(6), "zero": np.float32(0),
    }  # fmt: skip
    return networks.model(
        [
            ("Conv", ["x", "w1"], "c1", {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
            ("HardSigmoid", ["c1"], "g", {"alpha": 1 / 6, "beta": 0.5}),
            ("Mul", ["c1", "g"], "h1", {}),
            ("Conv", ["h1", "w2"], "c2", {}),
            ("Sigmoid", ["c2"], "s", {}),
            ("Mul", ["s", "c2"], "silu", {}),
            ("Clip", ["silu", "zero", "six"], "k", {}),
            ("Conv", ["k", "w3"], "c3", {}),
            ("Tanh", ["c3"], "t", {}),
            ("Flatten", ["t"], "f", {}),
            ("MatMul", ["f", "w4"], "m", {}),
            ("Add", ["m", "b4"], "logits", {}),
        ],
        constants,
    )


def wiring():
    """Pooling, branches joined again, uneven pads, and a shortcut of slices and zeros."""
    rng = np.random.default_rng(6)
    constants = {
        "w1": weights(rng, 4, 1, 3, 3, gain=2), "w2": weights(rng, 8, 4, 3, 3, gain=2),
        "w3": weights(rng, 3, 8 * 4 * 4 // 2, gain=4), "pads": np.array([0, 2, 0, 0, 0, 2, 0, 0]),
        "start": np.array([0, 0]), "end": np.array([99, 99]), "axes": np.array([2, 3]),
        "step": np.array([2, 2]), "value": np.float32(0),
    }  # fmt: skip
    return networks.model(
        [
            ("Conv", ["x", "w1"], "c1", {"pads": [0, 1, 2, 1]}),
            ("Relu", ["c1"], "r1", {}),
            ("Conv", ["r1", "w2"], "c2", {"pads": [0, 0, 2, 2], "strides": [2, 2]}),
            ("Slice", ["r1", "start", "end", "axes", "step"], "cut", {}),
            ("Pad", ["cut", "pads", "value"], "wide", {}),
            ("Add", ["c2", "wide"], "sum", {}),
            ("Relu", ["sum"], "r2", {}),
            ("MaxPool", ["r2"], "max", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}),
            ("AveragePool", ["sum"], "mean", {"kernel_shape": [1, 1]}),
            ("Concat", ["max", "mean"], "joined", {"axis": 1}),
            ("MaxPool", ["joined"], "small",
             {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
            ("Transpose", ["small"], "turned", {"perm": [0, 2, 3, 1]}),
            ("Flatten", ["turned"], "flat", {}),
            ("Gemm", ["flat", "w3"], "logits", {"transB": 1}),
        ],
        constants,
    )  # fmt: skip


def one_dimension():
    """1-D convolutions: dilated, grouped, uneven pads; the mean by ReduceMean."""
    rng = np.random.default_rng(7)
    constants = {
        "shape": np.array([0, 2, 32]), "w1": weights(rng, 4, 2, 5, gain=2),
        "w2": weights(rng, 8, 2, 3, gain=2), "b2": weights(rng, 8),
        "w3": weights(rng, 3, 8, gain=4),
    }  # fmt: skip
    return networks.model(
        [
            ("Reshape", ["x", "shape"], "line", {}),
            ("Conv", ["line", "w1"], "c1", {"pads": [3, 1], "strides": [2]}),
            ("Relu", ["c1"], "r1", {}),
            ("Conv", ["r1", "w2", "b2"], "c2", {"pads": [2, 2], "dilations": [2], "group": 2}),
            ("ReduceMean", ["c2"], "p", {"axes": [2]}),
            ("Flatten", ["p"], "f", {}),
            ("Gemm", ["f", "w3"], "logits", {"transB": 1}),
        ],
        constants,
        opset=17,
    )


MODELS = {"cnn": networks.cnn, "functions": functions, "wiring": wiring, "1d": one_dimension}


@pytest.fixture(scope="module", params=MODELS)
def loaded(request, tmp_path_factory):
    path, data = networks.write(tmp_path_factory.mktemp(request.param), MODELS[request.param]())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


def mixed(workload, weights, acts):
    return {
        layer.name: (weights[i % len(weights)], act_format(layer, acts[i % len(acts)]))
        for i, layer in enumerate(workload.layers)
    }


FORMATS = {
    "int8": (("int8",), ("int8",)),
    "mixed": (("int4", "ternary", "pot4"), ("int6", "int5")),
    "minifloat": (("e4m3fin", "e2m1fn"), ("e3m2fn", "e4m3fin")),
    "binary": (("int8", "binary"), ("int8q5", "int8")),
}


@pytest.mark.parametrize("formats", FORMATS)
def test_outputs_are_close_to_fake_quantisation_and_equal_plain_integers(loaded, formats):
    workload, dataset = loaded
    allocation = mixed(workload, *FORMATS[formats])
    float_network, plans = quantise(workload, dataset, allocation)
    network = integer_network(float_network, plans, dataset)
    feeds = dataset.first(dataset.x_eval, 40)
    fast = run_model(workload, quantised_model(float_network, plans), feeds)
    reference = run_model(workload, workload.model, feeds)
    exact = network_outputs(network, dataset, feeds)
    # Codes at the border of two levels may fall the other way, and biases are whole units of the
    # sums, which are coarse for ternary weights; scales may not be wrong.
    share = 0.06 if formats == "mixed" else 0.005
    assert np.mean((exact - fast) ** 2) < share * reference.var()
    levels = input_levels(network, dataset, feeds["x"])
    whole = IntegerModel(network).run(levels)
    plain = integer_oracle.run(network, levels[3].tolist())[network.output]
    assert whole[3].tolist() == list(plain.values())
    for size in (1, 7):
        parts = [IntegerModel(network).run(levels[i : i + size]) for i in range(0, 40, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_network_depends_on_calibration_data_alone(tmp_path):
    texts = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        rng = np.random.default_rng(seed)
        path, data = networks.write(
            folder,
            networks.cnn(),
            x_eval=(9 * rng.standard_normal((96, 1, 8, 8))).astype(np.float32),
        )
        dataset = load_recipe(path, data_path=data)
        workload = load_workload(path, dataset)
        plans = quantise(workload, dataset, mixed(workload, ["int4"], ["int6"]))
        texts.append(network_text(integer_network(*plans, dataset)))
    assert texts[0] == texts[1]


def write_pixels(folder, *, signed):
    """The small network with integers of 8 bits as data, and a recipe."""
    path, data = networks.write(folder, networks.cnn())
    rng = np.random.default_rng(3)
    low = -128 if signed else 0
    arrays: dict[str, Any] = {
        name: rng.integers(low, low + 256, (60, 8, 8)).astype(np.int8 if signed else np.uint8)
        for name in ("a", "b")
    }
    np.savez(data, **arrays, y=rng.integers(0, 3, 60))
    path.with_suffix(".toml").write_text(
        'data = "net.npz"\ncalibration = "a"\nevaluation = "b"\nlabels = "y"\nlayout = "NHW"\n'
        "scale = 0.015625\nmean = [0.3]\nstd = [0.7]\n"
    )
    return path, arrays


@pytest.mark.parametrize("signed", [True, False])
def test_pixels_are_read_through_a_table(tmp_path, signed):
    path, arrays = write_pixels(tmp_path, signed=signed)
    dataset = load_recipe(path)
    workload = load_workload(path, dataset)
    network = integer_network(
        *quantise(workload, dataset, mixed(workload, ["int8"], ["int4"])), dataset
    )
    assert str(network.edge(network.input).format) == ("int8" if signed else "uint8")
    assert isinstance(network.nodes[0], Table)
    levels = input_levels(network, dataset, dataset.x_eval["x"])
    np.testing.assert_array_equal(levels[:, 0], arrays["b"])
    # The table is the first layer's own rounding, written down.
    (table,) = network.nodes[0].outputs
    edge = network.edge(table.edge)
    got = IntegerModel(network).trace(levels, [table.edge])[table.edge]
    expected = edge.format.quantize(dataset.x_eval["x"] / np.float32(edge.scale) + edge.zero)
    assert (got == expected).mean() > 0.999
    assert np.abs(got - expected).max() <= 1
    other = {"x": dataset.x_eval["x"] + np.float32(0.001)}
    with pytest.raises(ValueError, match="Inputs must be those that the recipe computes"):
        network_outputs(network, dataset, other)


def test_relu_and_clip_are_bounds_and_pooling_is_on_codes(tmp_path):
    path, data = networks.write(tmp_path, wiring())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    network = integer_network(
        *quantise(workload, dataset, mixed(workload, ["int4"], ["int4"])), dataset
    )
    assert sum(isinstance(node, MaxPool) for node in network.nodes) == 2
    first = next(node for node in network.nodes if isinstance(node, Conv))
    outputs: dict[str, Requant] = {output.edge: output for output in first.outputs}
    # One rounding for the next convolution's 4 bits, one for the addition's 10.
    assert {str(network.edge(name).format) for name in outputs} == {"uint4", "uint10"}
    assert all(output.low == network.edge(name).zero for name, output in outputs.items())


def test_channels_without_weights_keep_their_biases(tmp_path):
    """A channel that training switched off has weights of 1e-20 or 0, and a bias that counts."""
    proto = networks.cnn()
    for item in proto.graph.initializer:
        if item.name in ("w1", "b1"):
            values = networks.numpy_helper.to_array(item).copy()
            values[:2] = [[[[0]]], [[[1e-20]]]] if item.name == "w1" else [0.7, 1.9]
            item.CopyFrom(networks.numpy_helper.from_array(values, item.name))
    path, data = networks.write(tmp_path, proto)
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    options = QuantOptions(equalise=False)
    allocation = mixed(workload, ["int8"], ["int8"])
    network = integer_network(
        *quantise(workload, dataset, allocation, options=options), dataset, options=options
    )
    levels = input_levels(network, dataset, dataset.x_eval["x"][:5])
    conv = network.nodes[0]
    assert isinstance(conv, Conv)
    edge = network.edge(conv.outputs[0].edge)
    numbers = edge.numbers(IntegerModel(network).trace(levels, [edge.name])[edge.name])
    np.testing.assert_allclose(numbers[:, 0], 0.7, atol=edge.scale)
    np.testing.assert_allclose(numbers[:, 1], 1.9, atol=edge.scale)


@pytest.mark.parametrize(
    ("weight", "act", "fine"),
    [("int8", "int8", True), ("int2", "int4", False), ("ternary", "int3", False)],
)
def test_biases_are_finer_than_codes_where_sums_are_coarse(tmp_path, weight, act, fine):
    """Biases of whole units of coarse sums lost 4.6 points of accuracy at int2 x int4."""
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    formats = {layer.name: (weight, act_format(layer, act)) for layer in workload.layers}
    float_network, plans = quantise(workload, dataset, formats)
    network = integer_network(float_network, plans, dataset)
    nodes = [node for node in network.nodes if isinstance(node, Conv | Gemm)]
    assert all(node.fraction == 0 for node in nodes) == fine
    for node in nodes:
        for output in node.outputs:
            wider = max(0, network.edge(output.edge).format.width - 8)
            # Codes that a unit of the bias is worth; rounding errs by half of one.
            unit = output.multiplier.max() / 2.0 ** (output.shift + wider)
            assert unit <= 0.25 or not node.bias.any()


def test_distance_and_exact_accuracy(loaded, monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    workload, dataset = loaded
    allocation = mixed(workload, ["int8"], ["int8"])
    distance = fake_quant_distance(workload, dataset, allocation, images=20)
    assert 0 < distance.logit_mse < distance.quantisation_mse
    exact = evaluate_exact(workload, dataset, allocation)
    assert exact.metric > 80
    assert exact == evaluate_exact(workload, dataset, allocation)


REFUSED = {
    "softmax": ([("Conv", ["x", "w"], "c", {}), ("Softmax", ["c"], "s", {"axis": 1}),
                 ("Conv", ["s", "v"], "logits", {})], {},
                r"n_s \(Softmax\).* no integers for Softmax"),
    "product": ([("Conv", ["x", "w"], "c", {}), ("Conv", ["x", "w"], "d", {}),
                 ("Mul", ["c", "d"], "logits", {})], {}, r"n_logits \(Mul\).* no integers for Mul"),
    "dynamic": ([("Conv", ["x", "w"], "logits", {})], {"dynamic": True},
                "one fixed scale .* not scales for each sample"),
    "groups": ([("Conv", ["x", "w"], "logits", {})], {"group_size": 4},
               "one scale for each output channel .* not one for each group"),
    "border": ([("AveragePool", ["x"], "p", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
                ("Conv", ["p", "w"], "logits", {})], {}, "averages of fewer values at the border"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_integers_is_refused_by_name(tmp_path, case):
    nodes, options, message = REFUSED[case]
    rng = np.random.default_rng(1)
    constants = {"w": weights(rng, 4, 1, 3, 3), "v": weights(rng, 4, 4, 1, 1)}
    proto = networks.model(nodes, constants, out=("N", 4, 6, 6))
    path, data = networks.write(tmp_path, proto, y_eval=np.zeros((96, 6, 6), int))
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    settings = QuantOptions(**options)
    plans = quantise(workload, dataset, mixed(workload, ["int8"], ["int8"]), options=settings)
    with pytest.raises(ValueError, match=message) as caught:
        integer_network(*plans, dataset, options=settings)
    assert "\n" not in str(caught.value)


def test_blocks_are_refused(tmp_path):
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    plans = quantise(workload, dataset, mixed(workload, ["mxint8"], ["mxint8"]))
    with pytest.raises(ValueError, match="one fixed scale in an integer network, not mxint8"):
        integer_network(*plans, dataset)
