"""Products whose weights come first, or in stacks: layers of weights like others."""

import numpy as np
import onnx
import pytest
from helpers.fine import run_finely
from helpers.prescribed import checked, difference, network, run_with_onnxruntime

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


#: Operator, shapes of weights and of a sample, attributes, multiplications of a sample.
PRODUCTS = {
    "matrix": ("MatMul", (5, 8), (8, 6), {}, 5 * 8 * 6),
    "vector": ("MatMul", (8,), (8, 6), {}, 8 * 6),
    "stack": ("MatMul", (3, 5, 8), (3, 8, 6), {}, 3 * 5 * 8 * 6),
    "axes of one": ("MatMul", (1, 1, 5, 8), (3, 8, 6), {}, 3 * 5 * 8 * 6),
    "stack of one sample": ("MatMul", (3, 5, 8), (1, 8, 6), {}, 3 * 5 * 8 * 6),
    "gemm": ("Gemm", (5, 8), (8,), {"transB": 1}, 5 * 8),
    "gemm turned": ("Gemm", (8, 5), (8,), {"transA": 1, "transB": 1, "alpha": 0.5}, 5 * 8),
    "heads": ("Einsum", (3, 8, 5), (3, 8), {"equation": "hij,bhi->bhj"}, 3 * 8 * 5),
}


@pytest.mark.parametrize("kind", PRODUCTS)
def test_they_are_counted_computed_and_quantised(tmp_path, kind):
    op, weights, sample, attributes, macs = PRODUCTS[kind]
    proto = network(
        [(op, ["w", "x"], "y", attributes)], {"w": normal(*weights)}, shape=("N", *sample), opset=17
    )
    onnx.save(proto, tmp_path / "net.onnx")
    x = normal(6, *sample)
    wanted = run_with_onnxruntime(proto, x)
    workload, outputs = run_finely(tmp_path / "net.onnx", x)
    if workload.fixed_batch:
        wanted = np.concatenate([run_with_onnxruntime(proto, row[None]) for row in x])
    assert not any(layer.dynamic for layer in workload.layers)
    assert sum(layer.macs for layer in workload.layers) == macs
    assert sum(layer.weights for layer in workload.layers) == np.prod(weights)
    assert difference(outputs, wanted) < 1e-3


ACT = [
    ("QuantizeLinear", ["x", "xs", "xz"], "q", {}),
    ("DequantizeLinear", ["q", "xs", "xz"], "d", {}),
]


@pytest.mark.parametrize(
    ("shape", "axis", "nodes"),
    [
        ((5, 8), 0, [("MatMul", ["v", "d"], "y", {})]),
        ((5, 8), 0, [("Gemm", ["v", "d"], "y", {})]),
        ((8, 5), 1, [("Transpose", ["d"], "t", {}), ("Gemm", ["t", "v"], "y", {})]),
        (
            (8, 5), 1,
            [("Transpose", ["d"], "t", {"perm": [0, 1]}), ("Gemm", ["t", "v"], "y", {"transA": 1})],
        ),
        ((8, 5), 1, [("Einsum", ["d", "v"], "y", {"equation": "ib,ij->bj"})]),
        ((3, 5, 8), 0, [("MatMul", ["v", "d"], "y", {})]),
    ],
)  # fmt: skip
def test_prescribed_formats_go_with_both_operands(tmp_path, shape, axis, nodes):
    values = {
        "xs": np.float32(0.05),
        "xz": np.uint8(100),
        "w": RNG.integers(-127, 128, shape).astype(np.int8),
        "s": np.linspace(0.01, 0.2, shape[axis], dtype=np.float32),
    }
    weight = [("DequantizeLinear", ["w", "s"], "v", {"axis": axis})]
    proto = network([*ACT, *weight, *nodes], values, shape=(8, 6))
    count = shape[0] if len(shape) == 3 else 1
    checked(tmp_path, normal(8, 6) * 2, proto, formats=[("int8", "uint8")] * count)
