"""QONNX files against the qonnx package's own execution, and read by our importer."""

import numpy as np
import onnx
import pytest
from helpers.prescribed import difference

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.export.exporters import export_point
from macwright.dse.quantizer import fixed_allocation, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload
from macwright.dse.workload.onnx_rounding import expressible
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason="the package qonnx is absent")
from qonnx.core.onnx_exec import execute_onnx  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402

PAIRS = [
    ("int4", "int8"),
    ("int8sym", "int5"),
    ("ternary", "int3"),
    ("binary", "int8"),
    ("e2m1fn", "e4m3fn"),
    ("e3m2fn", "int6"),
    ("int16", "bfloat16"),
    ("int4", "float16"),
    ("mxint8", "int8"),
    ("nvfp4", "int8"),
]


def executed(path, x):
    """Outputs of the qonnx package; the batch must be a number for it."""
    proto = onnx.load(path)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = len(x)
    model = wrapper.ModelWrapper(proto).transform(InferShapes())
    return execute_onnx(model, {proto.graph.input[0].name: x})[proto.graph.output[0].name]


# qonnx computes 2**128 in float32, and then takes the smaller largest value.
@pytest.mark.filterwarnings("ignore:overflow encountered in scalar power:RuntimeWarning")
@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
def test_qonnx_gives_our_outputs(pair, write_run, tmp_path):
    run = write_run(pair)
    (path,) = export_point(run, 3, "qonnx", tmp_path / "out")
    point = run.quantised(3)
    ours = run_model(run.workload, quantised_model(point.network, point.plans), run.dataset.x_eval)
    theirs = executed(path, run.dataset.x_eval["x"])
    assert np.abs(ours).max() > 0
    # A sum in another order may put an activation on the other side of an edge between two codes:
    # of float16, these are 2**-11 apart, of bfloat16 2**-8.
    bounds = {"float16": 1e-5, "bfloat16": 1e-4}
    assert difference(ours, theirs) < bounds.get(pair[1], 1e-6)
    # That happens to few samples.
    apart = np.abs(ours - theirs).max(axis=1) > 1e-6 * np.abs(theirs).max()
    assert apart.mean() < 0.1


@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
def test_our_importer_reads_the_same_network(pair, write_run, tmp_path):
    run = write_run(pair, asymmetric=False)
    (path,) = export_point(run, 3, "qonnx", tmp_path / "out")
    point = run.quantised(3)
    workload = load_workload(path, run.dataset)
    given = fixed_allocation(workload)
    for plan in point.plans:
        weight, act = (parse_format(name) for name in given[plan.layer.name])
        element = getattr(plan.weight_format, "element", plan.weight_format)
        # A fixed-point number is an integer with another scale.
        assert np.array_equal(weight.levels() / weight.max, element.levels() / element.max)
        assert act == plan.act.format
        prescribed = workload.fixed[plan.layer.name][1]
        assert prescribed is not None
        assert prescribed.scale == np.float32(plan.act.scale)
    network, plans = quantise(workload, run.dataset, given)
    for again, plan in zip(plans, point.plans, strict=True):
        assert again.weight is not None
        assert plan.weight is not None
        assert np.allclose(again.weight, plan.weight, rtol=1e-6, atol=0)
    ours = run_model(run.workload, quantised_model(point.network, point.plans), run.dataset.x_eval)
    theirs = run_model(workload, quantised_model(network, plans), run.dataset.x_eval)
    assert difference(theirs, ours) < 1e-6


def test_scales_stand_one_a_channel(write_run, tmp_path):
    (path,) = export_point(write_run(("int4", "int8")), 3, "qonnx", tmp_path)
    proto = onnx.load(path)
    values = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
    quants = [node for node in proto.graph.node if node.op_type == "Quant"]
    shapes = [values[node.input[1]].shape for node in quants]
    assert shapes == [(), (6, 1, 1, 1), (), (1, 4)]
    assert all(node.domain == "qonnx.custom_op.general" for node in quants)


@pytest.mark.parametrize(
    ("pair", "options", "message"),
    [
        (("pot4", "int8"), {}, r"^Weights of layer conv must be in an integer of .*, not in pot4"),
        (("int8", "mxint8"), {}, r"^Activations of layer conv must be in a format without blocks"),
        (("int8", "int8"), {"dynamic": True}, r"^Activations of layer conv .* dynamic scales"),
    ],
)
def test_what_qonnx_lacks_is_refused_by_layer(pair, options, message, write_run, tmp_path):
    with pytest.raises(RefusedInput, match=message):
        export_point(write_run(pair, **options), 3, "qonnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_formats_here_are_those_that_activations_may_have():
    assert all(expressible(parse_format(act)) for _, act in PAIRS)
