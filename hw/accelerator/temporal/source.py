"""How frames come into the activation memory of a temporal machine."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Conv, Network, Table
from macwright.hw.accelerator.temporal.layouts import SourceLayout
from macwright.hw.accelerator.temporal.program import LEAST_STEP
from macwright.hw.accelerator.temporal.shapes import Window, window_of
from macwright.hw.accelerator.temporal.tensors import Tensor, tensor_of
from macwright.hw.accelerator.temporal.terms import Term
from macwright.hw.errors import RefusedInput

__all__ = ["joined_term", "source_layout"]

_Ints = NDArray[np.int64]


def source_layout(
    network: Network, *, rows: int, columns: int
) -> tuple[SourceLayout, Tensor, str | None]:
    """How frames come in, the tensor that they become, and the layer whose windows are joined.

    Parameters
    ----------
    network : Network
        What is computed.
    rows, columns : int
        Of the array.

    Raises
    ------
    RefusedInput
        If there are tables that are not the one between the input and its readers.
    """
    edge = network.edge(network.input)
    table = _table(network)
    name = edge.name if table is None else table.outputs[0].edge
    channels = edge.shape[0]
    lanes = max(n for n in range(1, columns + 1) if channels % n == 0)
    tensor = tensor_of(network, name, lanes)
    layout = SourceLayout(
        edge=edge.name,
        bits=edge.format.width,
        lanes=lanes,
        words=tensor.words,
        height=tensor.height,
        width=tensor.width,
        tensor=name,
        tables=_codes(network, table, tensor),
        windows=tensor.width,
    )
    conv = _joinable(network, tensor, columns)
    if conv is None:
        return layout, tensor, None
    window, target = window_of(conv), tensor_of(network, conv.outputs[0].edge, 1)
    width = (target.width - 1) * window.stride[1] + 1
    layout = replace(
        layout,
        joined=window.kernel[1],
        before=window.pads[1][0],
        windows=width,
        pad=network.edge(name).zero - tensor.base,
    )
    layout = min(
        _stackings(layout, window, target, columns // channels),
        key=lambda stem: (
            stem.cycles + _stem_cycles(conv, window, target, stem.stacked, rows, columns)
        ),
    )
    joined, height = channels * layout.joined * layout.stacked, layout.height + layout.below
    tensor = replace(tensor, channels=joined, lanes=joined, height=height, width=width)
    return layout, tensor, conv.name


def joined_term(source: Tensor, kernel: _Ints, window: Window, stacked: int) -> tuple[Term, Window]:
    """Convolution of joined words, and what it slides over them.

    Parameters
    ----------
    source : Tensor
        Joined words.
    kernel : ndarray of int64, shape (out channels, in channels, height, width)
        Weights.
    window : Window
        Of the layer.
    stacked : int
        Rows of a word, of which the first is the lowest; in a row, channels of the first column
        come first.
    """
    height = window.kernel[0]
    steps = -(-height // stacked)
    above = steps * stacked - height
    rows = np.pad(kernel, ((0, 0), (0, 0), (above, 0), (0, 0)))
    rows = rows.reshape(*kernel.shape[:2], steps, stacked, -1)[:, :, :, ::-1]
    rows = rows.transpose(0, 3, 4, 1, 2).reshape(len(kernel), -1, steps, 1)
    first = stacked - above
    term = Term(
        tensor=source,
        kernel=rows,
        dilation=(stacked * window.dilation[0], 1),
        first=first * kernel.shape[1] * kernel.shape[3],
    )
    top, bottom = window.pads[0]
    pads = ((top - (first - 1), bottom), (0, 0))
    return term, replace(window, kernel=(steps, 1), pads=pads)


def _stackings(
    layout: SourceLayout, window: Window, target: Tensor, room: int
) -> list[SourceLayout]:
    """Layouts of joined words of one row and of more, as far as a word has room."""
    (height, width), columns = window.kernel, layout.width + layout.beyond
    # A line that is written a cycle after it was read must have another column beside.
    most = min(height, room // width) if window.dilation[0] == 1 and columns > 1 else 1
    last = (target.height - 1) * window.stride[0] + height - window.pads[0][0]
    below = max(0, last - layout.height)
    return [replace(layout, stacked=n, below=min(below, n - 1)) for n in range(1, most + 1)]


def _stem_cycles(
    conv: Conv, window: Window, target: Tensor, stacked: int, rows: int, columns: int
) -> int:
    """Cycles of all passes of the layer that reads joined words."""
    each = conv.weights.shape[1] * window.kernel[1]
    whole, rest = divmod(window.kernel[0], stacked)
    taps = [each * stacked] * whole + [each * rest] * bool(rest)
    tiles, last = divmod(target.plane, rows)
    cycles = sum(
        tiles * max(rows, n, LEAST_STEP) + bool(last) * max(last, n, LEAST_STEP) for n in taps
    )
    return len(conv.outputs) * -(-target.channels // columns) * cycles


def _table(network: Network) -> Table | None:
    """The table between the input and all else."""
    readers = network.readers[network.input]
    table = next((n for n in readers if isinstance(n, Table)), None)
    for node in network.nodes:
        if isinstance(node, Table) and node is not table:
            raise RefusedInput(
                f"Node {node.name} must look up the input to be part of a temporal machine, "
                "which has no other tables"
            )
    if table is not None and (len(readers) > 1 or len(table.outputs) > 1):
        raise RefusedInput(
            f"Input {network.input} must be read through one table with one result in a temporal "
            "machine"
        )
    return table


def _joinable(network: Network, tensor: Tensor, columns: int) -> Conv | None:
    """The one layer that reads the input, if all columns of its kernel fit a word."""
    readers = network.readers[tensor.name]
    conv = readers[0] if readers else None
    if len(readers) > 1 or not isinstance(conv, Conv) or conv.groups > 1:
        return None
    window = window_of(conv)
    fits = 1 < window.kernel[1] and window.kernel[1] * tensor.channels <= columns
    usual = window.dilation[1] == 1 and window.pads[1][0] < window.kernel[1]
    return conv if fits and usual else None


def _codes(network: Network, table: Table | None, tensor: Tensor) -> Any:
    """Code in memory for each code that comes, for each lane."""
    edge = network.edge(network.input)
    codes = np.arange(1 << edge.format.width)[None]
    levels = edge.format.decode(codes) / edge.level_unit
    if table is not None:
        given = table.outputs[0].codes
        if len(given) > 1 and tensor.words > 1:
            raise RefusedInput(
                f"Node {table.name} must have one table for all channels, as they do not fit a "
                f"word of a temporal machine of {tensor.lanes} lanes"
            )
        levels = network.edge(tensor.name).levels(given)
    tables = np.broadcast_to(np.asarray(levels, np.int64) - tensor.base, (tensor.lanes, codes.size))
    # Codes that the format has, and the input never: ternary has four.
    return np.clip(tables, 0, (1 << tensor.bits) - 1)
