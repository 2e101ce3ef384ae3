# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false
"""Machines in Amaranth's simulator, and a network with a bit of everything."""

import random
from dataclasses import dataclass, field

import numpy as np
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]

from macwright.hw.accelerator.machine import Machine, MachineSpec
from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Conv,
    Edge,
    Gemm,
    MaxPool,
    Network,
    Requant,
    Reshape,
    levels_of,
)
from macwright.hw.formats import parse_format
from macwright.sim.accelerator.golden import to_words
from macwright.sim.accelerator.integer_network import IntegerModel

#: Cycles without a word after which a machine hangs.
PATIENCE = 5000


@dataclass
class Seen:
    """Words that came out, and the cycles in which words went in and came out."""

    words: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)


def run_machine(spec: MachineSpec, words, count, **chances) -> Seen:
    """Give a machine words, as often as chance has it, until `count` have come out."""
    return run_streams(Machine(spec), words, count, **chances)


def run_streams(machine, words, count, *, offer=1.0, accept=1.0, seed=0, look=None) -> Seen:
    """Give a component with AXI4-Stream ends words, and perhaps look at it in each cycle."""
    seen, chance = Seen(), random.Random(seed)

    async def bench(ctx):
        cycle = offered = idle = 0
        while len(seen.words) < count:
            if not offered:
                offered = len(seen.taken) < len(words) and chance.random() < offer
            ctx.set(machine.s_axis_tvalid, int(offered))
            if offered:
                ctx.set(machine.s_axis_tdata, words[len(seen.taken)])
            ready = chance.random() < accept
            ctx.set(machine.m_axis_tready, ready)
            idle += 1
            if offered and ctx.get(machine.s_axis_tready):
                seen.taken.append(cycle)
                offered = idle = 0
            if ready and ctx.get(machine.m_axis_tvalid):
                if ctx.get(machine.m_axis_tlast):
                    seen.lasts.append(len(seen.words))
                seen.words.append(ctx.get(machine.m_axis_tdata))
                seen.given.append(cycle)
                idle = 0
            assert idle < PATIENCE, f"hangs in cycle {cycle} after {len(seen.words)} words"
            if look:
                look(ctx)
            await ctx.tick()
            cycle += 1

    simulator = Simulator(machine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def frames_of(network: Network, spec: MachineSpec, count: int, seed: int):
    """Words of random frames, and those of their results as the integer network has them."""
    source, result = network.edge(network.input), network.edge(network.output)
    rng = np.random.default_rng(seed)
    levels = source.levels(
        source.codes(rng.integers(source.low, source.high + 1, (count, *source.shape)))
    )
    results = IntegerModel(network).run(levels)
    codes = np.moveaxis(source.codes(levels), 1, -1), np.moveaxis(result.codes(results), 1, -1)
    return (
        to_words(codes[0], lanes=spec.words.lanes, bits=spec.words.bits),
        to_words(codes[1], lanes=spec.fifo.read_lanes, bits=spec.fifo.bits),
    )


def small_network(seed: int = 0, *, weights: str | None = None, output: str = "y") -> Network:
    """3x3 convolution, residual addition, depthwise, pools, fully connected layer.

    With a format of all weights, or up to another edge, if wanted.
    """
    rng = np.random.default_rng(seed)
    edges, nodes = [], []

    def edge(name, fmt, *shape):
        edges.append(Edge(name=name, format=parse_format(fmt), scale=1.0, zero=0, shape=shape))
        return edges[-1]

    def requant(target, top, channels):
        shift = max(0, int(np.log2(600 * max(1, top) / max(1, target.high))))
        scales = rng.integers(300, 1000, channels)
        return Requant(
            edge=target.name, multiplier=scales, shift=shift, low=target.low, high=target.high
        )

    def conv(name, source, targets, *, kernel, groups=1, stride=1, pad=0, fmt="int4"):
        out, per_group = targets[0].shape[0], source.shape[0] // groups
        weight = parse_format(weights or fmt)
        values = rng.uniform(weight.min, weight.max, (out, per_group, *kernel))
        codes = weight.encode(values)
        largest = int(np.abs(levels_of(weight, codes)).max())
        top = max(1, int(np.sqrt(np.prod(codes.shape[1:])) * source.high * largest / 4))
        fraction = int(groups > 1)
        top <<= fraction
        node = Conv(
            name=name, input=source.name, weight_format=weight, weights=codes, groups=groups,
            bias=rng.integers(-top, top, out), strides=(stride,) * 2, dilations=(1, 1),
            pads=((pad, pad),) * 2, outputs=tuple(requant(t, top, out) for t in targets),
            fraction=fraction,
        )  # fmt: skip
        nodes.append(node)

    x = edge("x", "int4", 2, 7, 6)
    a, a_wide = edge("a", "uint4", 4, 7, 6), edge("a_wide", "int6", 4, 7, 6)
    conv("c1", x, [a, a_wide], kernel=(3, 3), pad=1)
    b = edge("b", "int6", 4, 7, 6)
    conv("c2", a, [b], kernel=(3, 3), pad=1, fmt="ternary")
    c = edge("c", "uint4", 4, 7, 6)
    nodes.append(Add(name="add", input_a="b", input_b="a_wide", outputs=(requant(c, 60, 1),)))
    d = edge("d", "uint4", 4, 4, 3)
    conv("dw", c, [d], kernel=(3, 3), groups=4, stride=2, pad=1)
    edge("e", "uint4", 4, 2, 2)
    nodes.append(
        MaxPool(name="max", input="d", output="e", kernel=(2, 2), strides=(2, 1),
                pads=((0, 0),) * 2, dilations=(1, 1))
    )  # fmt: skip
    f = edge("f", "uint4", 4, 1, 1)
    pool = AveragePool(
        name="gap", input="e", kernel=(2, 2), strides=(1, 1), pads=((0, 0),) * 2,
        outputs=(requant(f, 60, 1),),
    )  # fmt: skip
    nodes.append(pool)
    edge("g", "uint4", 4)
    nodes.append(Reshape(name="flat", input="f", output="g"))
    y = edge("y", "int10", 3)
    nodes.append(
        Gemm(name="fc", input="g", weight_format=parse_format("int4"),
             weights=rng.integers(0, 16, (3, 4)), bias=rng.integers(-240, 240, 3), fraction=2,
             outputs=(requant(y, 1200, 1),))
    )  # fmt: skip
    made = next(k for k, node in enumerate(nodes) if output in node.produced) + 1
    known = {"x"} | {name for node in nodes[:made] for name in node.produced}
    return Network(
        name="small", model_sha256="00", input="x", output=output,
        edges=tuple(e for e in edges if e.name in known), nodes=tuple(nodes[:made]),
    )  # fmt: skip


def stem_network(kernel, strides, pads, weights=("int4", "int4", "int4")) -> Network:
    """A convolution of one channel, and two fully connected layers, with formats of weights."""
    formats = dict(zip(("stem", "first", "second"), map(parse_format, weights), strict=True))
    rng, (down, right) = np.random.default_rng(sum(kernel)), strides
    size = [
        (n + sum(pad) - k) // s + 1
        for n, k, s, pad in zip((9, 6), kernel, strides, pads, strict=True)
    ]
    edges = [
        Edge(name=name, format=parse_format(fmt), scale=1.0, zero=zero, shape=shape)
        for name, fmt, zero, shape in [
            ("x", "int4", 3, (1, 9, 6)), ("a", "uint4", 0, (3, *size)),
            ("b", "uint4", 0, (3 * size[0] * size[1],)), ("c", "uint4", 0, (11,)),
            ("y", "int8", 0, (7,)),
        ]
    ]  # fmt: skip

    def layer(kind, name, source, target, shape, **fields):
        fmt = formats[name]
        weights = rng.integers(0, 1 << fmt.width, shape)
        low, high = (-128, 127) if target == "y" else (0, 15)
        scale = rng.integers(300, 600, shape[0])
        shift = 7 + fmt.width
        result = Requant(edge=target, multiplier=scale, shift=shift, low=low, high=high)
        return kind(name=name, input=source, weight_format=fmt, weights=weights,
                    bias=rng.integers(-40, 80, shape[0]), outputs=(result,), **fields)  # fmt: skip

    stem = layer(Conv, "stem", "x", "a", (3, 1, *kernel), groups=1, strides=(down, right),
                 pads=pads, dilations=(1, 1))  # fmt: skip
    first = layer(Gemm, "first", "b", "c", (11, edges[2].shape[0]))
    nodes = (stem, Reshape(name="flat", input="a", output="b"), first)
    nodes += (layer(Gemm, "second", "c", "y", (7, 11)),)
    return Network(
        name="stem", model_sha256="00", input="x", output="y", edges=tuple(edges), nodes=nodes
    )
