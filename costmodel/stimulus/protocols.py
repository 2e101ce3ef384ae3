"""Operand streams of units whose further inputs follow a protocol: groups, block scales."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.stimulus.named import named_streams
from macwright.hw.formats import BlockFormat, Format

__all__ = ["protocol_streams", "with_sums"]

Streams = dict[str, NDArray[Any]]

#: Groups of weights that are summed before a new total starts.
GROUPS = 4
#: Octaves around one within which scales of blocks lie.
OCTAVES = 2.0


def protocol_streams(spec: Any, stimulus: str, inputs: set[str]) -> Streams | None:
    """Operands of a named distribution, with the other inputs as the unit's protocol wants them.

    - ``take, start, scale, zero`` (`shift_add_mac` with groups): every lane begins at a random
      place of a group; scale and zero point are drawn uniformly for each group, and a total has
      four groups.
    - ``a_scale, w_scale`` (`dot` of block formats): drawn for each block (of each sum that takes
      turns) within two octaves of one; every 32 cycles a new sum begins, or as many as take turns.
    - ``first`` (`dot` with groups): 1 in every `groups`-th cycle; scales are those of the group
      that ends a sum.

    Parameters
    ----------
    spec : unit spec
        The unit.
    stimulus : str
        One of `macwright.costmodel.stimulus.named.STIMULI`.
    inputs : set of str
        Names of the unit's input ports.

    Returns
    -------
    dict of str to ndarray, shape (cycles, lanes)
        None for inputs of another kind, such as those of a requantiser.
    """
    if "take" in inputs:
        return _groups(spec, stimulus, inputs)
    if inputs & {"a_scale", "w_scale", "first"}:
        return _blocks(spec, stimulus, inputs)
    return None


def _groups(spec: Any, stimulus: str, inputs: set[str]) -> Streams:
    streams: Streams = dict(named_streams(stimulus, spec.act, spec.weight))
    cycles, lanes = streams["a"].shape
    rng = np.random.default_rng(1)
    place = np.arange(cycles)[:, None] + rng.integers(spec.group, size=lanes)
    number = place // spec.group
    first = (place % spec.group == 0).astype(np.int64)
    streams |= {"clear": first, "take": first}
    streams["start"] = first & (number % GROUPS == 0).astype(np.int64)
    for name in sorted(inputs & {"scale", "zero"}):
        codes = rng.integers(1 << getattr(spec, name).width, size=(int(number.max()) + 1, lanes))
        streams[name] = np.take_along_axis(codes, number, axis=0)
    return streams


def _blocks(spec: Any, stimulus: str, inputs: set[str]) -> Streams:
    count = int(spec.macs_per_cycle)
    act, weight = _element(spec.act), _element(spec.weight)
    streams: Streams = dict(named_streams(stimulus, act, weight, elements=(count, count)))
    cycles, lanes = streams["a"].shape
    rng = np.random.default_rng(1)
    turn, cycle = getattr(spec, "turns", 1), np.arange(cycles)
    if "first" in inputs:
        first = (cycle % turn == 0).astype(np.int64)
        streams["first"] = np.repeat(first[:, None], lanes, axis=1)
    for name, fmt in (("a_scale", spec.act), ("w_scale", spec.weight)):
        if name in inputs:
            number = cycle // (max(1, fmt.block // count) * turn) * turn + cycle % turn
            drawn = 2.0 ** rng.uniform(-OCTAVES, OCTAVES, size=(int(number.max()) + 1, lanes))
            streams[name] = fmt.scale.encode(drawn)[number]
    return with_sums(spec, streams)


def with_sums(spec: Any, streams: Streams) -> Streams:
    """The streams with `clear` for each of the sums that take turns in a `dot` unit.

    Parameters
    ----------
    spec : unit spec
        The unit.
    streams : dict of str to ndarray, shape (cycles, lanes)
        With `clear` of 1 in the first cycle of a sum.
    """
    sums = getattr(spec, "turns", 1)
    if sums == 1:
        return streams
    clear = streams["clear"].copy()
    for turn in range(1, sums):
        clear[turn:] |= streams["clear"][:-turn]
    return {**streams, "clear": clear}


def _element(fmt: Format) -> Format:
    return fmt.element if isinstance(fmt, BlockFormat) else fmt
