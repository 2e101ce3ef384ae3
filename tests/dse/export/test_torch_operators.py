"""Windows and normalisation of ONNX in torch, against onnxruntime, one node at a time."""

import itertools
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.data.npz import npz_bytes
from macwright.dse.export.torch_module import _Module
from macwright.hw.errors import RefusedInput

RNG = np.random.default_rng(5)
#: Sizes of the two axes: strides of 2 and 3 leave something over.
SIZES = (7, 10)


def graph_of(op, shapes, **attributes):
    """A graph of one node; operands but the first are random constants of the shapes."""
    names = ["x", *(f"c{i}" for i in range(len(shapes)))]
    values = [np.abs(RNG.normal(size=s)).astype(np.float32) + 0.1 for s in shapes]
    node = helper.make_node(op, names, ["y"], name="n", **attributes)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, *SIZES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(v, n) for v, n in zip(values, names[1:], strict=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def same_in_torch(torch, model, tmp_path):
    module = _Module(model.graph, [])
    (tmp_path / "m.py").write_text(module.text("m", 0, "0" * 12))
    scope: dict[str, Any] = {"__file__": str(tmp_path / "m.py"), "__name__": "m"}
    exec((tmp_path / "m.py").read_text(), scope)
    (tmp_path / "m.npz").write_bytes(npz_bytes(module.state))
    x = RNG.normal(size=(2, 4, *SIZES)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    want = np.asarray(session.run(None, {"x": x})[0])
    with torch.no_grad():
        ours = scope["load"](tmp_path / "m.npz")(torch.from_numpy(x)).numpy()
    assert ours.shape == want.shape
    assert np.allclose(ours, want, rtol=1e-5, atol=1e-5)


def cases():
    """Every way to pad, of convolutions, maxima and means."""
    plain = [{"pads": [0, 0, 0, 0]}, {"pads": [1, 1, 1, 1]}, {"pads": [1, 0, 1, 1]}]
    paddings = [
        *plain,
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "VALID"},
    ]
    for pad, strides, size in itertools.product(paddings, ([1, 1], [2, 3]), ([3, 3], [2, 4])):
        window = {"kernel_shape": size, "strides": strides, **pad}
        yield "Conv", [(6, 4, *size), (6,)], window
        yield "MaxPool", [], window
        yield "AveragePool", [], {**window, "count_include_pad": 1}
    for ceil, strides in itertools.product((0, 1), ([2, 2], [2, 3])):
        window = {"kernel_shape": [3, 3], "strides": strides, "ceil_mode": ceil}
        yield "MaxPool", [], {**window, "pads": [1, 1, 1, 1]}
        yield "MaxPool", [], {**window, "dilations": [2, 2]}
        yield "AveragePool", [], window
        yield "AveragePool", [], {**window, "pads": [1, 1, 1, 1], "count_include_pad": 0}
    yield "Conv", [(4, 2, 3, 3)], {"group": 2, "dilations": [2, 1], "pads": [1, 0, 2, 1]}
    yield "ConvTranspose", [(4, 3, 3, 2), (3,)], {"strides": [2, 3], "pads": [1, 0, 1, 0]}
    yield "ConvTranspose", [(4, 3, 3, 3)], {
        "strides": [2, 2], "group": 2, "output_padding": [1, 0], "dilations": [1, 2],
    }  # fmt: skip
    yield "BatchNormalization", [(4,)] * 4, {"epsilon": 1e-3}


def name_of(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[2].items())]).replace(" ", "")


@pytest.mark.slow
@pytest.mark.parametrize("case", list(cases()), ids=name_of)
def test_torch_computes_what_onnxruntime_does(case, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is absent")
    op, shapes, attributes = case
    same_in_torch(torch, graph_of(op, shapes, **attributes), tmp_path)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "message"),
    [
        ("AveragePool", [], {"pads": [1, 0, 2, 1]}, "must be of padding that torch has, too"),
        ("MaxPool", [], {"pads": [1, 0, 2, 1], "ceil_mode": 1}, "must be of padding that torch"),
        (
            "AveragePool",
            [],
            {"pads": [1, 1, 1, 1], "ceil_mode": 1, "count_include_pad": 1},
            "must be without ceil_mode",
        ),
        ("ConvTranspose", [(4, 3, 3, 3)], {"pads": [1, 0, 2, 1]}, "of explicit, even padding"),
        ("ConvTranspose", [(4, 3, 3, 3)], {"output_shape": [9, 12]}, "of explicit, even padding"),
        (
            "Conv",
            [(4, 4, 3, 3)],
            {"auto_pad": "SAME_LOWER", "dilations": [1, 2]},
            "explicit padding, or without dilations",
        ),
        ("BatchNormalization", [(4,)] * 4, {"training_mode": 1}, "must be for inference"),
    ],
)
def test_what_torch_does_otherwise_is_refused_by_node(op, shapes, attributes, message):
    if op.endswith("Pool"):
        attributes = {"kernel_shape": [3, 3], "strides": [2, 2], **attributes}
    model = graph_of(op, shapes, **attributes)
    with pytest.raises(RefusedInput, match=rf"^Operator {op} of node 'n' .*{message}.* for torch;"):
        _Module(model.graph, [])
