"""Nodes in any order, and functions of the model's own: read as onnxruntime reads them."""

import random
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.fine import run_finely
from helpers.prescribed import difference, network, run_with_onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from macwright.dse.workload import load_workload

RNG = np.random.default_rng(3)
X = RNG.standard_normal((6, 3, 6, 6)).astype(np.float32)
W = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)


def same(folder, proto, outputs=run_with_onnxruntime):
    """Both run it, ours with layers in 16 bits."""
    onnx.save(proto, folder / "net.onnx")
    workload, ours = run_finely(folder / "net.onnx", X)
    assert difference(ours, outputs(proto, X)) < 1e-3
    return workload


def by_reference(proto, x):
    """Outputs of ONNX's evaluator; onnxruntime takes functions of other opsets for the model's."""
    (outputs, *_) = list(ReferenceEvaluator(proto).run(None, {"x": x}))
    return np.asarray(outputs)


def residual():
    """Weights behind three operators, a quantiser and two ways to one sum, in order."""
    nodes = [
        ("Transpose", ["turned"], "plain", {"perm": [3, 2, 0, 1]}),
        ("Mul", ["plain", "two"], "w", {}),
        ("QuantizeLinear", ["x", "scale", "zero"], "codes", {}),
        ("DequantizeLinear", ["codes", "scale", "zero"], "rounded", {}),
        ("Conv", ["rounded", "w"], "c", {"pads": [1, 1, 1, 1], "name": "first"}),
        ("Relu", ["c"], "r", {}),
        ("Conv", ["r", "square"], "d", {"pads": [1, 1, 1, 1], "name": "second"}),
        ("Add", ["d", "r"], "y", {}),
    ]
    values = {
        "turned": np.ascontiguousarray(W.transpose(2, 3, 1, 0)),
        "two": np.float32(2),
        "scale": np.float32(0.04),
        "zero": np.uint8(118),
        "square": RNG.standard_normal((4, 4, 3, 3)).astype(np.float32),
    }
    return network(nodes, values, opset=17)


def shuffled(proto, seed):
    copy = onnx.ModelProto.FromString(proto.SerializeToString())
    nodes = list(copy.graph.node)
    random.Random(seed).shuffle(nodes)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


@pytest.mark.parametrize("seed", range(4))
def test_nodes_in_any_order(tmp_path, seed):
    workload = same(tmp_path, shuffled(residual(), seed))
    assert [(layer.name, layer.weights) for layer in workload.layers] == [
        ("first", W.size),
        ("second", 144),
    ]


def test_nodes_in_any_order_in_branches_and_with_an_output_of_several(tmp_path):
    inner = [
        helper.make_node("Relu", ["inside"], ["t"]),
        helper.make_node("Conv", ["x", "w"], ["inside"]),
    ]
    other = [helper.make_node("Conv", ["x", "v"], ["e"])]
    branches = {
        f"{name}_branch": helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(end, TensorProto.FLOAT, None)]
        )
        for name, nodes, end in (("then", inner, "t"), ("else", other, "e"))
    }
    nodes = [("Neg", ["h"], "y", {}), ("If", ["yes"], "h", branches), ("Abs", ["h"], "z", {})]
    proto = network(nodes, {"w": W, "v": -W, "yes": np.array(True)}, opset=17)
    proto.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    onnx.save(proto, tmp_path / "net.onnx")
    (layer,) = load_workload(tmp_path / "net.onnx", output="y").layers
    assert (layer.weights, layer.macs) == (W.size, W.size * 16)


def test_a_circle_is_refused(tmp_path):
    nodes = [("Conv", ["b", "w"], "a", {}), ("Relu", ["a"], "b", {}), ("Add", ["x", "b"], "y", {})]
    onnx.save(network(nodes, {"w": W}, opset=17), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"Node \w+ of net\.onnx must not wait for a result of"):
        load_workload(tmp_path / "net.onnx")


def with_function(nodes, *, opset, name="Body", domain="own"):
    """A function of an opset, of ``(a, b)``, in a model of opset 17."""
    proto = network([(name, ["x", "w"], "y", {"domain": domain})], {"w": W}, opset=17)
    body = helper.make_function(
        domain, name, ["a", "b"], ["c"], nodes, [helper.make_opsetid("", opset)]
    )
    proto.functions.append(body)
    proto.opset_import.append(helper.make_opsetid("own", 1))
    return proto


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
def test_functions_of_other_opsets(tmp_path, opset):
    """Axes are attributes until opset 12."""
    axes: dict[str, Any] = {"axes": [0]} if opset < 13 else {}
    more = [] if opset < 13 else ["zero"]
    nodes = [
        helper.make_node("Constant", [], ["zero"], value_ints=[0]),
        helper.make_node("Conv", ["a", "b"], ["t"]),
        helper.make_node("Unsqueeze", ["t", *more], ["u"], **axes),
        helper.make_node("Squeeze", ["u", *more], ["s"], **axes),
        helper.make_node("Relu", ["s"], ["c"]),
    ]
    nodes = nodes if opset >= 13 else nodes[1:]
    (layer,) = same(tmp_path, with_function(nodes, opset=opset), by_reference).layers
    assert (layer.op, layer.weights) == ("Conv", W.size)


def test_functions_that_no_one_can_convert(tmp_path):
    nodes = [
        helper.make_node("Conv", ["a", "b"], ["t"]),
        helper.make_node("GroupNormalization", ["t", "b", "b"], ["c"], num_groups=2),
    ]
    onnx.save(with_function(nodes, opset=18), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"functions that ONNX can write out.* with one opset"):
        load_workload(tmp_path / "net.onnx")


def test_functions_with_the_name_of_a_standard_operator_are_refused(tmp_path):
    nodes = [helper.make_node("Neg", ["a"], ["c"])]
    onnx.save(with_function(nodes, opset=17, name="Conv", domain=""), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"Function 'Conv' of net\.onnx must have a domain of its"):
        load_workload(tmp_path / "net.onnx")
