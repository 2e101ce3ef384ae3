"""Vectorised twin of the dot-product unit's golden model, for whole layers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import BlockFormat, FloatFormat
from macwright.hw.formats.scaled import FixedFormat
from macwright.sim.golden.float_sums import rounded_sums

__all__ = ["dot_sums"]


def dot_sums(
    spec: Any,
    a: ArrayLike,
    w: ArrayLike,
    *,
    a_scale: ArrayLike = 0,
    w_scale: ArrayLike = 0,
) -> NDArray[np.int64]:
    """Accumulators of many dot-product units at once, each after its last cycle.

    Every sum starts in the first cycle. Of a unit whose sums take turns, cycles are those of one;
    with groups, scales are those of the cycles that end an exact sum.

    Parameters
    ----------
    spec : DotSpec
        Formats and widths; the lanes' sum, with scales, must fit 53 bits, and so must a
        fixed-point accumulator.
    a, w : array_like of int, shape (cycles, lanes, ...)
        Code words; the dimensions behind broadcast.
    a_scale, w_scale : array_like of int, shape (cycles, ...)
        Code words of the scales of block formats.

    Returns
    -------
    ndarray of int64, shape (...)
        Accumulators as unsigned code words; -1 where the unit sets `invalid`.

    Raises
    ------
    ValueError
        If the sums do not fit, or the cycles are no whole sums of a group.
    """
    codes = np.asarray(a, dtype=np.int64), np.asarray(w, dtype=np.int64)
    values = [_values(fmt, code) for fmt, code in zip((spec.act, spec.weight), codes, strict=True)]
    _check(spec)
    with np.errstate(all="ignore"):
        products = values[0] * values[1]
        if spec.window is not None:
            products = _cut(spec, products, codes)
        terms = products.sum(axis=1) + 0.0
        if len(terms) % spec.groups:
            raise RefusedInput(
                f"Cycles must be a multiple of the {spec.groups} of a sum, not {len(terms)}"
            )
        terms = terms.reshape(-1, spec.groups, *terms.shape[1:]).sum(axis=1)
        for fmt, scale in ((spec.act, a_scale), (spec.weight, w_scale)):
            if isinstance(fmt, BlockFormat):
                ends = np.asarray(scale, dtype=np.int64)
                ends = ends[spec.groups - 1 :: spec.groups] if ends.ndim else ends
                terms = terms * fmt.scale.decode(ends) + 0.0
        if isinstance(spec.acc, FloatFormat):
            return rounded_sums(spec.acc, terms, terms.shape[1:])
        bad = ~np.isfinite(terms).all(axis=0)
        units = np.where(np.isfinite(terms), terms, 0) * 2.0**-spec.acc_exponent
        sums = units.astype(np.int64).sum(axis=0) & ((1 << spec.acc.width) - 1)
        return np.where(bad, -1, sums)


def _check(spec: Any) -> None:
    low, high = spec.product_range
    bits = (spec.macs_per_cycle * max(-low, high)).bit_length()
    if spec.window is not None:
        bits = spec.window + spec.lanes.bit_length()
    scales = [fmt.scale for fmt in spec.blocks if isinstance(fmt.scale, FloatFormat)]
    bits += sum(fmt.man_bits + 1 for fmt in scales)
    if not isinstance(spec.acc, FloatFormat):
        bits = max(bits, spec.acc.width)
    if bits > 53:
        raise RefusedInput(f"Sum of lanes must fit the 53 bits of a float64, not take {bits}")


def _values(fmt: Any, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    element = fmt.element if isinstance(fmt, BlockFormat) else fmt
    return np.asarray(element.decode(codes), dtype=np.float64)


def _cut(
    spec: Any, products: NDArray[np.float64], codes: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Products without what lies below the window of their cycle."""
    places: Any = 0
    for fmt, code in zip((spec.act, spec.weight), codes, strict=True):
        element = fmt.element if isinstance(fmt, BlockFormat) else fmt
        if isinstance(element, FloatFormat):
            field = (code >> element.man_bits) & ((1 << element.exp_bits) - 1)
            places = places + np.maximum(field, 1) - 1
        elif isinstance(element, FixedFormat):
            places = places + np.zeros_like(code)
    places = np.broadcast_to(places, products.shape)
    largest = places.max(axis=1, keepdims=True)
    unit = spec.unit_exponent + largest + spec.lane.product_bits - spec.window
    finite = np.isfinite(products)
    cut = np.ldexp(np.trunc(np.ldexp(np.where(finite, products, 0), -unit)), unit)
    return np.where(finite, cut, products)
