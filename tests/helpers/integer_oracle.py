"""Integer networks in plain Python: no NumPy arithmetic, no code of the package's own model."""

import itertools
from fractions import Fraction

from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Gemm,
    MaxPool,
    Network,
    Pad,
    Reshape,
    Slice,
    Table,
    Transpose,
)
from macwright.hw.formats import BinaryFormat, FloatFormat, PotFormat, TernaryFormat

Tensor = dict[tuple[int, ...], int]


def positions(shape):
    return itertools.product(*map(range, shape))


def level_of_code(fmt, code: int) -> int:
    """Level of a code word, from the definition of the format."""
    if isinstance(fmt, BinaryFormat):
        return 2 * code - 1
    if isinstance(fmt, PotFormat):
        field = code % (1 << (fmt.width - 1))
        size = 1 << (field - 1) if field else 0
        return -size if code >> (fmt.width - 1) else size
    if isinstance(fmt, FloatFormat):
        assert fmt.specials == "none"
        field, trailing = (
            code >> fmt.man_bits & ((1 << fmt.exp_bits) - 1),
            code % (1 << fmt.man_bits),
        )
        size = (trailing + (1 << fmt.man_bits)) << (field - 1) if field else trailing
        return -size if code >> (fmt.width - 1) else size
    if isinstance(fmt, TernaryFormat) or fmt.signed:
        return code - (1 << fmt.width) if code >> (fmt.width - 1) else code
    return code


def nearest(fmt, number: Fraction) -> int:
    """Nearest level; halfway the even code word."""
    if isinstance(fmt, BinaryFormat):
        return 1 if number >= 0 else -1
    if not isinstance(fmt, FloatFormat):
        return round(number)
    codes = range(1 << (fmt.width - 1))
    best = min(codes, key=lambda code: (abs(abs(number) - level_of_code(fmt, code)), code % 2))
    return level_of_code(fmt, best) * (-1 if number < 0 else 1)


def requantise(t: int, output, channel: int, edge) -> int:
    multiplier = [int(value) for value in output.multiplier]
    factor = multiplier[channel if len(multiplier) > 1 else 0]
    level = nearest(edge.format, Fraction(t * factor, 1 << output.shift) + edge.zero)
    return min(max(level, output.low), output.high)


def window(node, kernel, at, shape):
    """Index that each tap reads, None outside the input."""
    dilations = getattr(node, "dilations", (1,) * len(kernel))
    for tap in positions(kernel):
        index = tuple(
            a * stride - pad[0] + i * dilation
            for a, stride, pad, i, dilation in zip(
                at, node.strides, node.pads, tap, dilations, strict=True
            )
        )
        inside = all(0 <= i < n for i, n in zip(index, shape[1:], strict=True))
        yield tap, index if inside else None


def run(network: Network, levels) -> dict[str, Tensor]:
    """Levels of all edges for one sample, given as a nested sequence."""
    source = network.edge(network.input)
    values: dict[str, Tensor] = {network.input: {}}
    for index in positions(source.shape):
        item = levels
        for i in index:
            item = item[i]
        values[network.input][index] = int(item)
    for node in network.nodes:
        for name, tensor in results(network, node, values):
            values[name] = tensor
    return values


def results(network, node, values):
    inputs = [values[name] for name in node.inputs]
    sources = [network.edge(name) for name in node.inputs]
    for number, name in enumerate(node.produced):
        edge = network.edge(name)
        tensor = {}
        for index in positions(edge.shape):
            if isinstance(node, (Conv, Gemm, Add, AveragePool)):
                t = total(node, inputs, sources, index)
                tensor[index] = requantise(t, node.outputs[number], index[0], edge)
            elif isinstance(node, Table):
                rows = node.outputs[number].codes.tolist()
                row = rows[index[0] if len(rows) > 1 else 0]
                code = row[inputs[0][index] % (1 << sources[0].format.width)]
                tensor[index] = level_of_code(edge.format, code)
            else:
                tensor[index] = moved(node, inputs, sources, index)
        yield (
            name,
            tensor
            if not isinstance(node, Reshape)
            else dict(zip(positions(edge.shape), inputs[0].values(), strict=True)),
        )


def total(node, inputs, sources, index) -> int:
    if isinstance(node, Add):
        return inputs[0][index] + inputs[1][index]
    if isinstance(node, AveragePool):
        taps = window(node, node.kernel, index[1:], sources[0].shape)
        return sum(inputs[0][(index[0], *at)] for _, at in taps if at is not None)
    weights = node.weights.tolist()
    channel = index[0]
    unit = 2**node.fraction
    t = int(node.bias[channel])
    if isinstance(node, Gemm):
        row = weights[channel]
        return t + unit * sum(
            level_of_code(node.weight_format, row[k]) * inputs[0][(k,)] for k in range(len(row))
        )
    out, each, *kernel = node.weights.shape
    first = channel // (out // node.groups) * each
    for tap, at in window(node, kernel, index[1:], sources[0].shape):
        for k in range(each):
            code = weights[channel][k]
            for i in tap:
                code = code[i]
            level = sources[0].zero if at is None else inputs[0][(first + k, *at)]
            t += unit * level_of_code(node.weight_format, code) * level
    return t


def moved(node, inputs, sources, index) -> int:
    if isinstance(node, MaxPool):
        taps = window(node, node.kernel, index[1:], sources[0].shape)
        return max(inputs[0][(index[0], *at)] for _, at in taps if at is not None)
    if isinstance(node, Concat):
        at = list(index)
        for tensor, source in zip(inputs, sources, strict=True):
            if at[node.axis] < source.shape[node.axis]:
                return tensor[tuple(at)]
            at[node.axis] -= source.shape[node.axis]
    if isinstance(node, Pad):
        return inputs[0].get(
            tuple(i - pad[0] for i, pad in zip(index, node.pads, strict=True)), node.level
        )
    if isinstance(node, Slice):
        return inputs[0][
            tuple(s + i * step for s, i, step in zip(node.starts, index, node.steps, strict=True))
        ]
    if isinstance(node, Transpose):
        at = [0] * len(index)
        for axis, i in zip(node.order, index, strict=True):
            at[axis] = i
        return inputs[0][tuple(at)]
    assert isinstance(node, Reshape)
    return 0
