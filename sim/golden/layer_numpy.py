"""Vectorised twins of the golden models: the accumulators of a whole matrix product at once.

They decode with :mod:`macwright.hw.formats` and compute in float64 and int64, where the golden
models do everything in Python integers; the tests hold the two against each other.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat, Format
from macwright.sim.golden.dot_numpy import dot_sums
from macwright.sim.golden.float_sums import rounded_sums
from macwright.sim.golden.matmul import wrapping_matmul

__all__ = ["acc_values", "layer_sums"]

#: Products that are in memory at a time.
CHUNK = 1 << 22


def layer_sums(
    spec: Any,
    a: ArrayLike,
    w: ArrayLike,
    *,
    act: Format | None = None,
    weight: Format | None = None,
    a_scale: ArrayLike | None = None,
    w_scale: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Accumulators after sums of k products, each started by `clear`, in the order of k.

    A unit with lanes takes as many products a cycle; k must be a multiple of its lanes where the
    order matters (a `dot` with a float accumulator or a window).

    Parameters
    ----------
    spec : UnitSpec
        Unit of any family with products; of `shift_add_mac` see
        :func:`~macwright.sim.golden.shift_add_numpy.group_totals`.
    a : array_like of int, shape (m, k)
        Activation codes.
    w : array_like of int, shape (k, n)
        Weight codes.
    act, weight : Format, optional
        Formats of the codes, where a unit with modes runs narrower ones than its widest.
    a_scale : array_like of int, shape (m, k / act.block), optional
        Codes of the scales of a block format.
    w_scale : array_like of int, shape (k / weight.block, n), optional
        Likewise.

    Returns
    -------
    ndarray of int64, shape (m, n)
        Accumulators as unsigned code words; -1 where the unit sets `invalid`.

    Raises
    ------
    ValueError
        If an accumulator has more than 63 bits, or k does not fit the lanes.
    """
    codes = np.asarray(a, dtype=np.int64), np.asarray(w, dtype=np.int64)
    float_acc = isinstance(spec.acc, FloatFormat)
    if not float_acc and spec.acc.width > 63:
        raise RefusedInput(f"Accumulator must have at most 63 bits, not {spec.acc.width}")
    if spec.family == "dot" and (float_acc or spec.window is not None):
        return _dot(spec, *codes, a_scale=a_scale, w_scale=w_scale)
    x, y = (act or spec.act).decode(codes[0]), (weight or spec.weight).decode(codes[1])
    if float_acc:
        with np.errstate(all="ignore"):
            return rounded_sums(spec.acc, _products(x, y), (x.shape[0], y.shape[1]))
    bad = ~np.isfinite(x).all(axis=1, keepdims=True) | ~np.isfinite(y).all(axis=0)
    x, y = np.where(np.isfinite(x), x, 0), np.where(np.isfinite(y), y, 0)
    if getattr(spec, "drop", 0):
        unit = 2.0**-spec.acc_exponent
        sums = np.zeros(bad.shape, dtype=np.int64)
        for product in _products(x, y):
            sums += (product * unit).astype(np.int64)
    else:
        grid = [_whole(fmt, v) for fmt, v in ((act or spec.act, x), (weight or spec.weight, y))]
        sums = wrapping_matmul(*grid)
    return np.where(bad, -1, sums & ((1 << spec.acc.width) - 1))


def acc_values(spec: Any, codes: ArrayLike) -> NDArray[np.float64]:
    """Numbers that accumulators stand for; NaN where the code is -1 (`invalid`).

    Parameters
    ----------
    spec : UnitSpec
        Unit.
    codes : array_like of int, any shape
        What :func:`layer_sums` returns.

    Returns
    -------
    ndarray of float64, same shape
        Exact if the accumulator has at most 53 bits.
    """
    codes = np.asarray(codes, dtype=np.int64)
    known = np.where(codes < 0, 0, codes)
    if isinstance(spec.acc, FloatFormat):
        numbers = spec.acc.decode(known)
    else:
        half = 1 << (spec.acc.width - 1)
        signed = getattr(spec.acc, "signed", True)
        known = np.where(signed & (known >= half), known - 2 * half, known)
        numbers = known * 2.0 ** getattr(spec, "acc_exponent", 0)
    return np.where(codes < 0, np.nan, numbers)


def _products(x: NDArray[np.float64], y: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Products of each k, shape (m, n); exact, for operands of up to 16 bits."""
    for k in range(x.shape[1]):
        yield x[:, k, None] * y[k]


def _whole(fmt: Any, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Values as multiples of the smallest one."""
    if isinstance(fmt, FloatFormat):
        values = values * 2.0 ** (fmt.bias + fmt.man_bits - 1)
    return values.astype(np.int64)


def _dot(
    spec: Any,
    a: NDArray[np.int64],
    w: NDArray[np.int64],
    *,
    a_scale: ArrayLike | None,
    w_scale: ArrayLike | None,
) -> NDArray[np.int64]:
    """Cycle by cycle, as many rows of `a` at a time as memory allows."""
    (m, k), n = a.shape, w.shape[1]
    if k % spec.lanes:
        raise RefusedInput(f"Length of the sums must be a multiple of {spec.lanes} lanes, not {k}")
    cycles = k // spec.lanes
    weights = w.reshape(cycles, spec.lanes, 1, n)
    scales: dict[str, Any] = {}
    if w_scale is not None:
        repeat = spec.weight.block // spec.lanes
        scales["w_scale"] = np.repeat(np.asarray(w_scale), repeat, axis=0)[:cycles, None, :]
    sums = np.empty((m, n), dtype=np.int64)
    rows = max(1, CHUNK // max(1, k * n))
    for start in range(0, m, rows):
        part = slice(start, start + rows)
        acts = a[part].T.reshape(cycles, spec.lanes, -1, 1)
        if a_scale is not None:
            repeat = spec.act.block // spec.lanes
            steps = np.repeat(np.asarray(a_scale)[part].T, repeat, axis=0)[:cycles]
            scales["a_scale"] = steps[:, :, None]
        sums[part] = dot_sums(spec, acts, weights, **scales)
    return sums
