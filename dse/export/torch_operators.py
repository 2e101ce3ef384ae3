"""ONNX operators as expressions of torch: one function each, and the table of them.

An attribute or an input that a function does not know is refused; none is passed over.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.dse.export.torch_call import TorchCall, integers, number
from macwright.dse.export.torch_windows import conv, conv_transpose, padded, pool

__all__ = ["OPERATORS"]

_Array = NDArray[Any]


def _function(name: str, count: int = 1) -> Callable[[TorchCall], str]:
    """A function of as many tensors, and of nothing else."""

    def expression(call: TorchCall) -> str:
        call.attributes()
        return f"{name}({', '.join(map(call.tensor, call.inputs(count)))})"

    return expression


def _infix(sign: str) -> Callable[[TorchCall], str]:
    def expression(call: TorchCall) -> str:
        call.attributes()
        return f" {sign} ".join(map(call.tensor, call.inputs(2)))

    return expression


def _linear(call: TorchCall, x: str, weight: _Array, bias: _Array | None) -> str:
    """Product with a constant matrix, shape (outputs, inputs)."""
    outs, ins = weight.shape
    state = {"weight": weight} | ({} if bias is None else {"bias": bias})
    constructor = f"nn.Linear({ins}, {outs}, bias={bias is not None})"
    return f"{call.module(constructor, state)}({call.tensor(x)})"


def _gemm(call: TorchCall) -> str:
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


def _matmul(call: TorchCall) -> str:
    x, w = call.inputs(2)
    weight = call.constants.get(w)
    if weight is None or weight.ndim != 2:
        return _function("torch.matmul", 2)(call)
    call.attributes()
    return _linear(call, x, weight.T, None)


def _clip(call: TorchCall) -> str:
    x, *bounds = call.inputs(1, 3)
    call.attributes()
    texts = [
        f"{side}={number(call.constant(name, 'bounds'))}"
        for side, name in zip(("min", "max"), bounds, strict=True)
        if name
    ]
    return f"torch.clamp({', '.join([call.tensor(x), *texts])})" if texts else call.tensor(x)


def _global_pool(call: TorchCall) -> str:
    (x,) = call.inputs(1)
    call.attributes()
    tensor = call.tensor(x)
    return f"torch.mean({tensor}, dim=tuple(range(2, {tensor}.ndim)), keepdim=True)"


def _flatten(call: TorchCall) -> str:
    (x,) = call.inputs(1)
    call.require(call.attributes(axis=1)["axis"] == 1, "of axis 1")
    return f"torch.flatten({call.tensor(x)}, 1)"


def _reshape(call: TorchCall) -> str:
    x, shape = call.inputs(2)
    call.require(not call.attributes(allowzero=0)["allowzero"], "without allowzero")
    tensor = call.tensor(x)
    sizes = [
        str(size) if size else f"{tensor}.shape[{axis}]"
        for axis, size in enumerate(integers(call.constant(shape, "sizes")))
    ]
    return f"torch.reshape({tensor}, ({', '.join(sizes)},))"


def _transpose(call: TorchCall) -> str:
    (x,) = call.inputs(1)
    order = call.attributes(perm=None)["perm"]
    call.require(order is not None, "with its attribute perm")
    return f"torch.permute({call.tensor(x)}, {tuple(integers(order))})"


def _softmax(call: TorchCall) -> str:
    (x,) = call.inputs(1)
    return f"torch.softmax({call.tensor(x)}, {int(call.attributes(axis=-1)['axis'])})"


def _concat(call: TorchCall) -> str:
    axis = int(call.attributes(axis=None)["axis"])
    return f"torch.cat([{', '.join(map(call.tensor, call.node.input))}], {axis})"


def _gather(call: TorchCall) -> str:
    table, index = call.inputs(2)
    values = call.constant(table, "rows")
    axis = call.attributes(axis=0)["axis"]
    call.require(axis == 0 and values.ndim == 2, "of rows of a matrix")
    return f"functional.embedding({call.tensor(index)}, {call.tensor(table)})"


def _layer_norm(call: TorchCall) -> str:
    x, scale, bias = call.inputs(2, 3)
    values = call.attributes(axis=-1, epsilon=1e-5, stash_type=1)
    call.require(values["stash_type"] == 1 and len(call.node.output) == 1, "of one result")
    tensor, shape = call.tensor(x), f"{call.tensor(x)}.shape[{int(values['axis'])}:]"
    rest = f"{call.tensor(scale)}, {call.tensor(bias) if bias else None}"
    return f"functional.layer_norm({tensor}, {shape}, {rest}, eps={number(values['epsilon'])})"


def _batch_norm(call: TorchCall) -> str:
    x, scale, bias, mean, variance = call.inputs(5)
    values = call.attributes(epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1)
    inference = not values["training_mode"] and values["spatial"] and len(call.node.output) == 1
    call.require(bool(inference), "for inference, of one result")
    rest = ", ".join(map(call.tensor, (mean, variance, scale, bias)))
    return f"functional.batch_norm({call.tensor(x)}, {rest}, eps={number(values['epsilon'])})"


def _slice(call: TorchCall) -> str:
    call.attributes()
    x, *names = call.inputs(3, 5)
    starts, ends = (integers(call.constant(name, "bounds")) for name in names[:2])
    axes, steps = (
        integers(call.constant(name, "axes and steps")) if name else default
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


def _pad(call: TorchCall) -> str:
    x, pads, value, axes = call.inputs(2, 4)
    call.require(call.attributes(mode=b"constant")["mode"] == b"constant", "of constants")
    call.require(not axes, "of all axes")
    sizes = integers(call.constant(pads, "sizes"))
    half, fill = len(sizes) // 2, call.constant(value, "value").item() if value else 0.0
    return padded(call.tensor(x), sizes[:half], sizes[half:], fill)


#: Expressions by operator of ONNX.
OPERATORS: Mapping[str, Callable[[TorchCall], str]] = {
    "Add": _infix("+"),
    "AveragePool": pool("avg"),
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Div": _infix("/"),
    "Erf": _function("torch.erf"),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": pool("max"),
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
