"""Cycles of the temporal machine: one array of R by C PEs that works on one pass after another.

This docstring specifies the model and the hardware (`macwright.hw.accelerator.temporal`) alike;
machines are simulated against it, to the cycle.

Words
    A word of the activation memory holds C channels of one position; a tensor of n channels has
    ⌈n/C⌉ words a position. The memory reads and writes one word a cycle.

Pass
    A layer is one pass for each tensor that it gives. A pass makes, for each word of output
    channels (`words` of them, outermost loop), all positions, tile by tile, at most R positions in
    a tile. Row r of the array makes position r of the tile, column c channel c of the word. Weights
    and control enter at row 0 and move down one row a cycle.

Steps
    All products of a tile come in steps, the same list for every tile. Each cycle of a step one
    word is on the bus. v is the number of positions of the tile, n the taps of the step.

    dense
        Row r takes the word that comes in its cycle r, and uses its channels one after the other,
        n <= C of them: a step is one tap of the kernel by one word of input channels, and takes
        ``max(v, n, 2)`` cycles. Tiles are consecutive positions in raster order, across rows.
    connected
        A dense layer of one position: row r of a tile makes word r of up to R words of output
        channels, with weights of its own, and takes the same words of the input as the others: a
        step takes ``max(v, n, 2)`` cycles for v words.
    depthwise
        Each column uses its own channel of the word on the bus; a pixel that is tap 0 of row r is
        tap 1 of row r - 1: n taps of v neighbouring positions take ``max(v + n - 1, 2)`` cycles. A
        kernel row is one step for each of `stride` phases, as taps of a phase are neighbours. A
        tile stays within a row of the output; of a layer of 1 by 1 taps all positions are one row.
    largest
        Max pooling: as depthwise with v = 1, each word of a window once, beside the array.

    A tile takes no fewer cycles than the tile before had rows, as their sums leave meanwhile.
    A residual addition is depthwise, one tap for each operand; an operand with more bits than the
    PEs take (10 for 8) comes as two steps, its upper and its lower bits. Average pooling is a
    depthwise kernel of ones, doubled in the same way. Input of few channels that only one dense
    layer reads is written as words of the columns of its windows (``in_channels * kernel width <=
    C``): then a kernel row is one step, or several of them are, where a word has room for them and
    that takes fewer cycles.

    Units may use `split` weights in a cycle, 2 or 4, of a half or a quarter of the bits. A dense
    layer whose weights fit takes channels i, i + C / split and so on of a word together, where C is
    a multiple of it: at most C / split taps a step.

Time of a pass
    ``issue = words * sum over tiles of sum over steps``; finished sums leave each row in the cycle
    in which the next tile begins there, or after the last step for the last tile. The next pass
    begins when all results are in the memory: ``overhead = v of the last tile + 11 + stages of the
    unit``, and 6 after maxima. Passes follow each other without further cycles.

Frame
    Words of the input come in one a cycle (`intake_cycles`), then the passes, then the results, one
    channel a cycle: see `frame_cycles`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from macwright.costmodel.system.temporal_passes import Pass, check_count
from macwright.hw.accelerator.temporal.program import (
    FRAME_OVERHEAD,
    LARGEST_OVERHEAD,
    LEAST_STEP,
    OVERHEAD,
)

__all__ = ["PassCycles", "frame_cycles", "intake_cycles", "pass_cycles"]


@dataclass(frozen=True, kw_only=True)
class PassCycles:
    """Cycles of a pass.

    Parameters
    ----------
    issue : int
        Cycles of steps.
    overhead : int
        Cycles from the last step until the next pass begins.
    weights : int
        Words of C weights that the pass keeps in the memory.
    """

    issue: int
    overhead: int
    weights: int

    @property
    def total(self) -> int:
        """Cycles of the pass."""
        return self.issue + self.overhead


def pass_cycles(layer: Pass, rows: int, *, stages: int = 0) -> PassCycles:
    """Cycles of a pass on an array of so many rows, as the module says.

    Parameters
    ----------
    layer : Pass
        The pass.
    rows : int
        R.
    stages : int
        Register stages of the unit before its accumulator.

    Examples
    --------
    >>> from macwright.costmodel.system.temporal_passes import dense
    >>> pointwise = dense(height=7, width=7, in_channels=64, out_channels=96, columns=16)
    >>> pass_cycles(pointwise, 16)
    PassCycles(issue=1536, overhead=12, weights=384)
    """
    check_count("Array rows", rows)
    connected = layer.mode == "dense" and layer.height * layer.width == 1
    if layer.mode == "largest":
        tiles = {1: layer.height * layer.width}
        last = 1
    elif connected:
        tiles, last = _cut(layer.words, rows)
    elif layer.mode == "dense":
        tiles, last = _cut(layer.height * layer.width, rows)
    else:
        tiles, last = _cut(layer.width, rows)
        tiles = {valid: count * layer.height for valid, count in tiles.items()}
    issue = (1 if connected else layer.words) * sum(
        count
        * max(
            # Sums of the tile before leave meanwhile; only whole tiles have more than this one.
            rows if rows in tiles and valid < rows else 0,
            sum(_length(layer.mode, valid, taps) for taps in layer.taps),
        )
        for valid, count in tiles.items()
    )
    weights = 0 if layer.mode == "largest" else layer.words * sum(layer.taps)
    overhead = LARGEST_OVERHEAD if layer.mode == "largest" else last + OVERHEAD + stages
    return PassCycles(issue=issue, overhead=overhead, weights=weights)


def frame_cycles(passes: Iterable[PassCycles], *, inputs: int, results: int) -> int:
    """Cycles between frames that follow each other without stalls.

    Parameters
    ----------
    passes : iterable of PassCycles
        All passes of the network.
    inputs, results : int
        Cycles of the input, and channels that go out.
    """
    return inputs + sum(cycles.total for cycles in passes) + results + FRAME_OVERHEAD


def intake_cycles(
    *,
    height: int,
    width: int,
    words: int = 1,
    kernel: int = 1,
    before: int = 0,
    positions: int = 1,
    stride: int = 1,
    below: int = 0,
) -> int:
    """Cycles in which a frame comes in.

    Parameters
    ----------
    height, width, words : int
        Rows and columns of the input, and words of the stream at each.
    kernel, before, positions, stride : int
        Of joined input: columns of a kernel, columns of padding before, columns of the output, and
        columns between them. Columns of padding after it take a cycle each.
    below : int
        Rows of padding after the input that are written: where windows reach it, but for those that
        have words of nothing else.
    """
    for name, value in (("height", height), ("width", width), ("words", words)):
        check_count(f"Input {name}", value)
    last = (positions - 1) * stride + kernel - before
    return (height * words + below) * max(width, last)


def _length(mode: str, valid: int, taps: int) -> int:
    """Cycles of a step."""
    return max(LEAST_STEP, max(valid, taps) if mode == "dense" else valid + taps - 1)


def _cut(positions: int, rows: int) -> tuple[dict[int, int], int]:
    """How many tiles of each number of positions, and that of the last tile."""
    whole, rest = divmod(positions, rows)
    tiles = ({rows: whole} if whole else {}) | ({rest: 1} if rest else {})
    return tiles, rest or rows
