"""Scales, rounding and equalisation of the quantiser."""

import dataclasses

import numpy as np
import onnx
import pytest
from helpers import networks

from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.equalise import equalise, pairs
from macwright.dse.quantizer.gptq import gptq
from macwright.dse.quantizer.grid import Grid
from macwright.dse.quantizer.im2col import from_matrix, patches, to_matrix
from macwright.dse.quantizer.observers import HistogramObserver, act_range
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.scales import on_grid, rounding_table, weight_scales
from macwright.dse.workload import load_workload
from macwright.hw.formats import FORMAT_NAMES, BlockFormat, parse_format


@pytest.mark.parametrize(
    "name",
    "int2 int4 int8 int8sym uint1 uint4 int16 binary ternary e2m0fin e4m0fin e2m1fin e3m0fin "
    "e3m2fin e2m3fin e4m3fin e4m3fn e4m3 e5m2fin e5m2 e4m3fnuz e4m3wp e1m2fin fp16".split(),
)
def test_onnx_rounding_is_the_formats_own(name):
    fmt = parse_format(name)
    nodes, constants, result = Operand(format=fmt).nodes("x", (1,), "q")
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["N"])],
        [onnx.helper.make_tensor_value_info(result, 1, ["N"])],
        constants,
    )
    proto = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    rng = np.random.default_rng(0)
    levels = fmt.levels()[:: max(len(fmt.levels()) // 4096, 1)]
    middles = (levels[1:] + levels[:-1]) / 2
    spread = rng.standard_normal(20_000) * 10.0 ** rng.uniform(-6, 1, 20_000) * fmt.max
    x = np.concatenate([levels, middles, levels * 1.001, spread, [0.0]]).astype(np.float32)
    # What a level becomes when it is multiplied and divided again.
    beside = [x, *(np.nextafter(x, np.float32(end)) for end in (-np.inf, np.inf))]
    x = np.concatenate([*beside, *(item * np.float32(0.1) / np.float32(0.1) for item in beside)])
    np.testing.assert_array_equal(networks.run(proto, x=x), fmt.quantize(x))


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_table_rounds_as_the_format_does(name):
    fmt = parse_format(name)
    table = rounding_table(fmt)
    if fmt.width > 8 or isinstance(fmt, BlockFormat) or name == "e8m0fnu":
        assert table is None
        return
    assert table is not None
    rng = np.random.default_rng(0)
    levels = np.unique(fmt.levels()).astype(np.float32)
    middles = (levels[1:] + levels[:-1]) / 2
    spread = rng.standard_normal(20_000) * 10.0 ** rng.uniform(-6, 1, 20_000) * fmt.max
    x = np.concatenate([levels, middles, spread, [0.0, -0.0]]).astype(np.float32)
    x = np.concatenate([x, *(np.nextafter(x, np.float32(end)) for end in (-np.inf, np.inf))])
    x = np.append(x, np.array([-np.inf, np.inf, np.nan, 3e38, -3e38], np.float32))
    np.testing.assert_array_equal(table.round(x), fmt.quantize(x))


def test_integers_get_the_sign_that_activations_need(network):
    signed, plain = network[0].layers[:2]
    assert [act_format(signed, name) for name in ("int4", "uint4", "e2m1fin")] == [
        "int4", "int4", "e2m1fn",
    ]  # fmt: skip
    assert [act_format(plain, name) for name in ("int4", "uint4", "e3m2fin")] == [
        "uint4", "uint4", "e3m2fn",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="must have more than one bit, not 'uint1'"):
        act_format(signed, "uint1")


@pytest.mark.parametrize("name", ["int2", "int4", "e2m1fin", "binary", "ternary", "int8"])
def test_weight_scales_are_near_the_best(name):
    fmt = parse_format(name)
    rows = np.random.default_rng(2).standard_normal((4, 200)).astype(np.float32)
    scales = weight_scales(rows, fmt)
    for row, scale in zip(rows, scales, strict=True):
        tried = np.geomspace(3e-3, 1, 600) * np.abs(row).max() / min(fmt.max, 8)
        best = min(((fmt.quantize(row / s) * s - row) ** 2).sum() for s in tried)
        assert ((on_grid(fmt, row, scale) - row) ** 2).sum() <= (
            1.06 if fmt.width < 8 else 1.2
        ) * best


def test_scales_of_other_methods():
    rows = np.array([[1.0, -7.0, 3.0], [0, 0, 0]], np.float32)
    fmt = parse_format("int4")
    assert weight_scales(rows, fmt, method="max").tolist() == [1, 1]
    assert weight_scales(rows * 1.1, fmt, method="max", power_of_two=True).tolist() == [2, 1]
    values = np.r_[np.linspace(0, 1, 10_000), 50].astype(np.float32)
    scale, _ = act_range(HistogramObserver(values), parse_format("uint8"), method="percentile")
    assert scale < 0.2 / 255 * 6
    assert act_range(HistogramObserver(values), parse_format("uint8"), method="max")[
        0
    ] == pytest.approx(50 / 255)


def test_activation_scale_is_near_the_best():
    values = np.abs(np.random.default_rng(3).standard_normal(50_000)).astype(np.float32)
    fmt = parse_format("uint4")
    scale, _ = act_range(HistogramObserver(values), fmt)
    tried = np.geomspace(0.05, 1, 400) * values.max() / fmt.max
    best = min(((fmt.quantize(values / s) * s - values) ** 2).sum() for s in tried)
    assert ((on_grid(fmt, values, scale) - values) ** 2).sum() <= 1.02 * best


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ((6, 4, 3, 3), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
        ((6, 2, 3, 3), {"group": 2, "dilations": [2, 1]}),
        ((4, 1, 2, 3), {"group": 4, "auto_pad": "SAME_LOWER", "strides": [2, 2]}),
        ((4, 1, 2, 3), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ],
)
def test_patches_times_weights_are_the_convolution(tmp_path, shape, attributes):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(shape).astype(np.float32)
    proto = networks.model(
        [("Conv", ["x", "w"], "logits", attributes)],
        {"w": weight},
        shape=("N", 4, 9, 8),
        out=("N", shape[0], "h", "v"),
    )
    onnx.save(proto, tmp_path / "net.onnx")
    layer = load_workload(tmp_path / "net.onnx").layers[0]
    x = rng.standard_normal((3, 4, 9, 8)).astype(np.float32)
    columns, outputs = patches(layer, x, networks.run(proto, x=x), shape, 40)
    assert columns.shape[1] == 40
    matrix = to_matrix(layer, weight).reshape(layer.groups, layer.n, layer.k)
    np.testing.assert_allclose(columns @ matrix.transpose(0, 2, 1), outputs, rtol=1e-4, atol=1e-4)
    assert np.array_equal(from_matrix(layer, to_matrix(layer, weight), shape), weight)


@pytest.mark.parametrize("name", ["int3", "e2m1fin"])
def test_gptq_keeps_outputs_better_than_nearest(name):
    rng = np.random.default_rng(0)
    fmt = parse_format(name)
    mixing = rng.standard_normal((2, 40, 40))
    columns = (rng.standard_normal((2, 2000, 40)) @ mixing).astype(np.float32)
    square = (columns.transpose(0, 2, 1) @ columns / 2000).astype(np.float32)
    weights = rng.standard_normal((2, 6, 40)).astype(np.float32)
    scale = np.full((2, 6), 0.5, np.float32)

    def error(rounded):
        return float(((columns @ (rounded - weights).transpose(0, 2, 1)) ** 2).mean())

    rounded = gptq(weights, square, Grid(format=fmt, scale=scale[..., None]))
    assert np.isin(rounded / 0.5, fmt.levels()).all()
    assert error(rounded) < 0.6 * error(on_grid(fmt, weights, scale[..., None]))


def test_equalisation_changes_no_output(network):
    workload, _ = network
    assert [(a.name, b.name) for a, b in pairs(workload)] == [("n_c1", "n_c2")]
    ranges = {"n_c2": np.array([1, 2, 4, 8, 16, 0, 1, 1.0])}
    other = equalise(workload, ranges)
    assert not np.array_equal(other.tensor("w2"), workload.tensor("w2"))
    x = np.random.default_rng(1).standard_normal((5, 1, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(
        networks.run(other.model, x=x), networks.run(workload.model, x=x), rtol=1e-4
    )


@pytest.mark.parametrize(
    "options",
    [
        QuantOptions(),
        QuantOptions.plain(),
        QuantOptions(weight_scale="output", power_of_two=True),
        QuantOptions(rounding="nearest", weight_scale="output", bias_correction=False),
        QuantOptions(rounding="nearest", weight_scale="max", bias_correction=False),
        QuantOptions(weight_scale="percentile", act_scale="percentile"),
    ],
    ids=repr,
)
def test_quantised_model_computes_with_codes_of_its_formats(network, options):
    workload, dataset = network
    allocation = {
        layer.name: (name, act_format(layer, "int8"))
        for layer, name in zip(workload.layers, ["int8", "e4m3fin", "int6", "e2m3fin"], strict=True)
    }
    float_network, plans = quantise(workload, dataset, allocation, options=options)
    for plan in plans:
        assert plan.weight is not None
        assert plan.weight_scale is not None
        codes = to_matrix(plan.layer, plan.weight) / plan.weight_scale[:, None]
        grid = plan.weight_format.quantize(codes)
        np.testing.assert_allclose(codes, grid, rtol=1e-5, atol=1e-5)
        if options.power_of_two:
            assert np.log2([*plan.weight_scale, plan.act.scale]) % 1 == pytest.approx(0)
    x = dataset.x_eval["x"]
    rounded = networks.run(quantised_model(float_network, plans), x=x)
    exact = networks.run(workload.model, x=x)
    assert 0 < ((rounded - exact) ** 2).mean() < 0.02 * exact.var()


def test_matrix_products_of_activations_and_missing_biases(tmp_path):
    rng = np.random.default_rng(5)
    proto = networks.model(
        [
            ("MatMul", ["x", "wq"], "q", {}),
            ("MatMul", ["x", "wk"], "k", {}),
            ("Transpose", ["k"], "t", {"perm": [0, 2, 1]}),
            ("MatMul", ["q", "t"], "a", {}),
            ("Softmax", ["a"], "p", {}),
            ("MatMul", ["p", "x"], "m", {}),
            ("ReduceMean", ["m"], "logits", {"axes": [1], "keepdims": 0}),
        ],
        {"wq": rng.standard_normal((4, 4)).astype(np.float32),
         "wk": rng.standard_normal((4, 4)).astype(np.float32)},
        shape=("N", 6, 4), out=("N", 4),
    )  # fmt: skip
    onnx.save(proto, tmp_path / "net.onnx")
    x = rng.standard_normal((40, 6, 4)).astype(np.float32)
    labels = networks.run(proto, x=x).argmax(axis=1)
    np.savez(tmp_path / "net.npz", x_calib=x, x_eval=x, y_eval=labels)
    dataset = load_recipe(tmp_path / "net.onnx", data_path=tmp_path / "net.npz")
    workload = load_workload(tmp_path / "net.onnx", dataset)
    allocation = {layer.name: ("int8", act_format(layer, "int8")) for layer in workload.layers}
    network, plans = quantise(workload, dataset, allocation)
    assert [plan.weight is None for plan in plans] == [False, False, True, True]
    rounded, exact = networks.run(quantised_model(network, plans), x=x), networks.run(proto, x=x)
    assert 0 < ((rounded - exact) ** 2).mean() < 1e-3 * exact.var()


def test_options_are_values():
    assert QuantOptions() == dataclasses.replace(QuantOptions())
    assert QuantOptions().to_fields()["rounding"] == "gptq"
