"""What is known of ONNX operators that do not multiply and accumulate: one record for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from macwright.dse.workload.nodes import attribute

__all__ = ["OPERATORS", "Operator"]

#: Whether a result is at least zero, from the node, whether each operand is, and whether each is a
#: constant of even whole numbers.
_Sign = Callable[[onnx.NodeProto, Sequence[bool], Sequence[bool]], bool]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator.

    Parameters
    ----------
    sign : callable, optional
        Proof that its results are never negative; absent if there is none.
    moves : bool
        Whether results are elements of the first operand, in another order.
    random : bool
        Whether results differ from run to run.
    remedy : str
        What would help, if the operator is not supported.
    """

    sign: _Sign | None = None
    moves: bool = False
    random: bool = False
    remedy: str = ""


def _always(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return True


def _first(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return signs[0]


def _all(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return all(signs)


def _any(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return any(signs)


def _product(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return all(signs) or node.input[0] == node.input[1]


def _power(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return signs[0] or even[1]


def _resize(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    """Cubic interpolation undershoots; what lies outside is a value of its own."""
    inside = attribute(node, "coordinate_transformation_mode", "half_pixel")
    outside = float(attribute(node, "extrapolation_value", 0.0))
    known = attribute(node, "mode", "nearest") in ("nearest", "linear")
    return signs[0] and known and (inside != "tf_crop_and_resize" or outside >= 0)


def _clip(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    """The upper end wins, so that it must not be negative either."""
    present = [i < len(node.input) and bool(node.input[i]) for i in range(3)]
    floor = present[1] and signs[1]
    return (signs[0] or floor) and (not present[2] or signs[2])


def _pad(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    filled = len(node.input) > 2 and bool(node.input[2])
    return signs[0] and (not filled or signs[2])


def _where(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return signs[1] and signs[2]


def _scatter(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return signs[0] and signs[2]


def _threshold(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    return signs[0] or float(attribute(node, "alpha", 1.0)) >= 0


def _to_float(node: onnx.NodeProto, signs: Sequence[bool], even: Sequence[bool]) -> bool:
    """Integers may wrap around."""
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return signs[0] and attribute(node, "to") in kinds


_PLAIN = "export the model in evaluation mode with plain operators"
_QDQ = "use the QDQ form (QuantizeLinear and DequantizeLinear around {})"
_FIXED = "export the model without random operators, in evaluation mode"

#: By name; operators that are not here are run as they are, and nothing is proved of them.
OPERATORS: dict[str, Operator] = {
    **{
        name: Operator(sign=_always)
        for name in (
            "Abs", "ArgMax", "ArgMin", "Cosh", "Exp", "GlobalLpPool", "HardSigmoid", "LpPool",
            "ReduceL1", "ReduceL2", "ReduceSumSquare", "Relu", "Shape", "Sigmoid", "Size",
            "Softmax", "Softplus", "Sqrt",
        )
    },
    **{
        name: Operator(sign=_first, moves=True)
        for name in (
            "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
            "Identity", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile",
            "Transpose", "Unsqueeze",
        )
    },
    **{
        name: Operator(sign=_first)
        for name in (
            "Asinh", "Atan", "AveragePool", "Ceil", "Celu", "CumSum", "Elu", "Erf", "Floor",
            "Gelu", "GlobalAveragePool", "GlobalMaxPool", "HardSwish", "LeakyRelu",
            "LpNormalization", "MaxPool", "Mish", "ReduceMax", "ReduceMean", "ReduceMin",
            "ReduceProd", "ReduceSum", "Round", "Sign", "Sinh", "Softsign", "Tanh", "TopK",
        )
    },
    **{name: Operator(sign=_all) for name in ("Add", "Concat", "Div", "Mean", "Min", "Sum")},
    "Cast": Operator(sign=_to_float),
    "Clip": Operator(sign=_clip),
    "Max": Operator(sign=_any),
    "Mul": Operator(sign=_product),
    "Pad": Operator(sign=_pad),
    "Pow": Operator(sign=_power),
    "Resize": Operator(sign=_resize),
    "ScatterElements": Operator(sign=_scatter),
    "ScatterND": Operator(sign=_scatter),
    "ThresholdedRelu": Operator(sign=_threshold),
    "Where": Operator(sign=_where),
    **{
        name: Operator(random=True, remedy=_FIXED)
        for name in (
            "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
            "RandomUniformLike",
        )
    },
    "ConvInteger": Operator(remedy=_PLAIN),
    "DeformConv": Operator(remedy="replace it by Conv"),
    "Loop": Operator(remedy="unroll it when exporting"),
    "MatMulInteger": Operator(remedy=_PLAIN),
    "QLinearConv": Operator(remedy=_QDQ.format("Conv")),
    "QLinearMatMul": Operator(remedy=_QDQ.format("MatMul")),
    "Scan": Operator(remedy="unroll it when exporting"),
    "SequenceMap": Operator(remedy="unroll it when exporting"),
}  # fmt: skip
