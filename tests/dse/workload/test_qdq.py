"""QDQ models of every kind against onnxruntime, node by node as they stand."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers.prescribed import checked, network, run_prescribed
from onnx import TensorProto, helper

RNG = np.random.default_rng(7)
X = (RNG.standard_normal((12, 3, 6, 6)) * 2).astype(np.float32)
CODES = RNG.integers(-127, 128, (3, 3, 3, 3)).astype(np.int8)
PER_CHANNEL = np.array([0.01, 0.04, 0.09], np.float32)


VALUES = {
    "xs": np.float32(0.05),
    "xz": np.uint8(100),
    "w": CODES,
    "ws": PER_CHANNEL,
    "wz": np.zeros(3, np.int8),
}
ACT = [
    ("QuantizeLinear", ["x", "xs", "xz"], "q", {}),
    ("DequantizeLinear", ["q", "xs", "xz"], "d", {}),
]
WEIGHT = [("DequantizeLinear", ["w", "ws", "wz"], "v", {"axis": 0})]
CONV = [("Conv", ["d", "v"], "y", {"pads": [1, 1, 1, 1]})]


@pytest.mark.parametrize("axis", [0, 1, -4, -3])
def test_scales_of_output_and_input_channels(tmp_path, axis):
    weight = [("DequantizeLinear", ["w", "ws", "wz"], "v", {"axis": axis})]
    workload = checked(
        tmp_path, X, network([*ACT, *weight, *CONV], VALUES), formats=[("int8", "uint8")]
    )
    fixed, _ = next(iter(workload.fixed.values()))
    assert fixed is not None
    scale = fixed.scale
    assert np.squeeze(scale).tolist() == PER_CHANNEL.tolist()
    assert scale.shape[axis] == 3


@pytest.mark.parametrize(
    ("axis", "perm"),
    [(0, [1, 0]), (1, [1, 0]), (-1, [1, 0]), (-2, [1, 0]), (0, [0, 1]), (1, [0, 1])],
)
def test_square_matrices(tmp_path, axis, perm):
    values = {
        "xs": np.float32(0.02),
        "w": RNG.integers(-128, 128, (6, 6)).astype(np.int8),
        "ws": np.linspace(0.01, 0.9, 6, dtype=np.float32),
    }
    nodes = [
        ("QuantizeLinear", ["x", "xs"], "q", {"output_dtype": TensorProto.INT8}),
        ("DequantizeLinear", ["q", "xs"], "d", {}),
        ("DequantizeLinear", ["w", "ws"], "v", {"axis": axis}),
        ("Transpose", ["v"], "t", {"perm": perm}),
        ("MatMul", ["d", "t"], "y", {}),
    ]
    checked(tmp_path, X, network(nodes, values), formats=[("int8", "int8")])


@pytest.mark.parametrize(
    ("name", "dtype", "act"),
    [
        ("INT16", np.int16, False),
        ("UINT16", np.uint16, False),
        ("INT4", ml_dtypes.int4, False),
        ("UINT4", ml_dtypes.uint4, False),
        ("FLOAT8E4M3FN", ml_dtypes.float8_e4m3fn, True),
        ("FLOAT8E5M2", ml_dtypes.float8_e5m2, True),
        ("INT8", np.int8, False),
        ("FLOAT8E4M3FNUZ", ml_dtypes.float8_e4m3fnuz, True),
        ("FLOAT8E5M2FNUZ", ml_dtypes.float8_e5m2fnuz, True),
    ],
)
def test_element_types(tmp_path, name, dtype, act):
    weights = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32)
    top = float(ml_dtypes.finfo(dtype).max) if act else float(ml_dtypes.iinfo(dtype).max)
    step = np.float32(4 / top)
    middle = 0 if act or name.startswith("I") else 1 << (ml_dtypes.iinfo(dtype).bits - 1)
    values = {
        "xs": step,
        "xz": np.zeros((), dtype),
        "ws": np.float32(2.5) * step,
        "w": weights,
        "wz": np.array(middle, dtype),
    }
    nodes = [
        *ACT,
        ("QuantizeLinear", ["w", "ws", "wz"], "c", {}),
        ("DequantizeLinear", ["c", "ws", "wz"], "v", {}),
        *CONV,
    ]
    checked(tmp_path, X, network(nodes, values), bound=2e-5)
    signed = np.maximum(weights, 0) if name.startswith("U") else weights
    values["w"] = (signed * (top if act else min(top, 127)) / 4).astype(dtype)
    nodes = [*ACT, ("DequantizeLinear", ["w", "ws"], "v", {}), *CONV]
    workload = checked(tmp_path, X, network(nodes, values), bound=2e-5)
    _, fixed = next(iter(workload.fixed.values()))
    assert fixed is not None
    assert str(fixed.format) == np.dtype(dtype).name.removeprefix("float8_")


@pytest.mark.parametrize("axis", [0, 1])
def test_blocks(tmp_path, axis):
    shape = (6, 6)
    scales = RNG.random(tuple(-(-n // 4) if i == axis else n for i, n in enumerate(shape)))
    values = {
        "xs": np.float32(0.05),
        "xz": np.uint8(100),
        "ws": scales.astype(np.float32),
        "w": RNG.integers(-8, 8, shape).astype(ml_dtypes.int4),
        "wz": RNG.integers(-3, 3, scales.shape).astype(ml_dtypes.int4),
    }
    nodes = [
        *ACT,
        ("DequantizeLinear", ["w", "ws", "wz"], "v", {"axis": axis, "block_size": 4}),
        ("MatMul", ["d", "v"], "y", {}),
    ]
    workload = checked(tmp_path, X, network(nodes, values))
    assert workload.notes[0].endswith("weight_bytes counts their codes without the scales")


BETWEEN = {
    "MaxPool": ({"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}, []),
    "Transpose": ({"perm": [0, 1, 3, 2]}, []),
    "Reshape": ({}, [np.array([0, 3, 4, 9])]),
    "Flatten": ({"axis": 1}, []),
    "Clip": ({}, [np.uint8(90), np.uint8(120)]),
    "Slice": ({}, [np.array([0]), np.array([4]), np.array([2])]),
    "Pad": ({}, [np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.uint8(100)]),
    "Unsqueeze": ({}, [np.array([0])]),
    "Cast": ({"to": TensorProto.INT32}, []),
}


@pytest.mark.parametrize("op", BETWEEN)
def test_operators_between_quantise_and_dequantise(tmp_path, op):
    attributes, constants = BETWEEN[op]
    extra = {f"k{i}": value for i, value in enumerate(constants)}
    values = {
        **VALUES,
        **extra,
        "wm": RNG.integers(-8, 8, (108, 5)).astype(np.int8),
        "f": np.array([0, 3, 6, 6]),
    }
    if op == "Cast":
        values["xz"] = np.uint8(0)
    zero = ["xz"] if op != "Cast" else []
    tail = [("DequantizeLinear", ["p", "xs", *zero], "d", {})]
    if op == "Unsqueeze":
        tail.append(("Squeeze", ["d", "k0"], "e", {}))
    elif op == "Flatten":
        tail += [("Reshape", ["d", "f"], "e", {})]
        values["f"] = np.array([-1, 3, 6, 6])
    end = [("Conv", ["e" if op in ("Unsqueeze", "Flatten") else "d", "v"], "y", {})]
    nodes = [ACT[0], (op, ["q", *extra], "p", attributes), *tail, *WEIGHT, *end]
    checked(tmp_path, X, network(nodes, values))


def test_relu_between_and_integers_out(tmp_path):
    values = {**VALUES, "xz": np.int8(0), "ys": np.float32(0.3), "yz": np.int8(-5)}
    nodes = [
        ACT[0],
        ("Relu", ["q"], "r", {}),
        ("DequantizeLinear", ["r", "xs", "xz"], "d", {}),
        *WEIGHT,
        ("Conv", ["d", "v"], "c", {}),
        ("QuantizeLinear", ["c", "ys", "yz"], "y", {}),
    ]
    checked(tmp_path, X, network(nodes, values, out=TensorProto.INT8))


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_integers_in(tmp_path, kind):
    x = RNG.integers(np.iinfo(kind).min, np.iinfo(kind).max, X.shape).astype(kind)
    values = {**VALUES, "xz": kind(7)}
    nodes = [
        ("MaxPool", ["x"], "p", {"kernel_shape": [2, 2]}),
        ("DequantizeLinear", ["p", "xs", "xz"], "d", {}),
        *WEIGHT,
        *CONV,
    ]
    proto = network(nodes, values, kind=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
    checked(tmp_path, x, proto, formats=[("int8", np.dtype(kind).name)])


def test_narrow_codes_of_a_clip(tmp_path):
    values = {
        **VALUES,
        "xz": np.uint8(0),
        "ws": np.float32(0.1),
        "wz": np.int8(0),
        "lo": np.int8(-8),
        "hi": np.int8(7),
        "zero": np.uint8(0),
        "top": np.uint8(15),
        "f": RNG.standard_normal((3, 3, 3, 3)).astype(np.float32),
    }
    nodes = [
        ACT[0],
        ("Clip", ["q", "zero", "top"], "n", {}),
        ("DequantizeLinear", ["n", "xs", "xz"], "d", {}),
        ("QuantizeLinear", ["f", "ws", "wz"], "c", {}),
        ("Clip", ["c", "lo", "hi"], "k", {}),
        ("DequantizeLinear", ["k", "ws", "wz"], "v", {}),
        *CONV,
    ]
    checked(tmp_path, X, network(nodes, values), formats=[("int4", "uint4")])


def test_scales_differ_and_zero_scales(tmp_path):
    values = {**VALUES, "ds": np.float32(0.2), "ws": np.array([0.1, 0, 0.3], np.float32)}
    nodes = [ACT[0], ("DequantizeLinear", ["q", "ds", "xz"], "d", {}), *WEIGHT, *CONV]
    checked(tmp_path, X, network(nodes, values))
    values["xs"] = np.float32(0)
    onnx.save(network(nodes, values), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"Node q of net\.onnx must have scales above 0, not 0"):
        run_prescribed(tmp_path / "net.onnx", X)


@pytest.mark.parametrize("zero", [0, 3])
def test_second_operands(tmp_path, zero):
    values = {"xs": np.float32(0.05), "xz": np.uint8(100), "s": np.float32(0.9), "z": np.int8(zero)}
    nodes = [
        *ACT,
        ("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}),
        ("QuantizeLinear", ["t", "s", "z"], "u", {}),
        ("DequantizeLinear", ["u", "s", "z"], "v", {}),
        ("MatMul", ["d", "v"], "y", {}),
    ]
    checked(tmp_path, X, network(nodes, values), formats=[("int8", "uint8")])


@pytest.mark.parametrize(
    "attributes", [{"alpha": 2.5}, {"transB": 1, "alpha": 0.5, "beta": 3.0}, {"beta": 0.25}]
)
def test_gemm(tmp_path, attributes):
    values = {
        "xs": np.float32(0.05),
        "xz": np.uint8(100),
        "w": RNG.integers(-127, 128, (6, 6)).astype(np.int8),
        "ws": np.linspace(0.01, 0.1, 6, dtype=np.float32),
        "b": RNG.integers(-500, 500, 6).astype(np.int32),
        "bs": np.linspace(0.01, 0.1, 6, dtype=np.float32),
    }
    nodes = [
        *ACT,
        ("DequantizeLinear", ["w", "ws"], "v", {"axis": 0 if attributes.get("transB") else 1}),
        ("DequantizeLinear", ["b", "bs"], "c", {"axis": 0}),
        ("Gemm", ["d", "v", "c"], "y", attributes),
    ]
    checked(tmp_path, X[:, 0, 0], network(nodes, values, shape=("N", 6)), bound=2e-6)


def test_what_is_refused(tmp_path):
    def refused(nodes, values, message):
        onnx.save(network(nodes, values), tmp_path / "net.onnx")
        with pytest.raises(ValueError, match=message) as caught:
            run_prescribed(tmp_path / "net.onnx", X)
        assert "\n" not in str(caught.value)

    many = {**VALUES, "xs": PER_CHANNEL, "xz": np.full(3, 100, np.uint8)}
    act = [
        ("QuantizeLinear", ["x", "xs", "xz"], "q", {"axis": 1}),
        ("DequantizeLinear", ["q", "xs", "xz"], "d", {"axis": 1}),
    ]
    refused([*act, *WEIGHT, *CONV], many, "must have one scale for all channels, not 3 scales")
    wrong = [("Add", ["q", "q"], "p", {}), ("DequantizeLinear", ["p", "xs", "xz"], "d", {})]
    refused([ACT[0], *wrong, *WEIGHT, *CONV], VALUES, "must not compute with codes, as Add between")
    computed = [
        ("ReduceMax", ["x"], "m", {"keepdims": 0}),
        ("QuantizeLinear", ["x", "m", "xz"], "q", {}),
    ]
    refused(
        [*computed, ACT[1], *WEIGHT, *CONV],
        VALUES,
        "must have constant scales, .* not 'm', which is",
    )
    refused(
        [*ACT, *WEIGHT, *CONV],
        {**VALUES, "ws": np.array([1, np.nan, 1], np.float32)},
        "not NaN or infinity",
    )


def test_scales_for_each_channel_between_layers_that_multiply_nothing(tmp_path):
    values = {**VALUES, "ps": PER_CHANNEL * 40, "pz": np.array([3, 9, 200], np.uint8)}
    nodes = [
        ("QuantizeLinear", ["x", "ps", "pz"], "pq", {"axis": -3}),
        ("DequantizeLinear", ["pq", "ps", "pz"], "pd", {"axis": 1}),
        ("Mul", ["pd", "pd"], "m", {}),
        ("QuantizeLinear", ["m", "xs", "xz"], "q", {}),
        *ACT[1:],
        *WEIGHT,
        *CONV,
    ]
    checked(tmp_path, X, network(nodes, values), formats=[("int8", "uint8")])
