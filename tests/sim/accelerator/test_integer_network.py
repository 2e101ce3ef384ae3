"""The vectorised model of integer networks against plain Python, on random networks."""

import numpy as np
import pytest
from helpers import integer_oracle
from helpers.random_network import networks, random_levels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from macwright.hw.accelerator.network import Edge, Network, Requant, Reshape
from macwright.hw.accelerator.network.file import network_sha256, read_network, write_network
from macwright.hw.formats import parse_format
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.rounding import requantise

SETTINGS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)


@given(network=networks(), seed=st.integers(0, 99))
@SETTINGS
def test_all_edges_equal_plain_python(network, seed):
    levels = random_levels(network, 2, seed)
    traced = IntegerModel(network).trace(levels)
    for sample in range(len(levels)):
        for name, tensor in integer_oracle.run(network, levels[sample].tolist()).items():
            expected = np.reshape(list(tensor.values()), network.edge(name).shape)
            np.testing.assert_array_equal(traced[name][sample], expected, err_msg=name)


@given(network=networks(), seed=st.integers(0, 99))
@settings(SETTINGS, max_examples=25)
def test_a_sample_gives_the_same_bits_in_every_batch_and_after_a_file(
    network, seed, tmp_path_factory
):
    levels = random_levels(network, 64, seed)
    model = IntegerModel(network)
    whole = model.run(levels)
    for size in (1, 7):
        parts = [model.run(levels[i : i + size]) for i in range(0, 64, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    model.chunk = 5
    np.testing.assert_array_equal(model.run(levels), whole)
    path = tmp_path_factory.mktemp("network") / "network.json"
    write_network(path, network)
    again = read_network(path)
    assert network_sha256(again) == network_sha256(network)
    np.testing.assert_array_equal(IntegerModel(again).run(levels), whole)


@given(
    sums=st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=4),
    multiplier=st.integers(0, 65535),
    shift=st.integers(0, 63),
    zero=st.sampled_from((0, 3)),
    fmt=st.sampled_from(("int8", "uint16", "e4m3fin", "e3m2fn", "ternary")),
)
@settings(SETTINGS, max_examples=200)
def test_wide_sums_are_rounded_exactly(sums, multiplier, shift, zero, fmt):
    zero = zero if fmt == "int8" else 0
    edge = Edge(name="e", format=parse_format(fmt), scale=1.0, zero=zero, shape=(1,))
    output = Requant(
        edge="e", multiplier=np.array([multiplier]), shift=shift, low=edge.low, high=edge.high
    )
    for bits in (61, 30, 12):
        some = [t >> (61 - bits) for t in sums]
        dtype = np.float64 if bits < 53 else np.int64
        array = np.array(some, dtype)[:, None]
        result = requantise(array, np.zeros(1, np.int64), output, edge, 1 << bits)
        expected = [integer_oracle.requantise(t, output, 0, edge) for t in some]
        assert result[:, 0].tolist() == expected


def test_inputs_of_other_shapes_or_levels_are_refused():
    edges = [
        Edge(name=name, format=parse_format("int4"), scale=1.0, zero=0, shape=shape)
        for name, shape in (("a", (2, 3)), ("b", (6,)))
    ]
    network = Network(
        name="n", model_sha256="", input="a", output="b", edges=tuple(edges),
        nodes=(Reshape(name="r", input="a", output="b"),),
    )  # fmt: skip
    model = IntegerModel(network)
    assert model.run(np.arange(6).reshape(1, 2, 3)).tolist() == [[0, 1, 2, 3, 4, 5]]
    for levels, message in (
        (np.zeros((1, 3, 2), int), r"shape \(samples, 2, 3\), not int64 of \(1, 3, 2\)"),
        (np.zeros((1, 2, 3)), "must be integers .* not float64"),
        (np.full((1, 2, 3), 8), "levels from -8 to 7, not from 8 to 8"),
    ):
        with pytest.raises(ValueError, match=message):
            model.run(levels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, object])
@pytest.mark.parametrize("zero", [0, 3])
def test_halves_go_to_the_even_level(dtype, zero):
    edge = Edge(name="e", format=parse_format("int8"), scale=1.0, zero=zero, shape=(1,))
    output = Requant(edge="e", multiplier=np.array([1]), shift=1, low=-128, high=127)
    sums = list(range(-9, 10))
    result = requantise(np.array(sums, dtype)[:, None], np.zeros(1, np.int64), output, edge, 9)
    assert result[:, 0].tolist() == [round(t / 2 + zero) for t in sums]
