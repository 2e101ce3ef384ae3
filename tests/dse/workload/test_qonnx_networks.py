"""Networks of public zoos' kinds in QONNX, against the qonnx package."""

import numpy as np
import onnx
import pytest
from helpers.prescribed import difference, run_prescribed
from helpers.qonnx_networks import FAMILIES, WIDTHS, qonnx_network
from onnx import helper

wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason="the package qonnx is absent")
from qonnx.core.onnx_exec import execute_onnx  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402


@pytest.mark.parametrize("widths", WIDTHS, ids=lambda bits: f"w{bits[0]}a{bits[1]}")
@pytest.mark.parametrize("family", FAMILIES)
def test_networks_compute_what_qonnx_computes(tmp_path, family, widths):
    proto, x = qonnx_network(family, *widths)
    model = wrapper.ModelWrapper(proto).transform(InferShapes())
    theirs = execute_onnx(model, {"x": x})["y"]
    onnx.save(proto, tmp_path / "net.onnx")
    workload, given, ours = run_prescribed(tmp_path / "net.onnx", x)
    assert np.std(theirs) > 0.1
    # A float sum at a tie tips a code over on some processors: a few outputs, by a little.
    off = np.abs(ours - theirs) > 1e-5 * np.abs(theirs).max()
    assert off.mean() < 0.2
    assert difference(ours, theirs) < (0.01 if off.any() else 1e-5)
    assert len(given) == len(workload.layers) == {"tfc": 3, "resnet": 4}.get(family, 4)
    weight = {1: "binary"}.get(widths[0], f"int{widths[0]}sym")
    assert {pair[0] for pair in given.values()} == {weight}


@pytest.mark.parametrize(
    ("domain", "opset"), [("onnx.brevitas", 9), ("finn.custom_op.general", 11)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_old_opsets_and_other_domains(tmp_path, family, domain, opset):
    proto, x = qonnx_network(family, 2, 2)
    onnx.save(proto, tmp_path / "new.onnx")
    _, given, new = run_prescribed(tmp_path / "new.onnx", x)
    onnx.save(qonnx_network(family, 2, 2, domain=domain, opset=opset)[0], tmp_path / "old.onnx")
    _, of_old, old = run_prescribed(tmp_path / "old.onnx", x)
    np.testing.assert_allclose(old, new, rtol=1e-6, atol=1e-6)
    assert sorted(of_old.values()) == sorted(given.values())


@pytest.mark.parametrize("op", ["MultiThreshold", "XnorPopcountMatMul", "QuantAvgPool2d", "Im2Col"])
def test_streamlined_networks_are_refused_by_name(tmp_path, op):
    proto, x = qonnx_network("tfc", 2, 2)
    first = proto.graph.node[0]
    first.CopyFrom(helper.make_node(op, ["x"], first.output, name="odd", domain=first.domain))
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=rf"Node odd of net\.onnx must .*{op}") as caught:
        run_prescribed(tmp_path / "net.onnx", x)
    assert "\n" not in str(caught.value)
