"""QONNX models of every kind against the qonnx package's own execution."""

import numpy as np
import onnx
import pytest
from helpers.prescribed import difference, run_prescribed
from onnx import TensorProto, helper, numpy_helper

wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason="the package qonnx is absent")
from qonnx.core.onnx_exec import execute_onnx  # noqa: E402
from qonnx.custom_op.general.intquant import int_quant  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402

GENERAL = "qonnx.custom_op.general"
MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
rng = np.random.default_rng(11)
#: Multiples of a quarter: many lie half-way between codes.
X = (rng.integers(-40, 41, (10, 4, 6, 6)) / 4).astype(np.float32)


def network(nodes, values, *, opset=17, domain=GENERAL, version=1, shape=(10, 4, 6, 6)):
    """Model of nodes ``(op, inputs, output, attributes)`` from ``x`` to ``y``."""
    made = [
        helper.make_node(
            op, inputs, [result], name=f"n_{result}", domain=domain if op in OWN else "", **rest
        )
        for op, inputs, result, rest in nodes
    ]
    graph = helper.make_graph(
        made,
        "qonnx",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in values.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(domain, version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


OWN = {"Quant", "IntQuant", "BipolarQuant", "FloatQuant", "Trunc", "MultiThreshold"}


def checked(tmp_path, proto, x=X, *, formats=None, bound=1e-6):
    """Both run the model; the outputs agree."""
    model = wrapper.ModelWrapper(proto).transform(InferShapes())
    theirs = execute_onnx(model, {"x": x})["y"]
    proto.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, list(theirs.shape))
    )
    onnx.save(proto, tmp_path / "net.onnx")
    workload, given, ours = run_prescribed(tmp_path / "net.onnx", x)
    assert np.abs(theirs).max() > 0
    assert difference(ours, theirs) < bound
    if formats is not None:
        assert sorted(given.values()) == sorted(formats)
    return workload


VALUES = {
    "w": rng.standard_normal((4, 4, 3, 3)),
    "ws": np.array([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1, 1),
    "as": 0.5,
    "z": 0,
    "four": 4,
    "eight": 8,
}
WEIGHT = [
    ("Quant", ["w", "ws", "z", "four"], "qw", {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"})
]
CONV = [("Conv", ["qx", "qw"], "y", {})]


def act(**attributes):
    rest = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes
    return [("Quant", ["x", "as", "z", "eight"], "qx", rest)]


@pytest.mark.parametrize("mode", [*MODES, "round_to_zero", "floor"])
@pytest.mark.parametrize("where", ["weights", "activations"])
def test_rounding_modes(tmp_path, monkeypatch, mode, where):
    if mode == "round_to_zero":  # Brevitas' word for what the package calls DOWN
        from qonnx.custom_op.general import intquant

        known = intquant.resolve_rounding_mode
        monkeypatch.setattr(
            intquant,
            "resolve_rounding_mode",
            lambda name: np.fix if name == "round_to_zero" else known(name),
        )
    weight = [(*WEIGHT[0][:3], {"signed": 1, "narrow": 1, "rounding_mode": mode})]
    nodes = [*act(), *weight] if where == "weights" else [*act(rounding_mode=mode), *WEIGHT]
    values = {**VALUES, "w": rng.integers(-20, 21, (4, 4, 3, 3)) / 20}
    checked(tmp_path, network([*nodes, *CONV], values), formats=[("int4sym", "int8")])


@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("bits", [1, 2, 2.5, 3, 8])
@pytest.mark.parametrize("zero", [0, 2])
def test_ranges(tmp_path, signed, narrow, bits, zero):
    if narrow and bits == 1:  # no code but 0
        bits = 4
    values = {**VALUES, "eight": bits, "az": zero}
    node = (*act()[0][:3], {"signed": signed, "narrow": narrow, "rounding_mode": "ROUND"})
    nodes = [("Quant", ["x", "as", "az", "eight"], *node[2:]), *WEIGHT, *CONV]
    checked(tmp_path, network(nodes, values))


@pytest.mark.parametrize(
    "shape", [(4, 1, 1, 1), (1, 4, 1, 1), (4, 4, 1, 1), (1, 1, 3, 3), (1,), ()]
)
def test_scales_of_every_shape(tmp_path, shape):
    values = {**VALUES, "ws": rng.random(shape) + 0.1}
    checked(tmp_path, network([*act(), *WEIGHT, *CONV], values), formats=[("int4sym", "int8")])


def test_widths_of_channels(tmp_path):
    widths = np.array([2, 3, 4, 5], np.float32)
    values = {**VALUES, "four": widths.reshape(4, 1, 1, 1)}
    proto = network([*act(), *WEIGHT, *CONV], values)
    # The package itself takes one width only: channel by channel.
    weight, scale = (np.asarray(values[name], np.float32) for name in ("w", "ws"))
    rounded = [
        int_quant(w, s, np.float32(0), bits, True, True, "ROUND")
        for w, s, bits in zip(weight, scale, widths, strict=True)
    ]
    plain = network([*act(), ("Identity", ["w"], "qw", {}), *CONV], {**values, "w": rounded})
    theirs = execute_onnx(wrapper.ModelWrapper(plain).transform(InferShapes()), {"x": X})["y"]
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, list(theirs.shape)))
    onnx.save(proto, tmp_path / "net.onnx")
    _, given, ours = run_prescribed(tmp_path / "net.onnx", X)
    assert difference(ours, theirs) < 1e-6
    assert given == {"n_y": ("int5sym", "int8")}


def test_zero_points_of_weights(tmp_path):
    values = {**VALUES, "wz": 3}
    weight = [("Quant", ["w", "ws", "wz", "four"], "qw", {"signed": 0, "narrow": 0})]
    checked(tmp_path, network([*act(), *weight, *CONV], values))


@pytest.mark.parametrize("domain", ["onnx.brevitas", "finn.custom_op.general", GENERAL])
def test_binary_networks(tmp_path, domain):
    values = {**VALUES, "bs": 0.3, "vs": np.array([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1, 1)}
    nodes = [("BipolarQuant", ["x", "bs"], "qx", {}), ("BipolarQuant", ["w", "vs"], "qw", {})]
    proto = network([*nodes, *CONV], values)
    checked(tmp_path, proto, formats=[("binary", "binary")])
    for node in proto.graph.node[:2]:
        node.domain = domain
    del proto.opset_import[1:]
    onnx.save(proto, tmp_path / "net.onnx")
    assert run_prescribed(tmp_path / "net.onnx", X)[1] == {"n_y": ("binary", "binary")}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ((4, 3, 7, 448), "e4m3fn"),
        ((5, 2, 15, 57344), "e5m2"),
        ((2, 1, 1, 6), "e2m1fn"),
        ((3, 2, 3, 28), "e3m2fn"),
    ],
)
def test_minifloats(tmp_path, fields, name):
    e, m, bias, top = fields
    values = {**VALUES, "e": e, "m": m, "b": bias, "t": top, "as": 0.7}
    rest = {
        "rounding_mode": "ROUND",
        "has_inf": 0,
        "has_nan": 0,
        "has_subnormal": 1,
        "saturation": 1,
    }
    nodes = [
        ("FloatQuant", ["x", "as", "e", "m", "b", "t"], "qx", rest),
        ("FloatQuant", ["w", "ws", "e", "m", "b", "t"], "qw", rest),
    ]
    checked(tmp_path, network([*nodes, *CONV], values), formats=[(name, name)])


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("signed", [0, 1])
def test_truncation_after_average_pooling(tmp_path, mode, version, signed):
    values = {**VALUES, "ten": 10, "five": 5, "ts": 4.0}
    inputs = (
        ["s", "as", "z", "ten", "five"] if version == 1 else ["s", "as", "z", "ten", "ts", "five"]
    )
    rest = {"rounding_mode": mode} | ({} if version == 1 else {"signed": signed, "narrow": 0})
    nodes = [
        *act(signed=signed),
        ("AveragePool", ["qx"], "p", {"kernel_shape": [2, 2], "strides": [1, 1]}),
        ("Mul", ["p", "k"], "s", {}),
        ("Trunc", inputs, "t", rest),
        *WEIGHT,
        ("Conv", ["t", "qw"], "y", {}),
    ]
    values["k"] = 4
    values["as"] = 0.25 if version == 1 else 0.5
    checked(tmp_path, network(nodes, values, version=version))


@pytest.mark.parametrize(("mode", "width"), [("FLOOR", 3), ("DOWN", 3), ("CEIL", 4), ("ROUND", 4)])
@pytest.mark.parametrize("signed", [0, 1])
def test_truncation_may_round_the_largest_codes_up(tmp_path, mode, width, signed):
    """Of 6 bits 31 becomes 4 of units of 8, which 3 bits do not hold."""
    values = {**VALUES, "six": 6, "three": 3, "as": 0.25}
    rest = {"signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
    nodes = [
        ("Quant", ["x", "as", "z", "six"], "qx", rest),
        ("Trunc", ["qx", "as", "z", "six", "three"], "t", {"rounding_mode": mode}),
        *WEIGHT,
        ("Conv", ["t", "qw"], "y", {}),
    ]
    act = f"{'' if signed else 'u'}int{width}"
    checked(tmp_path, network(nodes, values), 3 * X, formats=[("int4sym", act)])


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 17, 21])
def test_opsets(tmp_path, opset):
    values = {
        **VALUES,
        "g": rng.random(4) + 0.5,
        "b": rng.standard_normal(4),
        "m": rng.standard_normal(4),
        "v": rng.random(4) + 0.5,
        "f": rng.standard_normal((16, 5)),
        "fs": rng.random((1, 5)) + 0.1,
    }
    nodes = [
        *act(),
        *WEIGHT,
        ("Conv", ["qx", "qw"], "c", {}),
        ("BatchNormalization", ["c", "g", "b", "m", "v"], "n", {}),
        ("Relu", ["n"], "r", {}),
        (
            "Quant",
            ["r", "as", "z", "four"],
            "q",
            {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"},
        ),
        ("MaxPool", ["q"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", ["p"], "l", {}),
        (
            "Quant",
            ["f", "fs", "z", "four"],
            "qf",
            {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"},
        ),
        ("MatMul", ["l", "qf"], "y", {}),
    ]
    checked(
        tmp_path,
        network(nodes, values, opset=opset),
        formats=[("int4", "uint4"), ("int4sym", "int8")],
    )


def test_what_is_refused(tmp_path):
    def refused(nodes, values, message):
        proto = network(nodes, values)
        proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, list("abcd")))
        onnx.save(proto, tmp_path / "net.onnx")
        with pytest.raises(ValueError, match=message) as caught:
            run_prescribed(tmp_path / "net.onnx", X)
        assert "\n" not in str(caught.value)

    many = {**VALUES, "as": np.array([0.1, 0.2, 0.3, 0.4]).reshape(1, 4, 1, 1)}
    refused([*act(), *WEIGHT, *CONV], many, "must have one scale for all channels, not 4 scales")
    refused([*act(), *WEIGHT, *CONV], {**VALUES, "as": 0}, "must have scales above 0, not 0")
    computed = [
        ("GlobalMaxPool", ["x"], "as2", {}),
        ("Quant", ["x", "as2", "z", "eight"], *act()[0][2:]),
    ]
    refused(
        [*computed, *WEIGHT, *CONV], VALUES, "must have constant scales, .*'as2', which is comp"
    )
    steps = [("MultiThreshold", ["x", "th"], "qx", {"out_dtype": "UINT2"})]
    refused([*steps, *WEIGHT, *CONV], {**VALUES, "th": np.zeros((4, 3))}, "MultiThreshold")
