"""Random integer networks for hypothesis."""

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Edge,
    Gemm,
    MaxPool,
    Network,
    Pad,
    Requant,
    Reshape,
    Slice,
    Table,
    TableOutput,
    Transpose,
)
from macwright.hw.formats import parse_format

ACTS = (
    "uint4",
    "int4",
    "int8",
    "uint8",
    "int3",
    "ternary",
    "int6q3",
    "e2m2fin",
    "e3m2fn",
    "e4m3fin",
)
WEIGHTS = ("int2", "int4", "int8", "binary", "ternary", "pot4", "e2m1fn", "e4m3fin")
MACS = ("conv", "depthwise", "grouped")
STEPS = (*MACS, "residual", "max", "average", "table", "concat", "pad", "slice", "transpose")


class Builder:
    """Network that grows by one step after the other, from what hypothesis draws."""

    def __init__(self, draw, rank: int, acts) -> None:
        self.draw, self.rank, self.edges, self.nodes = draw, rank, [], []
        self.acts = acts
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        sizes = [draw(st.integers(3, 6)) for _ in range(rank)]
        channels = draw(st.sampled_from((1, 2, 4)))
        self.at = self.edge(draw(st.sampled_from(self.acts)), (channels, *sizes))

    def edge(self, fmt: str, shape, *, zero: bool = True) -> Edge:
        parsed = parse_format(fmt)
        plain = Edge(name="x", format=parsed, scale=1.0, zero=0, shape=(1,))
        levels = sorted(
            set(plain.levels(plain.codes(np.arange(plain.low, plain.high + 1))).tolist())
        )
        offset = self.draw(st.sampled_from([0, 0, levels[len(levels) // 3]])) if zero else 0
        edge = Edge(
            name=f"e{len(self.edges)}", format=parsed, scale=0.5, zero=offset, shape=tuple(shape)
        )
        self.edges.append(edge)
        return edge

    def requant(self, edge: Edge, top: int, channels: int) -> Requant:
        """A requantiser whose results span about the edge's range."""
        shift = max(0, math.ceil(math.log2(1000 * max(top, 1) / max(edge.high, 1))))
        shift = min(shift, 40)
        count = self.draw(st.sampled_from((1, channels)))
        fmt = edge.format
        bounds = self.draw(st.sampled_from([(edge.low, edge.high), (edge.zero, edge.high)]))
        if fmt.signed and fmt.width > 4 and not str(fmt).startswith("e"):
            bounds = self.draw(st.sampled_from([bounds, (edge.low + 1, edge.high - 2)]))
        return Requant(
            edge=edge.name,
            multiplier=self.rng.integers(1, 2000, count),
            shift=shift,
            low=bounds[0],
            high=bounds[1],
        )

    def window(self, *, dilated: bool = True):
        """Kernel, strides, pads, dilations that fit."""
        sizes = self.at.shape[1:]
        kernel, pads, dilations = [], [], []
        for n in sizes:
            size = self.draw(st.integers(1, min(3, n)))
            dilation = self.draw(st.integers(1, 2)) if dilated and 2 * (size - 1) < n else 1
            kernel.append(size)
            dilations.append(dilation)
            pads.append(tuple(self.draw(st.integers(0, size - 1)) for _ in range(2)))
        strides = tuple(self.draw(st.integers(1, 2)) for _ in sizes)
        return tuple(kernel), strides, tuple(pads), tuple(dilations)

    def mac(self, kind: str, shape=None, edges=None) -> None:
        channels = self.at.shape[0]
        groups = {"conv": 1, "depthwise": channels, "grouped": 2 if channels % 2 == 0 else 1}[kind]
        out = groups * self.draw(st.integers(1, 3))
        kernel, strides, pads, dilations = self.window()
        if shape:
            out, groups = shape[0], 1
            kernel, strides, dilations = ((1,) * self.rank,) * 3
            pads = ((0, 0),) * self.rank
        self.add_mac(Conv, (out, channels // groups, *kernel), edges, groups=groups,
                     strides=strides, pads=pads, dilations=dilations)  # fmt: skip

    def add_mac(self, cls, shape, edges, **fields) -> None:
        fmt = parse_format(self.draw(st.sampled_from(WEIGHTS)))
        top = math.prod(shape[1:]) * max(abs(self.at.low), self.at.high) * 4
        result = (shape[0],)
        node: dict[str, Any] = dict(
            name=f"n{len(self.nodes)}",
            input=self.at.name,
            weight_format=fmt,
            weights=self.rng.integers(0, 1 << fmt.width, shape),
            **fields,
        )
        fraction = self.draw(st.sampled_from([0, 0, 1, 3]))
        top <<= fraction
        node |= {"bias": self.rng.integers(-top, top + 1, shape[0]), "fraction": fraction}
        if cls is Conv:
            result = cls(**node, outputs=()).result_shape(self.at.shape)
        edges = [self.edge(name, result, zero=False) for name in edges or []]
        edges = edges or [
            self.edge(self.draw(st.sampled_from(self.acts)), result)
            for _ in range(self.draw(st.integers(1, 2)))
        ]
        outputs = tuple(self.requant(edge, top, shape[0]) for edge in edges)
        self.nodes.append(cls(**node, outputs=outputs))
        self.at = edges[0]
        self.made = edges

    def step(self, kind: str) -> None:
        name = f"n{len(self.nodes)}"
        shape = self.at.shape
        if kind in MACS:
            return self.mac(kind)
        if kind in ("residual", "concat"):
            self.mac("conv", shape=shape, edges=["int8", "int8" if kind == "concat" else "uint8"])
            first, second = self.made
            if kind == "residual":
                edge = self.edge(self.draw(st.sampled_from(self.acts)), first.shape)
                outputs = (self.requant(edge, first.high + second.high, edge.shape[0]),)
                self.nodes.append(
                    Add(name=name + "a", input_a=first.name, input_b=second.name, outputs=outputs)
                )
            else:
                axis = self.draw(st.integers(0, self.rank))
                result = [n * (2 if i == axis else 1) for i, n in enumerate(first.shape)]
                edge = self.edge("int8", result, zero=False)
                self.nodes.append(
                    Concat(
                        name=name + "c",
                        sources=(first.name, second.name),
                        output=edge.name,
                        axis=axis,
                    )
                )
        elif kind in ("max", "average"):
            kernel, strides, pads, dilations = self.window(dilated=kind == "max")
            fields: dict[str, Any] = dict(
                name=name, input=self.at.name, kernel=kernel, strides=strides, pads=pads
            )
            if kind == "max":
                node = MaxPool(**fields, dilations=dilations, output="?")
                edge = self.like(node.result_shape(shape))
                self.nodes.append(MaxPool(**fields, dilations=dilations, output=edge.name))
            else:
                if self.at.zero:
                    return self.mac("conv")
                result = AveragePool(**fields, outputs=()).result_shape(shape)
                edge = self.edge(self.draw(st.sampled_from(self.acts)), result)
                top = math.prod(kernel) * self.at.high
                outputs = (self.requant(edge, top, edge.shape[0]),)
                self.nodes.append(AveragePool(**fields, outputs=outputs))
        elif kind == "table":
            if str(self.at.format).startswith("e"):
                return self.mac("conv")
            edge = self.edge(self.draw(st.sampled_from(self.acts)), shape)
            rows = self.draw(st.sampled_from((1, shape[0])))
            levels = self.rng.integers(edge.low, edge.high + 1, (rows, 1 << self.at.format.width))
            output = TableOutput(edge=edge.name, codes=edge.codes(levels))
            self.nodes.append(Table(name=name, input=self.at.name, outputs=(output,)))
        else:
            edge = self.wire(kind, name, shape)
        self.at = edge

    def like(self, shape) -> Edge:
        """An edge of the same codes in another shape."""
        edge = Edge(name=f"e{len(self.edges)}", format=self.at.format, scale=self.at.scale,
                    zero=self.at.zero, shape=tuple(shape))  # fmt: skip
        self.edges.append(edge)
        return edge

    def wire(self, kind: str, name: str, shape) -> Edge:
        fields: dict[str, Any] = dict(name=name, input=self.at.name)
        if kind == "pad":
            pads = tuple(
                (self.draw(st.integers(0, 2)), self.draw(st.integers(0, 1))) for _ in shape
            )
            edge = self.like([n + sum(pad) for n, pad in zip(shape, pads, strict=True)])
            self.nodes.append(Pad(**fields, output=edge.name, pads=pads, level=self.at.high))
        elif kind == "slice":
            starts = tuple(self.draw(st.integers(0, n - 1)) for n in shape)
            steps = tuple(self.draw(st.integers(1, 2)) for _ in shape)
            ends = zip(starts, shape, steps, strict=True)
            edge = self.like([len(range(*end)) for end in ends])
            self.nodes.append(
                Slice(**fields, output=edge.name, starts=starts, stops=shape, steps=steps)
            )
        else:
            order = tuple(self.draw(st.permutations(range(len(shape)))))
            edge = self.like([shape[axis] for axis in order])
            self.nodes.append(Transpose(**fields, output=edge.name, order=order))
        return edge


@st.composite
def networks(draw, acts=ACTS, steps=STEPS):
    """A network of up to four steps, and perhaps a matrix product at the end."""
    build = Builder(draw, draw(st.integers(1, 2)), acts)
    for kind in draw(st.lists(st.sampled_from(steps), min_size=1, max_size=4)):
        if min(build.at.shape) and build.at.size <= 400:
            build.step(kind)
    if draw(st.booleans()) or not build.nodes:
        edge = build.like([build.at.size])
        build.nodes.append(Reshape(name="flat", input=build.at.name, output=edge.name))
        build.at = edge
        build.add_mac(Gemm, (3, edge.size), None)
    return Network(
        name="random",
        model_sha256="0" * 64,
        input=build.edges[0].name,
        output=build.at.name,
        edges=tuple(build.edges),
        nodes=tuple(build.nodes),
    )


def random_levels(network: Network, samples: int, seed: int) -> np.ndarray:
    """Levels of the input's format."""
    edge = network.edge(network.input)
    rng = np.random.default_rng(seed)
    numbers = rng.integers(edge.low, edge.high + 1, (samples, *edge.shape))
    return edge.levels(edge.codes(numbers))
