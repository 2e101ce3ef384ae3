"""Operand streams: what the named distributions promise, and the order of a layer's tensors."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest

from macwright.costmodel.stimulus.named import (
    STIMULI,
    filling_sigmas,
    layer_streams,
    named_streams,
    pack_elements,
)
from macwright.hw.formats import parse_format

INT8, UINT8, E4M3 = (parse_format(name) for name in ("int8", "uint8", "e4m3fn"))


def values(stimulus, act=INT8, weight=INT8, **options):
    streams = named_streams(stimulus, act, weight, cycles=200, lanes=40, **options)
    return act.decode(streams["a"]), weight.decode(streams["w"]), streams["clear"]


@pytest.mark.parametrize("stimulus", STIMULI)
@pytest.mark.parametrize("names", [("int8", "int4"), ("e4m3fn", "e2m1fn"), ("uint4", "binary")])
def test_codes_fit_the_formats_and_are_repeatable(stimulus, names):
    act, weight = map(parse_format, names)
    streams = named_streams(stimulus, act, weight, cycles=50, lanes=7)
    for port, fmt in (("a", act), ("w", weight)):
        codes = streams[port]
        assert codes.shape == (50, 7)
        assert codes.min() >= 0
        assert codes.max() < 2**fmt.width
        assert np.isfinite(fmt.decode(codes)).all()
    again = named_streams(stimulus, act, weight, cycles=50, lanes=7)
    other = named_streams(stimulus, act, weight, cycles=50, lanes=7, seed=1)
    assert all((streams[port] == again[port]).all() for port in streams)
    assert (streams["a"] != other["a"]).any()


def test_gauss_fills_the_format_with_three_and_a_half_sigma():
    for fmt in (INT8, E4M3):
        a, w, clear = values("gauss", fmt, fmt)
        assert a.std() == pytest.approx(fmt.max / 3.5, rel=0.05)
        assert abs(a.mean()) < 0.05 * a.std()
        assert abs(np.corrcoef(a.ravel(), w.ravel())[0, 1]) < 0.05
        assert np.flatnonzero(clear[:, 0]).tolist() == list(range(0, 200, 32))


@pytest.mark.parametrize(
    ("name", "sigmas"),
    # Steps of the uniform quantisers of 3, 7 and 15 levels with the least error: Max, Quantizing
    # for minimum distortion (1960), table II.
    [("ternary", 1.2240), ("int3sym", 3 * 0.6508), ("int4sym", 7 * 0.3534)],
)
def test_few_bits_are_filled_as_the_best_quantiser_fills_them(name, sigmas):
    fmt = parse_format(name)
    assert filling_sigmas(fmt) == pytest.approx(sigmas, abs=0.06)
    a, _, _ = values("gauss", fmt, fmt)
    step = sigmas / fmt.max
    assert (a != 0).mean() == pytest.approx(2 * NormalDist().cdf(-step / 2), abs=0.03)


def test_the_negative_value_of_one_bit_occurs():
    fmt = parse_format("int1")
    assert 0.2 < -values("gauss", fmt, fmt)[0].mean() < 0.5


def test_relu_gauss_has_no_negative_activations():
    a, w, _ = values("relu_gauss")
    assert a.min() == 0
    assert (a == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert w.min() < 0


def test_laplace_has_longer_tails_than_gauss():
    a, _, _ = values("laplace")
    kurtosis = ((a - a.mean()) ** 4).mean() / a.var() ** 2
    assert 4.5 < kurtosis < 6.5
    assert a.std() == pytest.approx(127 / 5, rel=0.06)


def test_every_second_operand_of_sparse_is_zero():
    a, w, _ = values("sparse")
    for operand in (a, w):
        assert (operand == 0).mean() == pytest.approx(0.51, abs=0.02)


def test_uniform_takes_all_values_alike():
    a, _, _ = values("uniform", parse_format("e2m1fn"))
    levels, counts = np.unique(a, return_counts=True)
    np.testing.assert_array_equal(levels, parse_format("e2m1fn").levels())
    assert counts.min() > 0.8 * counts.mean()


def test_weight_stationary_keeps_weights_and_clears_with_them():
    streams = named_streams("weight_stationary", INT8, INT8, cycles=64, lanes=9)
    changes = (np.diff(streams["w"], axis=0) != 0).any(axis=1)
    assert (np.flatnonzero(changes) + 1).tolist() == [16, 32, 48]
    assert np.flatnonzero(streams["clear"][:, 0]).tolist() == [0, 16, 32, 48]


def test_elements_stand_side_by_side():
    streams = named_streams("gauss", INT8, INT8, cycles=9, lanes=3, elements=(12, 12))
    assert streams["a"].dtype == object
    assert max(int(code) for code in streams["a"].ravel()).bit_length() > 88
    codes = np.array([[1, 2, 255], [0, 0, 7]])
    assert pack_elements(codes, 8).tolist() == [1 + 2 * 256 + 255 * 65536, 7 * 65536]


@pytest.mark.parametrize(("k", "cycles"), [(5, 40), (70, 30)])
def test_output_stationary_order_computes_the_product(k, cycles):
    rng = np.random.default_rng(0)
    acts, weights = rng.integers(-128, 128, size=(6, k)), rng.integers(-128, 128, size=(k, 4))
    codes_a, codes_w = acts & 255, weights & 255
    streams = layer_streams(codes_a, codes_w, INT8, INT8, cycles=cycles, lanes=8)
    a, w = INT8.decode(streams["a"]), INT8.decode(streams["w"])
    outputs = set((acts @ weights).ravel().tolist())
    checked = 0
    for lane in range(8):
        starts = [*np.flatnonzero(streams["clear"][:, lane]), cycles]
        assert starts[0] == 0
        for begin, end in itertools.pairwise(starts):
            if end - begin == k:
                assert int(a[begin:end, lane] @ w[begin:end, lane]) in outputs
                checked += 1
            assert end - begin <= k
    assert checked > 8 or k > cycles


def test_weight_stationary_order_walks_along_the_activations():
    rng = np.random.default_rng(0)
    acts, weights = rng.integers(256, size=(12, 3)), np.arange(6).reshape(3, 2) + 100
    streams = layer_streams(
        acts, weights, INT8, INT8, order="weight_stationary", cycles=40, lanes=5
    )
    columns = {tuple(acts[:, k].tolist()): set(weights[k].tolist()) for k in range(3)}
    for lane in range(5):
        starts = [*np.flatnonzero(streams["clear"][:, lane]), 40]
        for begin, end in itertools.pairwise(starts):
            assert len(set(streams["w"][begin:end, lane].tolist())) == 1
            if end - begin == 12:
                column = tuple(streams["a"][begin:end, lane].tolist())
                assert streams["w"][begin, lane] in columns[column]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stimulus": "white"}, "Stimulus must be one of uniform, gauss, .*, not 'white'"),
        ({"cycles": 0}, "Cycles must be at least 1, not 0"),
        ({"lanes": 0}, "Lanes must be at least 1, not 0"),
        ({"clear_every": 0}, "Clear interval must be at least 1, not 0"),
        ({"elements": (1, 0)}, "Elements must be at least 1, not 0"),
    ],
)
def test_named_streams_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        named_streams(**({"stimulus": "gauss", "act": INT8, "weight": INT8} | arguments))


@pytest.mark.parametrize(
    ("acts", "weights", "order", "message"),
    [
        (np.zeros((2, 3)), np.zeros((4, 2)), "output_stationary", r"\(m, k\) and \(k, n\), not"),
        (np.full((2, 3), 256), np.zeros((3, 2)), "output_stationary", "Activation codes must be"),
        (np.zeros((2, 3)), np.full((3, 2), -1), "output_stationary", "Weight codes must be uns"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "row_stationary", "Order must be 'output_stationary'"),
    ],
)
def test_layer_streams_refuses(acts, weights, order, message):
    with pytest.raises(ValueError, match=message):
        layer_streams(acts.astype(int), weights.astype(int), INT8, INT8, order=order)
