"""GPTQ with few samples, against brute force on samples that it never saw."""

import numpy as np
import pytest

from macwright.dse.quantizer.gptq import descend, gptq
from macwright.dse.quantizer.grid import Grid
from macwright.dse.quantizer.held_out import gated_gptq
from macwright.dse.quantizer.moments import Moments, retarget
from macwright.hw.formats import parse_format

K, N = 64, 24


def problem(samples, *, seed=0):
    """Weights, correlated inputs with an error, and outputs of the inputs without it."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(1, N, K)).astype(np.float32)
    mixing = rng.normal(size=(K, K)) * (0.2 + rng.random(K)[:, None] ** 4)
    exact = (rng.normal(size=(samples, K)) @ mixing).astype(np.float32)
    noisy = (exact + 0.3 * rng.normal(size=exact.shape)).astype(np.float32)
    grid = Grid(
        format=parse_format("int4"),
        scale=np.abs(weights).max(axis=2, keepdims=True) / np.float32(7),
    )
    outputs = (exact @ weights[0].T).astype(np.float32)
    return weights, noisy[None], outputs[None], grid


def error(rounded, columns, outputs):
    return float(((columns[0] @ rounded[0].T - outputs[0]) ** 2).mean())


@pytest.mark.parametrize("fitted", [8, 48, 100, 400])
def test_few_samples_never_make_it_worse_than_nearest_on_others(fitted):
    for seed in range(4):
        weights, columns, outputs, grid = problem(fitted + 4000, seed=seed)
        tokens = np.ones(fitted, np.float32)
        moments = Moments(columns[:, :fitted], outputs[:, :fitted], centred=False, weights=tokens)
        assert moments.scarce
        rounded = gated_gptq(weights, moments, grid)
        others = columns[:, fitted:], outputs[:, fitted:]
        assert np.array_equal(grid.round(rounded), rounded), "weights must be on the grid"
        assert error(rounded, *others) <= 1.02 * error(grid.round(weights), *others)


def test_without_the_gate_few_samples_make_it_worse():
    weights, columns, outputs, grid = problem(8 + 4000)
    moments = Moments(columns[:, :8], outputs[:, :8], centred=False)
    target = retarget(weights, moments)
    rounded = descend(gptq(target, moments.square, grid), target, moments.square, grid)
    others = columns[:, 8:], outputs[:, 8:]
    assert error(rounded, *others) > 1.1 * error(grid.round(weights), *others)


def test_samples_held_out_fit_nothing():
    weights, columns, outputs, grid = problem(64)
    first = gated_gptq(weights, Moments(columns, outputs, centred=False), grid)
    columns[:, 56:], outputs[:, 56:] = 1.01 * columns[:, 56:], 1.01 * outputs[:, 56:]
    columns[:, 24:32], outputs[:, 24:32] = 1.01 * columns[:, 24:32], 1.01 * outputs[:, 24:32]
    again = gated_gptq(weights, Moments(columns, outputs, centred=False), grid)
    assert np.array_equal(first, again)
