"""Networks with the formats that their files prescribe, run as macwright runs them."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, fixed_allocation, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import Workload, load_workload
from macwright.dse.workload.session import session

__all__ = [
    "checked",
    "difference",
    "network",
    "run_prescribed",
    "run_with_onnxruntime",
    "skip_where_products_saturate",
]


Inputs = np.ndarray | dict[str, np.ndarray]


#: Operators whose products of uint8 by int8 onnxruntime adds in 16 bits without VNNI.
_INTEGER_PRODUCTS = {"QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger", "QGemm"}


@cache
def products_saturate() -> bool:
    """Whether onnxruntime's sums of uint8 by int8 saturate, as on processors without VNNI."""
    text = '<ir_version: 8, opset_import: ["": 17]> g (uint8[1,8] x) => (int32[1,1] y) '
    text += "<int8[8,1] w = {127, 127, 127, 127, 127, 127, 127, 127}> { y = MatMulInteger(x, w) }"
    model = onnx.parser.parse_model(text)
    running = onnxruntime.InferenceSession(model.SerializeToString())
    result = np.asarray(running.run(None, {"x": np.full((1, 8), 255, np.uint8)})[0])
    return int(result.item()) != 8 * 255 * 127


def skip_where_products_saturate() -> None:
    """Skip a test whose oracle would be wrong on this processor."""
    if products_saturate():
        pytest.skip("onnxruntime's products of uint8 by int8 saturate on this processor")


def run_with_onnxruntime(model: onnx.ModelProto, x: Inputs) -> np.ndarray:
    """Outputs of the original model, node by node as it stands.

    Skipped where onnxruntime's own integer products are wrong.
    """
    if {node.op_type for node in model.graph.node} & _INTEGER_PRODUCTS:
        skip_where_products_saturate()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    running = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feeds = x if isinstance(x, dict) else {running.get_inputs()[0].name: x}
    return np.asarray(running.run(None, feeds)[0])


def run_prescribed(path: Path, x: Inputs) -> tuple[Workload, dict, np.ndarray]:
    """Workload, formats that it prescribes for whole layers, and outputs; the rest is floating."""
    if not isinstance(x, dict):
        x = {load_workload(path).inputs[0]: x}
    dataset = Dataset(
        task="regression", x_calib=x, y_calib=None, x_eval=x,
        y_eval=np.zeros(len(next(iter(x.values())))), sources=[],
    )  # fmt: skip
    workload = load_workload(path, dataset)
    given = fixed_allocation(workload)
    if set(given) != {layer.name for layer in workload.layers}:
        outputs = session(workload.model, optimise=False).run(None, x)[0]
        return workload, given, np.asarray(outputs)
    network, plans = quantise(workload, dataset, given, options=QuantOptions())
    model = quantised_model(network, plans)
    # Fused operators add in another order, which can tip a value over the edge between two codes.
    return workload, given, np.asarray(session(model, optimise=False).run(None, x)[0])


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Root mean square of the difference, relative to that of `theirs`."""
    assert ours.shape == theirs.shape
    gap, size = ours.astype(np.float64) - theirs, np.sqrt(np.mean(theirs.astype(np.float64) ** 2))
    return float(np.sqrt(np.mean(gap**2)) / (size or 1.0))


def network(nodes, values, *, opset=21, shape=("N", 3, 6, 6), kind=TensorProto.FLOAT, out=1):
    """Model of nodes ``(op, inputs, output[s], attributes)`` from ``x`` to ``y``."""
    made = [
        helper.make_node(op, inputs, [result] if isinstance(result, str) else result, **attributes)
        for op, inputs, result, attributes in nodes
    ]
    graph = helper.make_graph(
        made,
        "qdq",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info("y", out, list("abcd"[: len(shape)]))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in values.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def checked(folder, x, proto, *, formats=None, bound=1e-6):
    """Both run the model; the outputs agree."""
    onnx.save(proto, folder / "net.onnx")
    workload, given, ours = run_prescribed(folder / "net.onnx", x)
    theirs = run_with_onnxruntime(proto, x)
    assert np.abs(theirs.astype(np.float64)).max() > 0
    assert difference(ours, theirs) < bound
    if formats is not None:
        assert sorted(given.values()) == sorted(formats)
    return workload
