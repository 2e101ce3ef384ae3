"""Networks in QONNX like those of public zoos: TFC, CNV, MobileNet and ResNet, of 1 to 8 bits."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["FAMILIES", "WIDTHS", "qonnx_network"]

#: Bits of weights and of activations.
WIDTHS = ((1, 1), (1, 2), (2, 2), (3, 4), (4, 4), (8, 8))
FAMILIES = ("tfc", "cnv", "mobilenet", "resnet")
GENERAL = "qonnx.custom_op.general"


class _Builder:
    """Nodes one after another; names are numbers."""

    def __init__(self, weight_bits: int, act_bits: int, domain: str, seed: int) -> None:
        self.weight_bits, self.act_bits, self.domain = weight_bits, act_bits, domain
        self.nodes: list[onnx.NodeProto] = []
        self.values: dict[str, np.ndarray] = {}
        self.rng = np.random.default_rng(seed)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.values)}"
        self.values[name] = np.asarray(value, np.float32)
        return name

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        own = op in ("IntQuant", "Quant", "BipolarQuant", "Trunc")
        name = f"t{len(self.nodes)}"
        domain = self.domain if own else ""
        made = helper.make_node(
            op, inputs, [name], name=f"{op}_{name}", domain=domain, **attributes
        )
        self.nodes.append(made)
        return name

    def quant(self, x: str, bits: int, scale: Any, *, signed: bool, narrow: bool = False) -> str:
        if bits == 1:
            return self.node("BipolarQuant", [x, self.constant(scale)])
        operands = [x, self.constant(scale), self.constant(0), self.constant(bits)]
        return self.node(
            "IntQuant" if self.domain == GENERAL else "Quant", operands,
            signed=int(signed), narrow=int(narrow), rounding_mode="ROUND",
        )  # fmt: skip

    def weight(self, *shape: int, axis: int = 0) -> str:
        """Weights with a scale for each channel, where they have more than a bit."""
        values = self.rng.standard_normal(shape)
        rest = tuple(i for i in range(len(shape)) if i != axis)
        top = np.abs(values).max(axis=rest, keepdims=True)
        scale = top / (2 ** (self.weight_bits - 1) - 0.5) if self.weight_bits > 1 else 0.3
        return self.quant(self.constant(values), self.weight_bits, scale, signed=True, narrow=True)

    def normal(self, x: str, channels: int) -> str:
        """Batch normalisation; some channels change sign."""
        gain = self.rng.uniform(0.5, 1.5, channels) * self.rng.choice([-1, 1], channels)
        shift, mean = self.rng.standard_normal((2, channels)) * 0.2
        variance = self.rng.uniform(1, 4, channels) * channels
        operands = [x, *(self.constant(v) for v in (gain, shift, mean, variance))]
        return self.node("BatchNormalization", operands)

    def act(self, x: str, *, relu: bool = True) -> str:
        if self.act_bits == 1 or not relu:
            return self.quant(x, self.act_bits, 0.5, signed=True)
        step = 3.0 / (2**self.act_bits - 1)
        return self.quant(self.node("Relu", [x]), self.act_bits, step, signed=False)


def qonnx_network(
    family: str, weight_bits: int, act_bits: int, *, domain: str = GENERAL, opset: int = 17
) -> tuple[onnx.ModelProto, np.ndarray]:
    """A network and inputs for it, eight samples."""
    build = _Builder(weight_bits, act_bits, domain, seed=weight_bits * 31 + act_bits)
    shape = {"tfc": (8, 1, 7, 7)}.get(family, (8, 3, 12, 12))
    x = build.rng.uniform(-1, 1, shape).astype(np.float32)
    first = build.quant("x", 8, 1 / 128, signed=True)
    end = {"tfc": _tfc, "cnv": _cnv, "mobilenet": _mobilenet, "resnet": _resnet}[family](
        build, first
    )
    build.nodes[-1].output[0] = "y"
    assert end
    graph = helper.make_graph(
        build.nodes, family, [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [8, 10])],
        [numpy_helper.from_array(value, name) for name, value in build.values.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), x


def _dense(build: _Builder, x: str, size: int, out: int, *, last: bool = False) -> str:
    x = build.node("MatMul", [x, build.weight(size, out, axis=1)])
    return build.normal(x, out) if last else build.act(build.normal(x, out), relu=False)


def _conv(build: _Builder, x: str, channels: int, out: int, size: int = 3, **rest: Any) -> str:
    weight = build.weight(out, channels // rest.get("group", 1), size, size)
    return build.normal(build.node("Conv", [x, weight], **rest), out)


def _tfc(build: _Builder, x: str) -> str:
    x = build.node("Flatten", [x])
    x = _dense(build, x, 49, 32)
    x = _dense(build, x, 32, 32)
    return _dense(build, x, 32, 10, last=True)


def _cnv(build: _Builder, x: str) -> str:
    x = build.act(_conv(build, x, 3, 8), relu=False)
    x = build.act(_conv(build, x, 8, 8), relu=False)
    x = build.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = build.act(_conv(build, x, 8, 16), relu=False)
    x = build.node("Flatten", [x])
    return _dense(build, x, 64, 10, last=True)


def _mobilenet(build: _Builder, x: str) -> str:
    x = build.act(_conv(build, x, 3, 8, pads=[1, 1, 1, 1], strides=[2, 2]))
    x = build.act(_conv(build, x, 8, 8, pads=[1, 1, 1, 1], group=8))
    x = build.act(_conv(build, x, 8, 16, size=1))
    x = build.node("AveragePool", [x], kernel_shape=[6, 6])
    bits = build.act_bits
    step = 0.5 if bits == 1 else 3.0 / (2**bits - 1)
    sizes = [build.constant(v) for v in (step / 36, 0, bits + 6, bits)]
    x = build.node("Trunc", [x, *sizes], rounding_mode="FLOOR")
    x = build.node("Flatten", [x])
    return build.node(
        "Add",
        [
            build.node("MatMul", [x, build.weight(16, 10, axis=1)]),
            build.constant(build.rng.standard_normal(10)),
        ],
    )


def _resnet(build: _Builder, x: str) -> str:
    x = build.act(_conv(build, x, 3, 8, pads=[1, 1, 1, 1]))
    left = build.act(_conv(build, x, 8, 8, pads=[1, 1, 1, 1]))
    left = build.quant(_conv(build, left, 8, 8, pads=[1, 1, 1, 1]), 8, 0.05, signed=True)
    x = build.act(build.node("Add", [left, build.quant(x, 8, 0.05, signed=True)]))
    x = build.quant(build.node("GlobalAveragePool", [x]), 8, 0.02, signed=False)
    x = build.node("Flatten", [x])
    return _dense(build, x, 8, 10, last=True)
