"""Vectorised twin of the shift-add unit's golden model, for whole layers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.sim.golden.matmul import wrapping_matmul

__all__ = ["group_sums", "group_totals"]


def group_sums(spec: Any, a: ArrayLike, w: ArrayLike) -> NDArray[np.int64]:
    """Accumulators at the end of each group.

    Parameters
    ----------
    spec : ShiftAddMacSpec
        Formats and group; the last group may be shorter.
    a : array_like of int, shape (m, k)
        Activation codes.
    w : array_like of int, shape (k, n)
        Weight codes.

    Returns
    -------
    ndarray of int64, shape (groups, m, n)
        Accumulators as unsigned code words; -1 where the unit sets `invalid`.
    """
    acts, weights = _values(spec, a, w)
    ends = []
    for part in _groups(spec, acts.shape[1]):
        good = np.isfinite(acts[:, part]).all(axis=1, keepdims=True)
        sums = wrapping_matmul(_whole(acts[:, part]), weights[part])
        ends.append(np.where(good, sums & ((1 << spec.acc.width) - 1), -1))
    return np.stack(ends)


def group_totals(
    spec: Any, a: ArrayLike, w: ArrayLike, *, scale: ArrayLike, zero: ArrayLike = 0
) -> NDArray[np.int64]:
    """Sums of all groups, each with its zero point and scale.

    Parameters
    ----------
    spec, a, w
        See :func:`group_sums`.
    scale, zero : array_like of int, shape (groups, n)
        Codes of the scale and the zero point of each group; or what broadcasts to it.

    Returns
    -------
    ndarray of int64, shape (m, n)
        Totals as unsigned code words; -1 where the unit sets `total_invalid`.

    Raises
    ------
    ValueError
        If the total has more than 63 bits.
    """
    if spec.total.width > 63:
        raise RefusedInput(f"Total must have at most 63 bits, not {spec.total.width}")
    acts, weights = _values(spec, a, w)
    parts = _groups(spec, acts.shape[1])
    shape = (len(parts), weights.shape[1])
    scales = np.broadcast_to(np.asarray(scale, dtype=np.int64), shape)
    zeros = np.zeros(shape, dtype=np.int64)
    if spec.zero is not None:
        codes = np.broadcast_to(np.asarray(zero, dtype=np.int64), shape)
        zeros = spec.zero.decode(codes).astype(np.int64)
    total = np.zeros((len(acts), shape[1]), dtype=np.int64)
    for part, factor, origin in zip(parts, scales, zeros, strict=True):
        total += wrapping_matmul(_whole(acts[:, part]), (weights[part] - origin) * factor)
    good = np.isfinite(acts).all(axis=1, keepdims=True)
    return np.where(good, total & ((1 << spec.total.width) - 1), -1)


def _values(spec: Any, a: ArrayLike, w: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Activations in units of ``2**acc_exponent``, and weights."""
    acts = spec.act.decode(np.asarray(a, dtype=np.int64)) * 2.0**-spec.acc_exponent
    return acts, spec.weight.decode(np.asarray(w, dtype=np.int64)).astype(np.int64)


def _whole(acts: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isfinite(acts), acts, 0).astype(np.int64)


def _groups(spec: Any, k: int) -> list[slice]:
    return [slice(start, start + spec.group) for start in range(0, k, spec.group)]
