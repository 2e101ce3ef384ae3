"""ONNX operators as expressions of torch: one function each, and the table of them.

An attribute or an input that a function does not know is refused; none is passed over.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.hw.errors import RefusedInput

__all__ = ["OPERATORS", "Call"]

_Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Call:
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


def _number(value: float | _Array) -> str:
    number = float(np.asarray(value).item())
    return repr(number) if math.isfinite(number) else f'float("{number}")'


def _integers(values: _Array | Sequence[int]) -> list[int]:
    return [int(value) for value in np.ravel(values)]


def _function(name: str, count: int = 1) -> Callable[[Call], str]:
    """A function of as many tensors, and of nothing else."""

    def expression(call: Call) -> str:
        call.attributes()
        return f"{name}({', '.join(map(call.tensor, call.inputs(count)))})"

    return expression


def _infix(sign: str) -> Callable[[Call], str]:
    def expression(call: Call) -> str:
        call.attributes()
        return f" {sign} ".join(map(call.tensor, call.inputs(2)))

    return expression


def _window(call: Call, rank: int, **more: Any) -> dict[str, Any]:
    """Attributes of a window, with `before` and `after`: its padding on each axis."""
    ones = [1] * rank
    values = call.attributes(
        auto_pad=b"NOTSET", strides=ones, dilations=ones, pads=[0] * 2 * rank,
        kernel_shape=None, **more,
    )  # fmt: skip
    automatic = values["auto_pad"]
    call.require(automatic in (b"NOTSET", b"VALID"), "of explicit padding")
    pads = _integers(values["pads"]) if automatic == b"NOTSET" else [0] * 2 * rank
    sizes = {name: _integers(values[name]) for name in ("strides", "dilations")}
    return values | sizes | {"before": pads[:rank], "after": pads[rank:]}


def _padded(tensor: str, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> str:
    pads = [size for pair in zip(before[::-1], after[::-1], strict=True) for size in pair]
    return f"functional.pad({tensor}, {pads}, value={_number(value)})"


def _conv(call: Call) -> str:
    x, w, b = call.inputs(2, 3)
    weight = call.constant(w, "weights")
    rank = weight.ndim - 2
    call.require(1 <= rank <= 3, "of one to three axes")
    window = _window(call, rank, group=1)
    state = {"weight": weight} | ({"bias": call.constant(b, "biases")} if b else {})
    tensor, padding = call.tensor(x), window["before"]
    if window["before"] != window["after"]:
        tensor, padding = _padded(tensor, window["before"], window["after"]), [0] * rank
    outs, ins, *kernel = weight.shape
    groups = int(window["group"])
    module = call.module(
        f"nn.Conv{rank}d({ins * groups}, {outs}, {tuple(kernel)}, stride={window['strides']}, "
        f"padding={padding}, dilation={window['dilations']}, groups={groups}, bias={bool(b)})",
        state,
    )
    return f"{module}({tensor})"


def _linear(call: Call, x: str, weight: _Array, bias: _Array | None) -> str:
    """Product with a constant matrix, shape (outputs, inputs)."""
    outs, ins = weight.shape
    state = {"weight": weight} | ({} if bias is None else {"bias": bias})
    constructor = f"nn.Linear({ins}, {outs}, bias={bias is not None})"
    return f"{call.module(constructor, state)}({call.tensor(x)})"


def _gemm(call: Call) -> str:
    x, w, b = call.inputs(2, 3)
    values = call.attributes(alpha=1.0, beta=1.0, transA=0, transB=0)
    call.require(values["alpha"] == 1 and not values["transA"], "of alpha 1 and transA 0")
    call.require(not b or values["beta"] == 1, "of beta 1")
    weight = call.constant(w, "weights")
    bias = None
    if b:
        bias = np.broadcast_to(
            call.constant(b, "biases").reshape(-1), weight.shape[0 if values["transB"] else 1]
        )
    return _linear(call, x, weight if values["transB"] else weight.T, bias)


def _matmul(call: Call) -> str:
    x, w = call.inputs(2)
    weight = call.constants.get(w)
    if weight is None or weight.ndim != 2:
        return _function("torch.matmul", 2)(call)
    call.attributes()
    return _linear(call, x, weight.T, None)


def _clip(call: Call) -> str:
    x, *bounds = call.inputs(1, 3)
    call.attributes()
    texts = [
        f"{side}={_number(call.constant(name, 'bounds'))}"
        for side, name in zip(("min", "max"), bounds, strict=True)
        if name
    ]
    return f"torch.clamp({', '.join([call.tensor(x), *texts])})" if texts else call.tensor(x)


def _pool(name: str) -> Callable[[Call], str]:
    """Largest value or mean of a window; of means, padding is counted or absent."""

    def expression(call: Call) -> str:
        (x,) = call.inputs(1)
        rank = len(call.attributes(**_EVERYTHING)["kernel_shape"])
        call.require(1 <= rank <= 3, "of one to three axes")
        largest = name == "max"
        other = {"storage_order": 0} if largest else {"count_include_pad": 0}
        window = _window(call, rank, ceil_mode=0, **other)
        call.require(len(call.node.output) == 1 and not window["ceil_mode"], "without ceil_mode")
        kernel, tensor = _integers(window["kernel_shape"]), call.tensor(x)
        if any(window["before"] + window["after"]):
            counted = largest or window["count_include_pad"]
            call.require(bool(counted), "of means that count padding")
            fill = -math.inf if largest else 0.0
            tensor = _padded(tensor, window["before"], window["after"], fill)
        text = f"functional.{name}_pool{rank}d({tensor}, {kernel}, stride={window['strides']}"
        if largest:
            return f"{text}, dilation={window['dilations']})"
        call.require(window["dilations"] == [1] * rank, "without dilations")
        return f"{text})"

    return expression


#: Attributes that a pool may have, read once for its rank.
_EVERYTHING = dict.fromkeys(
    ("auto_pad", "strides", "dilations", "pads", "kernel_shape", "ceil_mode", "storage_order",
     "count_include_pad")
)  # fmt: skip


def _global_pool(call: Call) -> str:
    (x,) = call.inputs(1)
    call.attributes()
    tensor = call.tensor(x)
    return f"torch.mean({tensor}, dim=tuple(range(2, {tensor}.ndim)), keepdim=True)"


def _flatten(call: Call) -> str:
    (x,) = call.inputs(1)
    call.require(call.attributes(axis=1)["axis"] == 1, "of axis 1")
    return f"torch.flatten({call.tensor(x)}, 1)"


def _reshape(call: Call) -> str:
    x, shape = call.inputs(2)
    call.require(not call.attributes(allowzero=0)["allowzero"], "without allowzero")
    tensor = call.tensor(x)
    sizes = [
        str(size) if size else f"{tensor}.shape[{axis}]"
        for axis, size in enumerate(_integers(call.constant(shape, "sizes")))
    ]
    return f"torch.reshape({tensor}, ({', '.join(sizes)},))"


def _transpose(call: Call) -> str:
    (x,) = call.inputs(1)
    order = call.attributes(perm=None)["perm"]
    call.require(order is not None, "with its attribute perm")
    return f"torch.permute({call.tensor(x)}, {tuple(_integers(order))})"


def _softmax(call: Call) -> str:
    (x,) = call.inputs(1)
    return f"torch.softmax({call.tensor(x)}, {int(call.attributes(axis=-1)['axis'])})"


def _concat(call: Call) -> str:
    axis = int(call.attributes(axis=None)["axis"])
    return f"torch.cat([{', '.join(map(call.tensor, call.node.input))}], {axis})"


def _gather(call: Call) -> str:
    table, index = call.inputs(2)
    values = call.constant(table, "rows")
    axis = call.attributes(axis=0)["axis"]
    call.require(axis == 0 and values.ndim == 2, "of rows of a matrix")
    return f"functional.embedding({call.tensor(index)}, {call.tensor(table)})"


def _layer_norm(call: Call) -> str:
    x, scale, bias = call.inputs(2, 3)
    values = call.attributes(axis=-1, epsilon=1e-5, stash_type=1)
    call.require(values["stash_type"] == 1 and len(call.node.output) == 1, "of one result")
    tensor, shape = call.tensor(x), f"{call.tensor(x)}.shape[{int(values['axis'])}:]"
    rest = f"{call.tensor(scale)}, {call.tensor(bias) if bias else None}"
    return f"functional.layer_norm({tensor}, {shape}, {rest}, eps={_number(values['epsilon'])})"


def _slice(call: Call) -> str:
    call.attributes()
    x, *names = call.inputs(3, 5)
    starts, ends = (_integers(call.constant(name, "bounds")) for name in names[:2])
    axes, steps = (
        _integers(call.constant(name, "axes and steps")) if name else default
        for name, default in zip(
            names[2:], (list(range(len(starts))), [1] * len(starts)), strict=True
        )
    )
    call.require(
        min(axes, default=0) >= 0 and min(steps, default=1) > 0,
        "of axes from the first, and forward",
    )
    places = [":"] * (max(axes, default=0) + 1)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places[axis] = f"{start}:{end}:{step}"
    return f"{call.tensor(x)}[{', '.join(places)}]"


def _pad(call: Call) -> str:
    x, pads, value, axes = call.inputs(2, 4)
    call.require(call.attributes(mode=b"constant")["mode"] == b"constant", "of constants")
    call.require(not axes, "of all axes")
    sizes = _integers(call.constant(pads, "sizes"))
    half, fill = len(sizes) // 2, call.constant(value, "value").item() if value else 0.0
    return _padded(call.tensor(x), sizes[:half], sizes[half:], fill)


#: Expressions by operator of ONNX.
OPERATORS: Mapping[str, Callable[[Call], str]] = {
    "Add": _infix("+"),
    "AveragePool": _pool("avg"),
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _infix("/"),
    "Erf": _function("torch.erf"),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _pool("max"),
    "Mul": _infix("*"),
    "Pad": _pad,
    "Relu": _function("torch.relu"),
    "Reshape": _reshape,
    "Sigmoid": _function("torch.sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sub": _infix("-"),
    "Tanh": _function("torch.tanh"),
    "Transpose": _transpose,
}
