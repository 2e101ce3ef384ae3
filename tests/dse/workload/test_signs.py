"""Proofs that tensors are never negative, tried with random operands."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.workload.operators import OPERATORS
from macwright.dse.workload.signs import non_negative

RNG = np.random.default_rng(0)
POSITIVE = np.abs(RNG.standard_normal((2, 4, 6, 6))).astype(np.float32)
X = "pos"

#: Nodes of operands "pos" (at least zero) and "any", constants, and whether the result is proved.
CASES = {
    "relu": ("Relu", ["any"], {}, {}, True),
    "softplus": ("Softplus", ["any"], {}, {}, True),
    "hard sigmoid": ("HardSigmoid", ["any"], {"alpha": -0.3}, {}, True),
    "hard swish of any": ("HardSwish", ["any"], {}, {}, False),
    "hard swish": ("HardSwish", [X], {}, {}, True),
    "elu of any": ("Elu", ["any"], {}, {}, False),
    "square": ("Mul", ["any", "any"], {}, {}, True),
    "power": ("Pow", ["any", "two"], {}, {"two": np.float32(2)}, True),
    "odd power": ("Pow", ["any", "three"], {}, {"three": np.float32(3)}, False),
    "product": ("Mul", [X, "c"], {}, {"c": np.float32(0.5)}, True),
    "negative product": ("Mul", [X, "c"], {}, {"c": np.float32(-1)}, False),
    "quotient": ("Div", [X, "c"], {}, {"c": np.float32(-1)}, False),
    "difference": ("Sub", [X, "c"], {}, {"c": np.float32(1)}, False),
    "largest": ("Max", ["any", "c"], {}, {"c": np.float32(0)}, True),
    "smallest": ("Min", [X, "c"], {}, {"c": np.float32(-1)}, False),
    "clip": ("Clip", ["any", "lo"], {}, {"lo": np.float32(0)}, True),
    "clip below zero": ("Clip", [X, "lo", "hi"], {},
                        {"lo": np.float32(-2), "hi": np.float32(-1)}, False),
    "clip crossed": ("Clip", ["any", "lo", "hi"], {},
                     {"lo": np.float32(0), "hi": np.float32(-1)}, False),
    "clip from above": ("Clip", [X, "", "hi"], {}, {"hi": np.float32(1)}, True),
    "nearest": ("Resize", [X, "", "sc"], {"mode": "nearest"},
                {"sc": np.array([1, 1, 2, 2], np.float32)}, True),
    "linear": ("Resize", [X, "", "sc"], {"mode": "linear"},
               {"sc": np.array([1, 1, 2, 2], np.float32)}, True),
    "cubic": ("Resize", [X, "", "sc"], {"mode": "cubic"},
              {"sc": np.array([1, 1, 2, 2], np.float32)}, False),
    "outside": ("Resize", [X, "roi", "sc"],
                {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize",
                 "extrapolation_value": -3.0},
                {"sc": np.array([1, 1, 2, 2], np.float32),
                 "roi": np.array([0, 0, -1, -1, 1, 1, 2, 2], np.float32)}, False),
    "pad": ("Pad", [X, "p"], {}, {"p": np.array([0, 0, 1, 1] * 2)}, True),
    "negative pad": ("Pad", [X, "p", "v"], {},
                     {"p": np.array([0, 0, 1, 1] * 2), "v": np.float32(-1)}, False),
    "threshold": ("ThresholdedRelu", ["any"], {"alpha": 0.5}, {}, True),
    "negative threshold": ("ThresholdedRelu", ["any"], {"alpha": -1.0}, {}, False),
    "gather": ("Gather", [X, "i"], {"axis": 1}, {"i": np.array([-1, 0])}, True),
    "sum": ("ReduceSum", [X, "a"], {}, {"a": np.array([-1])}, True),
    "log": ("Log", [X], {}, {}, False),
    "where": ("Where", ["b", X, "n"], {}, {"b": np.array(False), "n": np.float32(-1)}, False),
    "leaky": ("LeakyRelu", [X], {"alpha": -5.0}, {}, True),
    "prelu": ("PRelu", ["any", "n"], {}, {"n": np.ones((4, 1, 1), np.float32)}, False),
    "scatter": ("ScatterND", [X, "i", "u"], {},
                {"i": np.array([[0, 0, 0, 0]]), "u": np.array([-1], np.float32)}, False),
    "batch norm": ("BatchNormalization", [X, "g", "n", "m", "g"], {},
                   {"g": np.ones(4, np.float32), "n": -np.ones(4, np.float32),
                    "m": np.zeros(4, np.float32)}, False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_proved(case):
    op, inputs, attributes, constants, proved = CASES[case]
    graph = helper.make_graph(
        [
            helper.make_node("Neg", ["any"], ["neg"]),
            helper.make_node("Relu", ["neg"], ["pos"]),
            helper.make_node(op, inputs, ["y"], **attributes),
        ],
        "g",
        [helper.make_tensor_value_info("any", TensorProto.FLOAT, [2, 4, 6, 6])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    assert ("y" in non_negative(model, None)) is proved
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    running = onnxruntime.InferenceSession(model.SerializeToString())
    lowest = min(
        float(np.nanmin(np.asarray(running.run(None, {"any": x})[0])))
        for x in (POSITIVE, -POSITIVE, RNG.standard_normal(POSITIVE.shape).astype(np.float32))
    )
    # The operand shows the sign that was not proved, so that each negative case is a real one.
    assert lowest >= 0 if proved else lowest < 0


def test_names_are_operators_of_onnx():
    from onnx import defs

    known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
    assert set(OPERATORS) <= known
