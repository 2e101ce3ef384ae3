"""A node of ONNX and what an expression of torch for it may ask for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.hw.errors import RefusedInput

__all__ = ["TorchCall", "integers", "number"]

_Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TorchCall:
    """A node, and what its expression may ask for.

    Parameters
    ----------
    node : NodeProto
        The node.
    constants : mapping of str to ndarray
        Values of constant tensors.
    tensor : callable
        Identifier of a tensor; a constant becomes a buffer.
    module : callable
        Adds a torch module, by its constructor and its state; gives the identifier.
    """

    node: onnx.NodeProto
    constants: Mapping[str, _Array]
    tensor: Callable[[str], str]
    module: Callable[[str, Mapping[str, _Array]], str]

    def attributes(self, **defaults: Any) -> dict[str, Any]:
        """Values of the attributes that are known here, by name."""
        given = {item.name: helper.get_attribute_value(item) for item in self.node.attribute}
        for name in given.keys() - defaults.keys():
            raise self.refusal(f"without the attribute {name}")
        return defaults | given

    def inputs(self, least: int, most: int | None = None) -> list[str]:
        """Names of the inputs, empty ones for those that are missing, `most` of them."""
        names, most = list(self.node.input), least if most is None else most
        if not least <= len(names) <= most or not all(names[:least]):
            raise self.refusal(f"with {least} to {most} inputs")
        return names + [""] * (most - len(names))

    def constant(self, name: str, what: str) -> _Array:
        """Value of an input that must be a constant."""
        if name not in self.constants:
            raise self.refusal(f"with constant {what}")
        return self.constants[name]

    def require(self, holds: bool, what: str) -> None:
        """Refuse a node of which something does not hold."""
        if not holds:
            raise self.refusal(what)

    def refusal(self, what: str) -> RefusedInput:
        """Error that says what this kind of file needs."""
        return RefusedInput(
            f"Operator {self.node.op_type} of node {self.node.name!r} must be {what} for torch; "
            "choose another kind, such as onnx"
        )


def number(value: float | _Array) -> str:
    """Text of a number in Python."""
    number = float(np.asarray(value).item())
    return repr(number) if math.isfinite(number) else f'float("{number}")'


def integers(values: _Array | Sequence[int]) -> list[int]:
    """Numbers of a list or an array."""
    return [int(value) for value in np.ravel(values)]
