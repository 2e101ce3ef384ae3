"""Operand streams: named distributions, and those of a layer's own tensors.

A stream is an array of unsigned codes, shape (n_cycles, n_lanes); lanes are independent runs of
the unit. `STIMULI` lists the names.
"""

from collections.abc import Callable, Mapping
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import Format

__all__ = ["STIMULI", "filling_sigmas", "layer_streams", "named_streams", "pack_elements"]

#: Standard deviations that fill a format at most: of normal operands, and of Laplace ones, whose
#: tails are longer.
NORMAL_SIGMAS = 3.5
LAPLACE_SIGMAS = 5.0
#: Part of the operands that are zero in the stimulus `sparse`, weights and activations alike.
SPARSITY = 0.5
#: Cycles for which `weight_stationary` keeps a weight.
REUSE = 16

_Draw = Callable[[np.random.Generator, tuple[int, ...], Format], NDArray[np.float64]]


@cache
def filling_sigmas(fmt: Format, distribution: str = "normal") -> float:
    """Standard deviations of a distribution that the largest value of a format stands for.

    As a quantiser would scale it, with the least squared error, but at most 3.5 (normal) or 5
    (Laplace): in a format of few bits, fewer.

    Parameters
    ----------
    fmt : Format
        Format of the operands.
    distribution : {"normal", "laplace"}
        Of zero mean.
    """
    parts = (np.arange(2048) + 0.5) / 2048
    if distribution == "normal":
        most, values = NORMAL_SIGMAS, np.array([NormalDist().inv_cdf(part) for part in parts])
    else:
        side = np.log1p(-np.abs(2 * parts - 1)) / np.sqrt(2)
        most, values = LAPLACE_SIGMAS, np.copysign(side, parts - 0.5)
    tried = np.linspace(0.5, most, 61)
    steps = tried[:, None] / _top(fmt)
    errors = ((fmt.quantize(values / steps) * steps - values) ** 2).mean(axis=1)
    # The largest of those that are as good as the best.
    return float(tried[errors <= 1.001 * errors.min()][-1])


def _top(fmt: Format) -> float:
    """Largest value, or the most negative one of int1, which has no positive value."""
    return fmt.max or -fmt.min


def _gauss(rng: np.random.Generator, shape: tuple[int, ...], fmt: Format) -> NDArray[np.float64]:
    return rng.normal(size=shape) * _top(fmt) / filling_sigmas(fmt)


def _relu_gauss(
    rng: np.random.Generator, shape: tuple[int, ...], fmt: Format
) -> NDArray[np.float64]:
    return np.maximum(_gauss(rng, shape, fmt), 0.0)


def _laplace(rng: np.random.Generator, shape: tuple[int, ...], fmt: Format) -> NDArray[np.float64]:
    sigma = _top(fmt) / filling_sigmas(fmt, "laplace")
    return rng.laplace(scale=np.sqrt(0.5), size=shape) * sigma


def _sparse(rng: np.random.Generator, shape: tuple[int, ...], fmt: Format) -> NDArray[np.float64]:
    values = _gauss(rng, shape, fmt)
    return np.where(rng.random(shape) < SPARSITY, 0.0, values)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], fmt: Format) -> NDArray[np.float64]:
    levels = fmt.levels()
    return levels[rng.integers(len(levels), size=shape)]


#: Draws of activation and weight of each stimulus.
_DRAWS: Mapping[str, tuple[_Draw, _Draw]] = {
    "uniform": (_uniform, _uniform),
    "gauss": (_gauss, _gauss),
    "relu_gauss": (_relu_gauss, _gauss),
    "laplace": (_laplace, _laplace),
    "sparse": (_sparse, _sparse),
    "weight_stationary": (_relu_gauss, _gauss),
    "output_stationary": (_relu_gauss, _gauss),
}
#: Names that `named_streams` takes.
STIMULI = tuple(_DRAWS)


def named_streams(
    stimulus: str,
    act: Format,
    weight: Format,
    *,
    cycles: int = 66,
    lanes: int = 48,
    clear_every: int = 32,
    elements: tuple[int, int] = (1, 1),
    seed: int = 0,
) -> dict[str, NDArray[np.int64] | NDArray[np.object_]]:
    """Draw operands of a named distribution.

    - `uniform`: every finite value of the format alike.
    - `gauss`: normal, as many standard deviations fill the format as make the squared error least
      (`filling_sigmas`), at most 3.5; beyond saturates.
    - `relu_gauss`: the same, activations below zero are zero.
    - `laplace`: likewise, at most 5.
    - `sparse`: `gauss` with every second operand zero, at random.
    - `weight_stationary`: `relu_gauss`, but a weight is kept for 16 cycles and the sum is cleared
      when it changes.
    - `output_stationary`: `relu_gauss`, both operands new in every cycle, as in a dot product.

    Operands are drawn anew in every cycle and lane, unless said otherwise. Unsigned formats
    saturate negative values to zero.

    Parameters
    ----------
    stimulus : str
        One of `STIMULI`.
    act, weight : Format
        Formats of the operands.
    cycles, lanes : int
        Shape of the streams.
    clear_every : int
        Cycles between two sums; `clear` is 1 in the first of each.
    elements : tuple of int, default=(1, 1)
        Operands side by side in the ports `a` and `w` (dot products), least significant first.
    seed : int
        Of the random numbers.

    Returns
    -------
    dict of str to ndarray, shape (cycles, lanes)
        Ports `a`, `w`, `clear`.

    Raises
    ------
    ValueError
        If there is no such stimulus, or a number is below 1.
    """
    if stimulus not in _DRAWS:
        raise RefusedInput(f"Stimulus must be one of {', '.join(STIMULI)}, not {stimulus!r}")
    for name, number in (
        ("Cycles", cycles),
        ("Lanes", lanes),
        ("Clear interval", clear_every),
        ("Elements", min(elements)),
    ):
        if number < 1:
            raise RefusedInput(f"{name} must be at least 1, not {number!r}")
    rng = np.random.default_rng(seed)
    draw_act, draw_weight = _DRAWS[stimulus]
    n_acts, n_weights = elements
    acts = act.encode(draw_act(rng, (cycles, lanes, n_acts), act))
    if stimulus == "weight_stationary":
        clear_every = REUSE
        drawn = weight.encode(draw_weight(rng, (-(-cycles // REUSE), lanes, n_weights), weight))
        weights = np.repeat(drawn, REUSE, axis=0)[:cycles]
    else:
        weights = weight.encode(draw_weight(rng, (cycles, lanes, n_weights), weight))
    return {
        "a": pack_elements(acts, act.width),
        "w": pack_elements(weights, weight.width),
        "clear": _clear(cycles, lanes, clear_every),
    }


def layer_streams(
    acts: NDArray[np.int64],
    weights: NDArray[np.int64],
    act: Format,
    weight: Format,
    *,
    order: str = "output_stationary",
    cycles: int = 66,
    lanes: int = 48,
    seed: int = 0,
) -> dict[str, NDArray[np.int64]]:
    """Operand streams of a layer's own codes in dataflow order.

    Parameters
    ----------
    acts : ndarray of int64, shape (m, k)
        Codes of the activations of the layer's matrix product.
    weights : ndarray of int64, shape (k, n)
        Codes of the weights.
    act, weight : Format
        Formats of the operands.
    order : {"output_stationary", "weight_stationary"}
        Output stationary: a lane is an output, walks along k and clears at the start of each dot
        product. Weight stationary: a lane keeps one weight, walks along m, and clears at the
        start of each weight.
    cycles, lanes : int
        Shape of the streams; lanes start at outputs (or weights) drawn at random, and go on with
        further ones when theirs end.
    seed : int
        Of the random numbers.

    Returns
    -------
    dict of str to ndarray of int64, shape (cycles, lanes)
        Ports `a`, `w`, `clear`.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, a code does not fit its format, or there is no such
        order.
    """
    if acts.ndim != 2 or weights.ndim != 2 or acts.shape[1] != weights.shape[0]:
        raise RefusedInput(
            f"Activations and weights must have the shapes (m, k) and (k, n), "
            f"not {acts.shape} and {weights.shape}"
        )
    for name, codes, fmt in (("Activation", acts, act), ("Weight", weights, weight)):
        if codes.size == 0 or codes.min() < 0 or int(codes.max()) >> fmt.width:
            raise RefusedInput(
                f"{name} codes must be unsigned, fit {fmt.width} bits and not be none"
            )
    (m, k), n = acts.shape, weights.shape[1]
    if order == "output_stationary":
        length, first, second = k, m, n
    elif order == "weight_stationary":
        length, first, second = m, k, n
    else:
        raise RefusedInput(
            f"Order must be 'output_stationary' or 'weight_stationary', not {order!r}"
        )
    rng = np.random.default_rng(seed)
    # A lane starts anywhere in a walk, so that short streams see every part of long ones.
    start = rng.integers(length, size=lanes)
    step = np.arange(cycles)[:, None] + start
    walk, place = step // length, step % length
    walks = walk[-1].max() + 1
    index = np.take_along_axis(rng.integers(first, size=(walks, lanes)), walk, axis=0)
    two = np.take_along_axis(rng.integers(second, size=(walks, lanes)), walk, axis=0)
    clear = place == 0
    clear[0] = True
    if order == "output_stationary":
        a, w = acts[index, place], weights[place, two]
    else:
        a, w = acts[place, index], weights[index, two]
    return {"a": a, "w": w, "clear": clear.astype(np.int64)}


def pack_elements(codes: NDArray[np.int64], width: int) -> NDArray[np.int64] | NDArray[np.object_]:
    """Put the codes of the last axis side by side, the first one least significant.

    Parameters
    ----------
    codes : ndarray of int64, shape (..., n_elements)
        ``0 <= code < 2**width``.
    width : int
        Bits of a code.

    Returns
    -------
    ndarray, shape (...)
        int64, or Python integers where they need more than 62 bits.

    Examples
    --------
    >>> pack_elements(np.array([[1, 2]]), 4)
    array([33])
    """
    n_elements = codes.shape[-1]
    kind = np.int64 if n_elements * width <= 62 else object
    packed = np.zeros(codes.shape[:-1], dtype=kind)
    for index in range(n_elements):
        packed = packed | (codes[..., index].astype(kind) << (index * width))
    return packed


def _clear(cycles: int, lanes: int, every: int) -> NDArray[np.int64]:
    """1 in the first cycle of each sum."""
    pulse = (np.arange(cycles) % every == 0).astype(np.int64)
    return np.repeat(pulse[:, None], lanes, axis=1)
