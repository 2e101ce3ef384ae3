"""Nodes that look up, or only move: tables, concatenation, pads, slices, other shapes."""

from dataclasses import dataclass

from macwright.hw.accelerator.network.node import Node, Pairs, Shape, TableOutput

__all__ = ["Concat", "Pad", "Reshape", "Slice", "Table", "Transpose"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Node):
    """Function of one value: code words looked up by code words."""

    kind = "table"
    input: str
    outputs: tuple[TableOutput, ...]

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return tuple(output.edge for output in self.outputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Node):
    """Tensors one after the other along an axis (0 is channels)."""

    kind = "concat"
    sources: tuple[str, ...]
    output: str
    axis: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return self.sources

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        rank = len(shapes[0])
        self._check(0 <= self.axis < rank, f"an axis below {rank}", self.axis)
        rests = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes}
        self._check(len(rests) == 1, "inputs that differ along one axis only", shapes)
        total = sum(shape[self.axis] for shape in shapes)
        return (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Node):
    """Constant levels before and after, along each axis.

    Parameters
    ----------
    pads : tuple of (int, int)
        Before and after, for each axis.
    level : int
        What is added.
    """

    kind = "pad"
    input: str
    output: str
    pads: Pairs
    level: int

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        self._check(len(shape) == len(self.pads), f"an input of {len(self.pads)} axes", shape)
        self._check(min(map(min, self.pads)) >= 0, "no negative pads", self.pads)
        return tuple(n + sum(pad) for n, pad in zip(shape, self.pads, strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Node):
    """Every `steps`-th level from `starts` to before `stops`, for each axis."""

    kind = "slice"
    input: str
    output: str
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        ends = list(zip(self.starts, self.stops, self.steps, strict=True))
        fits = len(ends) == len(shape) and all(
            0 <= start < stop <= n and step >= 1
            for n, (start, stop, step) in zip(shape, ends, strict=True)
        )
        self._check(fits, f"starts, stops and steps inside {shape}", ends)
        return tuple(len(range(*end)) for end in ends)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Node):
    """The same levels, channels first and last axis fastest, in another shape."""

    kind = "reshape"
    input: str
    output: str

    def result_shape(self, *shapes: Shape) -> None:
        """See `Node.result_shape`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transpose(Node):
    """Axes in another order: axis i of the result is axis ``order[i]`` of the input."""

    kind = "transpose"
    input: str
    output: str
    order: tuple[int, ...]

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        fits = sorted(self.order) == list(range(len(shape)))
        self._check(fits, f"an order of {len(shape)} axes", self.order)
        return tuple(shape[axis] for axis in self.order)
