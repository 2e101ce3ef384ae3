"""QDQ files against our evaluation, run by onnxruntime as they stand and fused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.prescribed import difference, run_with_onnxruntime

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.export.exporters import export_point
from macwright.dse.quantizer import fixed_allocation
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload
from macwright.hw.errors import RefusedInput


@pytest.mark.parametrize(
    "pair", [("int8", "int8"), ("int4", "int8"), ("int8", "int4"), ("int4", "int4")], ids="/".join
)
def test_onnxruntime_gives_our_outputs(pair, write_run, tmp_path):
    run = write_run(pair)
    (path,) = export_point(run, 3, "qdq", tmp_path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == (21 if "int4" in pair else 17)
    point = run.quantised(3)
    ours = run_model(run.workload, quantised_model(point.network, point.plans), run.dataset.x_eval)
    x = run.dataset.x_eval["x"]
    assert np.abs(ours).max() > 0
    assert difference(run_with_onnxruntime(model, x), ours) < 1e-6
    # Fused, it computes in integers, and rounds what is between two layers once more.
    fused = np.asarray(onnxruntime.InferenceSession(path).run(None, {"x": x})[0])
    assert difference(fused, ours) < 0.02
    given = fixed_allocation(load_workload(path, run.dataset))
    assert given == {
        plan.layer.name: (str(plan.weight_format), str(plan.act.format)) for plan in point.plans
    }


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            [("int3", "int8")],
            r"^Weights of layer conv must be in int8, uint8, int4, uint4 .* int3;",
        ),
        (
            [("int8", "int8"), ("int8", "e4m3fn")],
            r"^Activations of layer linear must be in int8, .*, not in e4m3fn;",
        ),
    ],
)
def test_other_formats_are_refused_by_layer(pairs, message, write_run, tmp_path):
    with pytest.raises(RefusedInput, match=message):
        export_point(write_run(*pairs), 3, "qdq", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scales_of_groups_are_refused(write_run, tmp_path):
    run = write_run(("int8", "int8"), group_size=4, equalise=False)
    with pytest.raises(RefusedInput, match=r"^Weights of layer \w+ .* scales of groups"):
        export_point(run, 3, "qdq", tmp_path)
