"""If nodes: the branch that shapes and constants choose."""

import numpy as np
import onnx
import onnxruntime
import pytest

from macwright.dse.workload import load_workload

TEXT = """
<ir_version: 8, opset_import: ["": 17]>
g (float[N,%s,4] x) => (float[N,k,5] y)
<float[4,5] w = {%s}, int64 size = {1}, int64 at = {1}> {
  s = Shape(x)
  d = Gather(s, at)
  c = Equal(d, size)
  %s
  z = If (c) <
    then_branch = t () => (float[N,k,5] a) { r = MatMul(x, w) a = Neg(r) },
    else_branch = e () => (float[N,k,5] b) { r = MatMul(x, w) b = Relu(r) }>
  y = Identity(z)
}
"""


def load(folder, middle, extra=""):
    weights = ", ".join(str(x) for x in np.linspace(-1, 1, 20))
    proto = onnx.parser.parse_model(TEXT % (middle, weights, extra))
    onnx.save(proto, folder / "net.onnx")
    return proto, load_workload(folder / "net.onnx")


@pytest.mark.parametrize(("middle", "kind"), [(1, "Neg"), (3, "Relu")])
def test_the_branch_of_a_shape(tmp_path, middle, kind):
    proto, workload = load(tmp_path, middle)
    kinds = {node.op_type for node in workload.model.graph.node}
    assert "If" not in kinds
    assert kind in kinds
    assert workload.layers[0].macs == middle * 20
    assert workload.layers[0].weights == 20
    x = np.random.default_rng(0).standard_normal((3, middle, 4)).astype(np.float32)
    ours, theirs = (
        np.asarray(onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0])
        for m in (workload.model, proto)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_data_may_not_choose(tmp_path):
    weights = ", ".join(str(x) for x in np.linspace(-1, 1, 20))
    text = (TEXT % (3, weights, "m = ReduceMax<keepdims=0>(x) zero = Constant<value_float=0.0>() "
                                "k = Greater(m, zero)")).replace("If (c)", "If (k)")  # fmt: skip
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="an If with a constant condition, not 'k', which data"):
        load_workload(tmp_path / "net.onnx")
