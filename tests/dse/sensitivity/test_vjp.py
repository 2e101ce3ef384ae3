"""Vector-Jacobian products, against differences of what onnxruntime computes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.sensitivity.vjp import RULES, Call, differentiable

#: Operator, shapes of its inputs, constants after them, attributes, inputs that are differentiated.
CASES = [
    ("Identity", [(2, 3)], [], {}),
    ("Flatten", [(2, 3, 4)], [], {}),
    ("Reshape", [(2, 3, 4)], [np.array([2, 12])], {}),
    ("Squeeze", [(2, 1, 4)], [np.array([1])], {}),
    ("Unsqueeze", [(2, 4)], [np.array([1])], {}),
    ("Relu", [(3, 5)], [], {}),
    ("LeakyRelu", [(3, 5)], [], {"alpha": 0.2}),
    ("Clip", [(3, 5)], [np.float32(-1), np.float32(1.1)], {}),
    ("Clip", [(3, 5)], [np.float32(0)], {}),
    ("Sigmoid", [(3, 5)], [], {}),
    ("Tanh", [(3, 5)], [], {}),
    ("Erf", [(3, 5)], [], {}),
    ("Softmax", [(2, 3, 4)], [], {"axis": 1}),
    ("Softmax", [(2, 3, 4)], [], {}),
    ("Add", [(2, 3, 4), (3, 1)], [], {}),
    ("Sub", [(3, 4), (2, 3, 4)], [], {}),
    ("Mul", [(2, 3, 4), (4,)], [], {}),
    ("Div", [(2, 3, 4), (2, 1, 4)], [], {}),
    ("MatMul", [(2, 3, 4), (4, 5)], [], {}),
    ("MatMul", [(2, 3, 4), (2, 4, 5)], [], {}),
    ("Gemm", [(3, 4)], ["w5x4", "w5"], {"transB": 1}),
    ("Gemm", [(3, 4)], ["w4x5"], {"alpha": 0.5}),
    ("Conv", [(2, 3, 7, 6)], ["w4x3x3x3", "w4"], {"pads": [1, 0, 1, 2], "strides": [2, 1]}),
    ("Conv", [(2, 4, 6, 6)], ["w8x1x3x3"], {"group": 4, "dilations": [2, 1]}),
    ("Conv", [(2, 3, 9)], ["w4x3x3"], {"strides": [3]}),
    ("AveragePool", [(2, 3, 7, 6)], [], {"kernel_shape": [3, 2], "strides": [2, 2]}),
    (
        "AveragePool",
        [(2, 3, 6, 6)],
        [],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    ("MaxPool", [(2, 3, 7, 6)], [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    ("MaxPool", [(2, 3, 7, 7)], [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("GlobalAveragePool", [(2, 3, 4, 5)], [], {}),
    ("Transpose", [(2, 3, 4)], [], {"perm": [1, 2, 0]}),
    ("Transpose", [(2, 3)], [], {}),
    ("Concat", [(2, 3), (2, 1), (2, 4)], [], {"axis": 1}),
    (
        "Slice",
        [(2, 7, 6)],
        [np.array([1, 0]), np.array([6, 99]), np.array([1, 2]), np.array([2, 3])],
        {},
    ),
    ("Slice", [(5, 6)], [np.array([1]), np.array([-1])], {}),
    ("Pad", [(2, 3, 4)], [np.array([0, 1, 0, 0, 2, 3])], {}),
    ("LayerNormalization", [(2, 3, 8)], ["w8", "w8"], {"axis": -1}),
]


def operand(spec, rng):
    """A constant, or random weights of a shape such as ``w4x3``."""
    if not isinstance(spec, str):
        return np.asarray(spec)
    shape = [int(size) for size in spec[1:].split("x")]
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_products_are_those_of_differences(case):
    kind, shapes, rest, attributes = case
    rng = np.random.default_rng(0)
    # No two values, and no value and a bend, are closer than the step of the differences.
    inputs = [
        ((rng.permutation(int(np.prod(shape))) + 0.37).reshape(shape) / 7 - 1.3).astype(np.float32)
        for shape in shapes
    ]
    if kind == "Div":
        inputs[1] = np.abs(inputs[1]) + np.float32(0.5)
    constants = [operand(spec, rng) for spec in rest]
    names = [f"x{i}" for i in range(len(inputs))]
    others = [f"c{i}" for i in range(len(constants))]
    node = helper.make_node(kind, [*names, *others], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape)
            for name, x in zip(names, inputs, strict=True)
        ],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(x, name) for x, name in zip(constants, others, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    running = onnxruntime.InferenceSession(model.SerializeToString())

    def run(values):
        (y,) = running.run(None, dict(zip(names, values, strict=True)))
        return np.asarray(y).astype(np.float64)

    assert differentiable(node)
    y = run(inputs).astype(np.float32)
    probes = rng.standard_normal((3, *y.shape)).astype(np.float32)
    call = Call(
        node=node, inputs=[*inputs, *constants], output=y, wanted=frozenset(range(len(inputs)))
    )
    found = RULES[kind](call, probes)
    step = 0.01
    for i, x in enumerate(inputs):
        gradient = found[i]
        assert gradient is not None
        assert gradient.shape == (3, *x.shape)
        for _ in range(3):
            way = rng.uniform(-1, 1, x.shape).astype(np.float32)
            ends = (
                [*inputs[:i], x + np.float32(sign * step) * way, *inputs[i + 1 :]]
                for sign in (1, -1)
            )
            change = np.subtract(*(run(values) for values in ends)) / (2 * step)
            wanted = (probes * change).sum(axis=tuple(range(1, probes.ndim)))
            product = (gradient * way).sum(axis=tuple(range(1, gradient.ndim)))
            size = np.linalg.norm(probes) * np.linalg.norm(change)
            np.testing.assert_allclose(product, wanted, atol=2e-3 * float(size))


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "ceil_mode": 1}),
        ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Conv", {"auto_pad": "SAME_UPPER"}),
        ("Pad", {"mode": "reflect"}),
        ("Gemm", {"transA": 1}),
        ("TopK", {}),
    ],
)
def test_what_no_rule_holds_for_is_known(kind, attributes):
    assert not differentiable(helper.make_node(kind, ["a", "b"], ["y"], **attributes))
