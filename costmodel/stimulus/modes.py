"""Operand streams of units with several modes, in each of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.stimulus.named import layer_streams, named_streams, pack_elements
from macwright.hw.pe.operating_mode import OperatingMode

__all__ = ["CYCLES", "TERMS", "mode_streams"]

Streams = dict[str, NDArray[Any]]

#: Length of the streams.
CYCLES = 66
#: Cycles that a bit-serial unit stays with one digit: a dot product has so many terms in a lane.
TERMS = 4


def mode_streams(mode: OperatingMode, operands: str | LayerOperands) -> Streams:
    """Operands as the ports of a unit want them in one of its modes.

    - `composable_mac`: operands side by side, or (fusion) the digits of each at its leaves.
    - `bitplane_dot`: each activation at all planes of its weight.
    - `serial_mac`: dot products of four terms a lane, digit by digit from the top.

    Parameters
    ----------
    mode : OperatingMode
        Unit and mode.
    operands : str or LayerOperands
        One of `macwright.costmodel.stimulus.named.STIMULI`, or those of a layer, of which a lane
        takes so many that follow each other in a sum at once.

    Returns
    -------
    dict of str to ndarray, shape (cycles, lanes)
    """
    if mode.spec.family == "serial_mac":
        return _serial(mode, operands)
    acts, weights, clear = _drawn(mode, operands, CYCLES)
    if mode.spec.family == "bitplane_dot":
        acts = acts.repeat(mode.weight.width, axis=-1)
    widths = mode.act.width, mode.weight.width
    if getattr(mode.spec, "variant", "") == "fusion":
        acts, weights = _digits(mode, acts, weights)
        widths = mode.spec.leaf, mode.spec.leaf
    return {
        "a": pack_elements(acts, widths[0]),
        "w": pack_elements(weights, widths[1]),
        "clear": clear,
        "mode": np.full_like(clear, mode.number),
    }


def _drawn(
    mode: OperatingMode, operands: str | LayerOperands, cycles: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Codes of activations and weights, shape (cycles, lanes, elements), and starts of sums."""
    count, act, weight = mode.lanes, mode.act, mode.weight
    if isinstance(operands, LayerOperands):
        given, lanes = (operands.acts, operands.weights), operands.lanes
        streams = layer_streams(*given, act, weight, cycles=cycles * count, lanes=lanes)
        a, w, clear = (streams[name].reshape(cycles, count, lanes) for name in ("a", "w", "clear"))
        return a.transpose(0, 2, 1), w.transpose(0, 2, 1), clear.max(axis=1)
    drawn = named_streams(operands, act, weight, cycles=cycles, elements=(count, count))
    acts = _unpacked(drawn["a"], act.width, count)
    return acts, _unpacked(drawn["w"], weight.width, count), drawn["clear"]


def _unpacked(codes: NDArray[Any], width: int, count: int) -> NDArray[Any]:
    """Elements that are side by side in each code, along a new axis."""
    mask = (1 << width) - 1
    return np.stack([codes.astype(object) >> n * width & mask for n in range(count)], axis=-1)


def _digits(
    mode: OperatingMode, acts: NDArray[Any], weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Digits of activations and weights at the leaves (i, j), in the order of the ports."""
    leaf = mode.spec.leaf
    side = mode.spec.act.width // leaf
    of_act, of_weight = mode.act.width // leaf, mode.weight.width // leaf
    i, j = (axis.ravel() for axis in np.indices((side, side)))
    product = i // of_act * (side // of_weight) + j // of_weight
    places = ((acts, i % of_act), (weights, j % of_weight))
    first, second = (codes[..., product] >> leaf * at & (1 << leaf) - 1 for codes, at in places)
    return first, second


def _serial(mode: OperatingMode, operands: str | LayerOperands) -> Streams:
    step, digits, width = mode.spec.step, mode.passes, mode.weight.width
    whole = digits * TERMS
    acts, codes, _ = _drawn(mode, operands, -(-CYCLES // whole) * TERMS)
    cycle = np.arange(CYCLES)
    term = cycle // whole * TERMS + cycle % TERMS
    digit = cycle % whole // TERMS
    weights = codes[term].astype(object)
    weights -= (weights >> width - 1 & 1) << width
    down = ((digits - 1 - digit) * step).astype(object)[:, None, None]
    shape = weights.shape[:2]
    return {
        "a": pack_elements(acts[term], mode.act.width),
        "w": pack_elements(weights >> down & (1 << step) - 1, step),
        "clear": _columns(cycle % whole == 0, shape),
        "shift": _columns((cycle % TERMS == 0) & (digit > 0), shape),
        "sign": _columns(digit == 0, shape),
    }


def _columns(flags: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.broadcast_to(flags[:, None], shape).astype(np.int64)
