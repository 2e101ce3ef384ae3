"""Convolutions and pools of ONNX as expressions of torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from macwright.dse.export.torch_call import TorchCall, integers, number

__all__ = ["HELPERS", "conv", "conv_transpose", "padded", "pool"]

#: Function that every exported module has: padding that depends on the size of the input.
HELPERS = '''\
def padded_to_same(x, kernel, strides, lower, value):
    """ONNX's SAME: as many places as strides go into, and what is odd below if `lower`."""
    pads = []
    for size, taps, stride in zip(x.shape[2:], kernel, strides):
        whole = max((-(-size // stride) - 1) * stride + taps - size, 0)
        less, more = whole // 2, whole - whole // 2
        pads.append((more, less) if lower else (less, more))
    return functional.pad(x, [n for pair in pads[::-1] for n in pair], value=value)
'''

#: Values of `auto_pad` that pad to the size of the input.
_SAME = (b"SAME_UPPER", b"SAME_LOWER")


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Geometry of a convolution or a pool; sizes by axis."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    automatic: bytes

    @property
    def pads(self) -> bool:
        """Whether anything is padded."""
        return self.automatic in _SAME or any(self.before + self.after)

    @property
    def even(self) -> bool:
        """Whether torch itself pads so, as much after as before."""
        return self.automatic not in _SAME and self.before == self.after

    def padded(self, tensor: str, value: float) -> str:
        """Expression of the tensor with its padding."""
        if self.automatic in _SAME:
            lower = self.automatic == b"SAME_LOWER"
            sizes = f"{self.kernel}, {self.strides}"
            return f"padded_to_same({tensor}, {sizes}, {lower}, {number(value)})"
        return padded(tensor, self.before, self.after, value)


def _window(call: TorchCall, kernel: Sequence[int], **more: Any) -> tuple[_Window, dict[str, Any]]:
    """Window of a node, and its other attributes."""
    rank = len(kernel)
    call.require(1 <= rank <= 3, "of one to three axes")
    values = call.attributes(
        auto_pad=b"NOTSET", strides=[1] * rank, dilations=[1] * rank, pads=[0] * 2 * rank,
        kernel_shape=None, **more,
    )  # fmt: skip
    automatic = values["auto_pad"] or b"NOTSET"
    call.require(automatic in (b"NOTSET", b"VALID", *_SAME), "of padding that ONNX knows")
    pads = integers(values["pads"]) if automatic == b"NOTSET" else [0] * 2 * rank
    window = _Window(
        kernel=list(kernel),
        strides=integers(values["strides"]),
        dilations=integers(values["dilations"]),
        before=pads[:rank],
        after=pads[rank:],
        automatic=automatic,
    )
    dilated = window.dilations != [1] * rank
    call.require(not (dilated and automatic in _SAME), "of explicit padding, or without dilations")
    return window, {name: values[name] for name in more}


def padded(tensor: str, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> str:
    """Expression of a tensor with constants around its last axes."""
    pads = [size for pair in zip(before[::-1], after[::-1], strict=True) for size in pair]
    return f"functional.pad({tensor}, {pads}, value={number(value)})"


def conv(call: TorchCall) -> str:
    """Convolution with constant weights, of one to three axes."""
    x, w, b = call.inputs(2, 3)
    weight = call.constant(w, "weights")
    outs, ins, *kernel = weight.shape
    window, more = _window(call, kernel, group=1)
    state = {"weight": weight} | ({"bias": call.constant(b, "biases")} if b else {})
    tensor, padding = call.tensor(x), window.before
    if not window.even:
        tensor, padding = window.padded(tensor, 0.0), [0] * len(kernel)
    groups = int(more["group"])
    module = call.module(
        f"nn.Conv{len(kernel)}d({ins * groups}, {outs}, {tuple(kernel)}, "
        f"stride={window.strides}, padding={padding}, dilation={window.dilations}, "
        f"groups={groups}, bias={bool(b)})",
        state,
    )
    return f"{module}({tensor})"


def conv_transpose(call: TorchCall) -> str:
    """Transposed convolution with constant weights and as much padding after as before."""
    x, w, b = call.inputs(2, 3)
    weight = call.constant(w, "weights")
    ins, outs, *kernel = weight.shape
    window, more = _window(call, kernel, group=1, output_padding=None, output_shape=None)
    call.require(window.even and more["output_shape"] is None, "of explicit, even padding")
    state = {"weight": weight} | ({"bias": call.constant(b, "biases")} if b else {})
    extra = more["output_padding"]
    groups = int(more["group"])
    module = call.module(
        f"nn.ConvTranspose{len(kernel)}d({ins}, {outs * groups}, {tuple(kernel)}, "
        f"stride={window.strides}, padding={window.before}, "
        f"output_padding={integers(extra) if extra else [0] * len(kernel)}, groups={groups}, "
        f"bias={bool(b)}, dilation={window.dilations})",
        state,
    )
    return f"{module}({call.tensor(x)})"


def pool(name: str) -> Callable[[TorchCall], str]:
    """Largest value (`max`) or mean (`avg`) of a window."""

    def expression(call: TorchCall) -> str:
        (x,) = call.inputs(1)
        largest = name == "max"
        other = {"storage_order": 0} if largest else {"count_include_pad": 0}
        kernel = integers(call.attributes(**_EVERYTHING)["kernel_shape"])
        window, more = _window(call, kernel, ceil_mode=0, **other)
        call.require(len(call.node.output) == 1, "of one result")
        call.require(largest or window.dilations == [1] * len(kernel), "without dilations")
        ceil, tensor, padding = bool(more["ceil_mode"]), call.tensor(x), [0] * len(kernel)
        counted = largest or bool(more["count_include_pad"])
        if window.pads:
            # torch's own padding is half a window at most, and the same at both ends.
            own = window.even and all(
                2 * pad <= size for pad, size in zip(window.before, kernel, strict=True)
            )
            call.require(own or (counted and not ceil), "of padding that torch has, too")
            call.require(largest or not (counted and ceil), "without ceil_mode")
            if own:
                padding = window.before
            else:
                tensor = window.padded(tensor, -math.inf if largest else 0.0)
        text = f"functional.{name}_pool{len(kernel)}d({tensor}, {kernel}, stride={window.strides}"
        text += f", padding={padding}, ceil_mode={ceil}"
        if largest:
            return f"{text}, dilation={window.dilations})"
        return f"{text}, count_include_pad={counted})"

    return expression


#: Attributes that a pool may have, read once for its rank.
_EVERYTHING = dict.fromkeys(
    ("auto_pad", "strides", "dilations", "pads", "kernel_shape", "ceil_mode", "storage_order",
     "count_include_pad")
)  # fmt: skip
