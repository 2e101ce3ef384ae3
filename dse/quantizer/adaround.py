"""Learned rounding of a layer's weights."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.grid import Grid

__all__ = ["adaround"]

_Array = NDArray[np.float32]
#: Steps of Adam, their size, and the share of them before roundings are drawn to 0 or 1.
STEPS, RATE, WARM = 400, 0.08, 0.2


def adaround(weights: _Array, square: _Array, grid: Grid) -> _Array:
    """Round each weight up or down, as is learned on the layer's outputs.

    Nagel, Amjad, van Baalen, Louizos, Blankevoort: Up or Down? Adaptive Rounding for
    Post-Training Quantization (ICML 2020). The mean squared output error needs only the second
    moments of the inputs, so that each step takes all the samples.

    Parameters
    ----------
    weights : ndarray of float32, shape (groups, n, k)
        Weights.
    square : ndarray of float32, shape (groups, k, k)
        Second moments of the inputs.
    grid : Grid
        Values that are allowed, of scales (groups, n, 1) or (groups, n, k).
    """
    low, high = _neighbours(weights, grid)
    gap = np.where(high > low, high - low, 1)
    part = np.clip((weights - low) / gap, 0.01, 0.99)
    # The rectified sigmoid, stretched to -0.1 ... 1.1 and cut off, is to start at that part.
    start = (part + 0.1) / 1.2
    logit = np.log(start / (1 - start)).astype(np.float32)
    # Rows are independent, and their errors of very different size.
    error = (grid.round(weights) - weights) @ square
    size = np.einsum("gnk,gnk->gn", error, grid.round(weights) - weights)
    weight = (1 / np.maximum(size, 1e-30))[..., None] * weights.shape[-1]
    first, second = np.zeros_like(logit), np.zeros_like(logit)
    for step in range(STEPS):
        sigmoid = 1 / (1 + np.exp(-logit))
        soft = np.clip(1.2 * sigmoid - 0.1, 0, 1)
        inside = (soft > 0) & (soft < 1)
        slope = 2 * weight * ((low + soft * (high - low) - weights) @ square) * (high - low)
        progress = step / STEPS
        if progress > WARM:
            # Drawn to 0 and 1, first those that are close and then all.
            power = 2 + 18 * 0.5 * (1 + np.cos(np.pi * (progress - WARM) / (1 - WARM)))
            away = 2 * soft - 1
            slope -= 2 * power * np.sign(away) * np.abs(away) ** (power - 1)
        slope *= 1.2 * sigmoid * (1 - sigmoid) * inside
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        moment = first / (1 - 0.9 ** (step + 1))
        logit -= RATE * moment / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
    up = 1.2 / (1 + np.exp(-logit)) - 0.1 >= 0.5
    return np.where(up, high, low).astype(np.float32)


def _neighbours(weights: _Array, grid: Grid) -> tuple[_Array, _Array]:
    """Values of the grid below and above each weight; at the ends both are the end."""
    scale = np.broadcast_to(grid.scale, weights.shape)
    levels = grid.format.levels()
    above = np.searchsorted(levels, weights / scale).clip(0, len(levels) - 1)
    below = np.where(levels[above] > weights / scale, above - 1, above).clip(0)
    return (levels[below] * scale).astype(np.float32), (levels[above] * scale).astype(np.float32)
