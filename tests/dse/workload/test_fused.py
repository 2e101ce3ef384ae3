"""Operators that onnxruntime's optimiser writes, against onnxruntime as they stand."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.fine import run_finely
from helpers.prescribed import difference, network, run_with_onnxruntime
from onnx import helper, numpy_helper

from macwright.dse.workload import load_workload

RNG = np.random.default_rng(8)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


IMAGES, ROWS, TOKENS = normal(6, 3, 6, 6), normal(6, 8), normal(6, 5, 8)
CONV = {"w": normal(4, 3, 3, 3), "b": normal(4)}
GEMM = {"w": normal(8, 4), "b": normal(4)}
NORM = {"g": normal(8), "s": normal(8), "b": normal(8), "w": normal(8, 4)}
LAST = ("MatMul", ["a", "w"], "y", {})
#: Data, nodes, constants.
CASES = {
    **{
        f"FusedConv {act} {len(more)}": (
            IMAGES,
            [
                ("Conv", ["x", "w"], "z", {}),
                ("FusedConv", ["x", "w", *more], "y", {"activation": act, **params}),
            ],
            CONV,
        )
        for act, more, params in (
            ("Relu", ["b"], {"pads": [1, 1, 1, 1], "strides": [2, 1]}),
            ("Relu", ["b", "z"], {}),
            ("LeakyRelu", [], {"activation_params": [0.3]}),
            ("Clip", ["b"], {"activation_params": [-0.5, 1.0]}),
            ("HardSigmoid", ["b"], {"activation_params": [0.3, 0.4]}),
        )
    },
    "FusedGemm": (
        ROWS,
        [("FusedGemm", ["x", "w", "b"], "y", {"activation": "LeakyRelu", "activation_alpha": 0.2})],
        GEMM,
    ),
    "FusedMatMul": (
        TOKENS, [("FusedMatMul", ["x", "w"], "y", {"alpha": 0.5, "transB": 1})],
        {"w": normal(4, 8)},
    ),
    "FusedMatMul of two": (
        TOKENS, [("FusedMatMul", ["x", "x"], "y", {"alpha": 0.1, "transA": 1})], {},
    ),
    **{
        op: (ROWS, [(op, ["x", *(["s"] if "s" in more else [])], "a", {}), LAST],
             {"w": NORM["w"], **{name: NORM[name] for name in more}})
        for op, more in (("Gelu", ""), ("BiasGelu", "s"), ("FastGelu", "s"), ("QuickGelu", ""))
    },
    "SkipLayerNormalization": (
        TOKENS,
        [("SkipLayerNormalization", ["x", "x", "g", "s", "b"], ["n", "", "", "t"],
          {"epsilon": 1e-3}), ("Add", ["n", "t"], "a", {}), LAST],
        NORM,
    ),
}  # fmt: skip


def made(case, opset):
    x, nodes, constants = CASES[case]
    proto = network(nodes, constants, shape=("N", *x.shape[1:]), opset=opset)
    for node in proto.graph.node:
        if node.op_type not in ("Add", "Conv", "MatMul"):
            node.domain = "com.microsoft"
    return x, proto


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("case", CASES)
def test_they_are_what_they_were_made_of(tmp_path, case, opset):
    x, proto = made(case, opset)
    onnx.save(proto, tmp_path / "net.onnx")
    workload, outputs = run_finely(tmp_path / "net.onnx", x)
    assert difference(outputs, run_with_onnxruntime(proto, x)) < 2e-3
    assert workload.layers[0].macs > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "Swish"}, "must have an activation of Relu, .* not Swish"),
        ({"op": "NhwcFusedConv"}, "not com.microsoft.NhwcFusedConv; take the model as it was"),
    ],
)
def test_others_are_refused(tmp_path, change, message):
    _, proto = made("FusedConv Relu 1", 17)
    node = proto.graph.node[1]
    node.op_type = change.get("op", node.op_type)
    for item in node.attribute:
        if item.name == "activation" and "activation" in change:
            item.s = change["activation"].encode()
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message):
        load_workload(tmp_path / "net.onnx")


def test_a_network_that_onnxruntime_optimised(tmp_path):
    """Written by its optimiser, extended level, and read back."""
    values = {"w": normal(4, 3, 3, 3), "b": normal(4), "v": normal(64, 5)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 3, 6, 6]), ("y", ["N", 5]))
    ]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in values.items()]
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fast.onnx")
    onnxruntime.InferenceSession(proto.SerializeToString(), options)
    assert "FusedConv" in {x.op_type for x in onnx.load(tmp_path / "fast.onnx").graph.node}
    _, outputs = run_finely(tmp_path / "fast.onnx", IMAGES)
    assert difference(outputs, run_with_onnxruntime(proto, IMAGES)) < 1e-3
