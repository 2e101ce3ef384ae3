"""Zero points, blocks, groups, dynamic scales, SmoothQuant and AdaRound."""

import numpy as np
import onnx
import pytest
from helpers import networks

from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.activation import Operand, fit_operand
from macwright.dse.quantizer.adaround import adaround
from macwright.dse.quantizer.gptq import descend
from macwright.dse.quantizer.grid import Grid, group_columns, weight_grid
from macwright.dse.quantizer.im2col import to_matrix
from macwright.dse.quantizer.layer import smoothing
from macwright.dse.quantizer.moments import Moments, lost_means, retarget, token_weights
from macwright.dse.quantizer.observers import HistogramObserver, act_range
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload
from macwright.hw.formats import parse_format


def run_operand(operand, x):
    """What the ONNX nodes of an operand make of a tensor."""
    nodes, constants, result = operand.nodes("x", x.shape, "q")
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, list(x.shape))],
        [onnx.helper.make_tensor_value_info(result, 1, None)],
        constants,
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return networks.run(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), x=x)


BLOCKS = ["mxint8", "mxfp8e4m3", "mxfp8e5m2", "mxfp6e2m3", "mxfp4", "nvfp4", "bfp6x16"]


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 40, 5, 4), -3), ((3, 7, 64), -1), ((2, 70, 6), -2)]
)
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_in_onnx_are_those_of_the_format(name, shape, axis):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 2, shape)).astype(np.float32)
    x[0] = 0
    x[1, 0] = np.exp2(rng.integers(-20, 20, x[1, 0].shape))  # the ends of the logarithm's steps
    fmt = parse_format(name)
    scale = float(np.float32(np.abs(x).max() / (6 * 448))) if name == "nvfp4" else 1.0
    operand = Operand(format=fmt, scale=scale, axis=axis)
    wanted = fmt.quantize(x, axis=axis)
    for got in (run_operand(operand, x), operand.round(x)):
        # float64 quotients of the format and float32 ones here may differ on a tie.
        differs = ~np.isclose(got, wanted, rtol=1e-6)
        assert differs.mean() <= (2e-3 if name == "nvfp4" else 0)


@pytest.mark.parametrize("name", ["int8", "e4m3fin"])
@pytest.mark.parametrize(("shape", "axes"), [((3, 5, 6), (-1,)), ((2, 3, 4, 4), (-3, -2, -1))])
def test_dynamic_scales_are_those_of_each_row(name, shape, axes):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    x[0] *= 1000
    x[-1] = 0
    operand = Operand(format=parse_format(name), axis=-1, dynamic=axes)
    rounded = operand.round(x)
    np.testing.assert_allclose(run_operand(operand, x), rounded, rtol=1e-6)
    top = np.abs(x).max(axis=axes, keepdims=True)
    assert (np.abs(rounded - x) <= 0.04 * top).all()
    assert np.abs(rounded).max(axis=axes).ravel() == pytest.approx(top.ravel(), rel=1e-3)


@pytest.mark.parametrize("name", ["int4", "int8", "e2m1fin", "e4m3fin"])
def test_zero_points_save_error_and_keep_zero(name):
    fmt = parse_format(name)
    values = np.maximum(np.random.default_rng(2).standard_normal(40_000), -0.2).astype(np.float32)
    values[:9000] = 0
    plain, zero = act_range(HistogramObserver(values), fmt)
    assert zero == 0
    scale, zero = act_range(HistogramObserver(values), fmt, asymmetric=True)
    assert zero in fmt.levels()

    def error(operand):
        return float(((operand.round(values) - values) ** 2).mean())

    shifted = Operand(format=fmt, scale=scale, zero=zero)
    limit = 0.6 if fmt.width < 8 or name == "int8" else 1.0
    assert error(shifted) <= limit * error(Operand(format=fmt, scale=plain))
    assert shifted.round(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
    rounded = run_operand(shifted, values) * np.float32(scale)
    np.testing.assert_array_equal(rounded, shifted.round(values))


def test_rare_large_values_count():
    values = np.random.default_rng(3).standard_normal(3_000_000).astype(np.float32)
    values[1_234_567] = 2_000
    # Without that value the scale would be about 4 / 127; with it, its error is the largest.
    assert act_range(HistogramObserver(values), parse_format("int8"))[0] > 1


def test_groups_follow_channels_at_each_position(network):
    layers = {layer.name: layer for layer in network[0].layers}
    assert group_columns(layers["n_c3"], 8, 4).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert group_columns(layers["n_c1"], 9, 4).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    conv = networks.model(
        [("Conv", ["x", "w"], "logits", {})],
        {"w": np.ones((2, 6, 1, 2), np.float32)},
        shape=("N", 6, 8, 8),
        out=("N", 2, 8, 7),
    )
    path = network[0].path.with_name("conv.onnx")
    onnx.save(conv, path)
    layer = load_workload(path).layers[0]
    # Columns are channel by channel, two positions each; four channels share a group.
    assert group_columns(layer, 12, 4).tolist() == [0, 2] * 4 + [1, 3] * 2


@pytest.mark.parametrize("name", ["int4", "e2m1fin"])
def test_groups_and_blocks_are_finer_than_channels(network, name):
    layer = network[0].layers[2]
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((8, 8)) * np.repeat([1, 30], 4)).astype(np.float32)

    def error(fmt, **options):
        grid = weight_grid(layer, matrix, parse_format(fmt), QuantOptions(**options))
        return ((grid.round(matrix) - matrix) ** 2)[:, :4].sum()

    assert error(name, group_size=4) < 0.1 * error(name)
    # The scales of a block are tried around the standard's: never worse.
    fmt = parse_format("mxfp4")
    grid = weight_grid(layer, matrix, fmt, QuantOptions())
    standard = ((fmt.quantize(matrix) - matrix) ** 2).sum()
    assert ((grid.round(matrix) - matrix) ** 2).sum() <= standard
    plain = weight_grid(layer, matrix, fmt, QuantOptions(weight_scale="max"))
    np.testing.assert_array_equal(plain.round(matrix), fmt.quantize(matrix))


def test_smoothing_moves_large_channels_into_weights(network):
    workload, dataset = network
    layer = workload.layers[2]
    rng = np.random.default_rng(4)
    act = np.abs(rng.standard_normal((6, 8, 4, 4))).astype(np.float32)
    act[:, 3] *= 100
    matrix = rng.standard_normal((8, 8)).astype(np.float32)
    channels = smoothing(layer, act, matrix)
    assert channels.argmax() == 3
    smooth = fit_operand(
        act / channels[:, None, None], layer, parse_format("uint4"), QuantOptions(), 4,
        channels=channels,
    )  # fmt: skip
    rough = fit_operand(act, layer, parse_format("uint4"), QuantOptions(), 4)

    def error(operand, factor):
        rounded = operand.round(operand.prepared(act)) * factor[:, None, None]
        return ((rounded - act) ** 2)[:, :3].mean()

    assert error(smooth, channels) < 0.3 * error(rough, np.ones(8, np.float32))
    allocation = {layer.name: ("int8", act_format(layer, "int8")) for layer in workload.layers}
    float_network, plans = quantise(
        workload, dataset, allocation, options=QuantOptions(smooth=True, rounding="nearest")
    )
    x = dataset.x_eval["x"]
    change = networks.run(quantised_model(float_network, plans), x=x) - networks.run(
        workload.model, x=x
    )
    assert (change**2).mean() < 0.02 * networks.run(workload.model, x=x).var()


@pytest.fixture
def problem():
    """Correlated inputs, weights, second moments, and a measure of output errors."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((2, 30, 30))
    columns = (rng.standard_normal((2, 1500, 30)) @ mixing).astype(np.float32)
    square = (columns.transpose(0, 2, 1) @ columns / 1500).astype(np.float32)
    weights = rng.standard_normal((2, 5, 30)).astype(np.float32)

    def error(rounded):
        return float(((columns @ (rounded - weights).transpose(0, 2, 1)) ** 2).mean())

    return weights, square, error


@pytest.mark.parametrize("name", ["int3", "e2m1fin"])
def test_adaround_rounds_up_or_down_to_keep_outputs(problem, name):
    weights, square, error = problem
    grid = Grid(format=parse_format(name), scale=np.full((2, 5, 1), 0.5, np.float32))
    rounded = adaround(weights, square, grid)
    levels = grid.format.levels() * 0.5
    assert np.isin(rounded, levels.astype(np.float32)).all()
    inside = np.abs(weights) < levels.max()
    gap = np.diff(levels).max()
    assert (np.abs(rounded - weights)[inside] < gap).all()
    assert error(rounded) < 0.7 * error(grid.round(weights))


@pytest.mark.parametrize("name", ["int3", "e2m1fin"])
def test_coordinate_descent_never_loses(problem, name):
    weights, square, error = problem
    grid = Grid(format=parse_format(name), scale=np.full((2, 5, 1), 0.5, np.float32))
    start = grid.round(weights)
    once, thrice = (descend(start, weights, square, grid, sweeps=n) for n in (1, 3))
    assert error(thrice) <= 1.001 * error(once) < 0.7 * error(start)


def test_few_massive_tokens_do_not_shift_all_others():
    rng = np.random.default_rng(3)
    tokens, k, n = 400, 12, 6
    acts = rng.normal(size=(tokens, k)).astype(np.float32)
    massive = np.arange(tokens) % 20 == 7
    acts[massive] = 200 * rng.normal(size=k)
    weights = rng.normal(size=(n, k)).astype(np.float32)
    rounded = weights + rng.normal(size=weights.shape, scale=0.1).astype(np.float32)
    outputs = acts @ weights.T + 0.3

    def error(moments: Moments) -> float:
        """Mean squared error of the ordinary tokens with the mean error made up for."""
        shift = lost_means(rounded[None], moments)[0]
        return float(((acts @ rounded.T + shift - outputs)[~massive] ** 2).mean())

    shares = token_weights(outputs[None])
    assert (shares[~massive] > 0.9).mean() > 0.95
    assert shares[massive].max() < 1e-3
    given = acts[None], outputs[None]
    alone = error(Moments(*(part[:, ~massive] for part in given), centred=False))
    assert error(Moments(*given, centred=False, weights=shares)) == pytest.approx(alone, rel=0.02)
    assert error(Moments(*given, centred=False)) > 2 * alone


def test_steps_that_do_not_generalise_are_not_taken():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((1, 4, 200)).astype(np.float32)
    columns = rng.standard_normal((1, 240, 200)).astype(np.float32)
    exact = (columns @ weights.transpose(0, 2, 1)).astype(np.float32)
    noise = rng.standard_normal(exact.shape).astype(np.float32)
    noisy = (exact + noise).astype(np.float32)
    found = retarget(weights, Moments(columns, noisy, centred=False))
    assert np.abs(found - weights).mean() < 0.1 * np.abs(weights).mean()
    # A change that all the data shows is made in full.
    other = (weights + 0.3).astype(np.float32)
    real = (columns @ other.transpose(0, 2, 1)).astype(np.float32)
    many = np.repeat(columns, 4, axis=1), np.repeat(real, 4, axis=1)
    found = retarget(weights, Moments(*many, centred=False))
    assert np.abs(found - other).mean() < 0.1
    moved = (exact + 2).astype(np.float32)
    moments = Moments(columns, moved, centred=False)
    assert lost_means(weights, moments).mean() == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"rounding": "adaround"}, {"group_size": 4}, {"dynamic": True}, {"smooth": True},
        {"power_of_two": True, "group_size": 2}, {"asymmetric": False, "act_scale": "percentile"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["int8", "e4m3fin"])
def test_each_technique_works_for_integers_and_minifloats(network, name, options):
    workload, dataset = network
    allocation = {layer.name: (name, act_format(layer, name)) for layer in workload.layers}
    float_network, plans = quantise(
        workload, dataset, allocation, options=QuantOptions(images=32, **options)
    )
    for plan in plans:
        assert plan.weight is not None
        assert plan.weight_scale is not None
        scale = plan.weight_scale.reshape(len(plan.weight_scale), -1)
        codes = to_matrix(plan.layer, plan.weight) / scale
        grid = plan.weight_format.quantize(codes)
        np.testing.assert_allclose(codes, grid, rtol=1e-5, atol=1e-5)
        if "power_of_two" in options:
            assert np.log2(scale) % 1 == pytest.approx(0)
    x = dataset.x_eval["x"]
    rounded = networks.run(quantised_model(float_network, plans), x=x)
    exact = networks.run(workload.model, x=x)
    assert 0 < ((rounded - exact) ** 2).mean() < 0.02 * exact.var()


@pytest.mark.parametrize("name", ["mxint8", "mxfp4", "nvfp4"])
def test_networks_in_block_formats(network, name):
    workload, dataset = network
    allocation = {layer.name: (name, name) for layer in workload.layers}
    float_network, plans = quantise(workload, dataset, allocation)
    x = dataset.x_eval["x"]
    rounded = networks.run(quantised_model(float_network, plans), x=x)
    exact = networks.run(workload.model, x=x)
    wrong = ((rounded - exact) ** 2).mean() / exact.var()
    assert 0 < wrong < (1e-3 if name == "mxint8" else 0.3)
