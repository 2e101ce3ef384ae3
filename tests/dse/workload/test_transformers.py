"""Transformers, recurrent and transposed layers as PyTorch exports them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload

T, D, H = 6, 16, 2
RNG = np.random.default_rng(0)


def normal(*shape):
    return (RNG.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def check(path, x, y, macs):
    """Workload in float and in 8 bits gives the outputs, and the products counted by hand."""
    name = load_workload(path).inputs[0]
    dataset = Dataset(
        task="regression", x_calib={name: x}, y_calib=None, x_eval={name: x}, y_eval=y, sources=[]
    )
    workload = load_workload(path, dataset)
    assert sum(layer.macs for layer in workload.layers) == macs
    outputs = run_model(workload, workload.model, {name: x}, jobs=1)
    np.testing.assert_allclose(outputs, y, rtol=1e-4, atol=1e-4)
    formats = {
        layer.name: ("int8", "int8" if layer.act_signed else "uint8") for layer in workload.layers
    }
    network, plans = quantise(workload, dataset, formats)
    rounded = run_model(workload, quantised_model(network, plans), {name: x}, jobs=1)
    assert np.sqrt(np.mean((rounded - y) ** 2) / np.mean(y**2)) < 0.03
    return workload


#: Nodes of self-attention in the forms that exporters write it in, from x (N, T, D).
FORMS = {
    # A fused projection, split by Gather of a scalar, as of qkv.permute(2, 0, 3, 1, 4).
    "view": (
        [
            ("MatMul", ["x", "qkv"], "p", {}),
            ("Shape", ["x"], "s", {}),
            ("Gather", ["s", "zero"], "b", {}),
            ("Unsqueeze", ["b", "axis"], "bs", {}),
            ("Concat", ["bs", "heads3"], "to", {"axis": 0}),
            ("Reshape", ["p", "to"], "r", {}),
            ("Transpose", ["r"], "t", {"perm": [2, 0, 3, 1, 4]}),
            ("Gather", ["t", "zero"], "q", {}),
            ("Gather", ["t", "one"], "k", {}),
            ("Gather", ["t", "two"], "v", {}),
            ("Transpose", ["k"], "kt", {"perm": [0, 1, 3, 2]}),
            ("MatMul", ["q", "kt"], "a", {}),
            ("Mul", ["a", "scale"], "as", {}),
            ("Softmax", ["as"], "w", {}),
            ("MatMul", ["w", "v"], "c", {}),
            ("Transpose", ["c"], "ct", {"perm": [0, 2, 1, 3]}),
            ("Concat", ["bs", "whole"], "back", {"axis": 0}),
            ("Reshape", ["ct", "back"], "m", {}),
            ("MatMul", ["m", "o"], "y", {}),
        ], 17, True,
    ),
    # Samples on the second axis, then folded with the heads: nn.MultiheadAttention.
    "folded heads": (
        [
            ("Transpose", ["x"], "xt", {"perm": [1, 0, 2]}),
            ("MatMul", ["xt", "qkv"], "p", {}),
            ("Split", ["p"], "q p1 v", {"axis": -1}),
            *[("Reshape", [a, "fold"], f"{a}r", {}) for a in ("q", "p1", "v")],
            *[("Transpose", [f"{a}r"], f"{a}t", {"perm": [1, 0, 2]}) for a in ("q", "v")],
            ("Transpose", ["p1r"], "kt", {"perm": [1, 2, 0]}),
            ("MatMul", ["qt", "kt"], "a", {}),
            ("Mul", ["a", "scale"], "as", {}),
            ("Softmax", ["as"], "w", {}),
            ("MatMul", ["w", "vt"], "c", {}),
            ("Transpose", ["c"], "ct", {"perm": [1, 0, 2]}),
            ("Reshape", ["ct", "rows"], "m", {}),
            ("Gemm", ["m", "o"], "g", {}),
            ("Reshape", ["g", "unfold"], "u", {}),
            ("Transpose", ["u"], "y", {"perm": [1, 0, 2]}),
        ], 17, False,
    ),
    # The standard's operator.
    "Attention": (
        [
            ("MatMul", ["x", "qkv"], "p", {}),
            ("Split", ["p"], "q k v", {"axis": -1, "num_outputs": 3}),
            ("Attention", ["q", "k", "v"], "m", {"q_num_heads": H, "kv_num_heads": H}),
            ("MatMul", ["m", "o"], "y", {}),
        ], 23, True,
    ),
    "Attention with a constant mask": (
        [
            ("MatMul", ["x", "qkv"], "p", {}),
            ("Split", ["p"], "q k v", {"axis": -1, "num_outputs": 3}),
            ("Attention", ["q", "k", "v", "mask"], "m", {"q_num_heads": H, "kv_num_heads": H}),
            ("MatMul", ["m", "o"], "y", {}),
        ], 23, True,
    ),
    "einsum": (
        [
            ("Einsum", ["x", "qkv5"], "r", {"equation": "btd,dchf->cbhtf"}),
            ("Gather", ["r", "zero"], "q", {}),
            ("Gather", ["r", "one"], "k", {}),
            ("Gather", ["r", "two"], "v", {}),
            ("Einsum", ["q", "k"], "a", {"equation": "bhtf,bhsf->bhts"}),
            ("Mul", ["a", "scale"], "as", {}),
            ("Softmax", ["as"], "w", {}),
            ("Einsum", ["w", "v"], "c", {"equation": "bhts,bhsf->bthf"}),
            ("Einsum", ["c", "o3"], "y", {"equation": "bthf,hfd->btd"}),
        ], 17, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_attention(tmp_path, form):
    nodes, opset, free = FORMS[form]
    qkv, o = normal(D, 3 * D), normal(D, D)
    weights = {
        "qkv": qkv, "o": o, "qkv5": qkv.reshape(D, 3, H, D // H), "o3": o.reshape(H, D // H, D),
        "zero": np.array(0), "one": np.array(1), "two": np.array(2), "axis": np.array([0]),
        "heads3": np.array([T, 3, H, D // H]), "whole": np.array([T, D]),
        "fold": np.array([T, -1, D // H]), "rows": np.array([-1, D]),
        "unfold": np.array([T, -1, D]), "scale": np.float32((D // H) ** -0.5),
        "mask": np.tril(np.full((T, T), -9, np.float32), -1),
    }  # fmt: skip
    proto = networks.model(
        nodes, weights, shape=("N", T, D), out=("N", T, D), name="y", opset=opset
    )  # fmt: skip
    proto.ir_version = 10
    for node in proto.graph.node:
        if " " in node.output[0]:
            names = node.output[0].split()
            del node.output[:]
            node.output.extend(names)
    onnx.save(proto, tmp_path / "net.onnx")
    x = RNG.standard_normal((21, T, D)).astype(np.float32)
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    y = np.asarray(running.run(None, {"x": x})[0])
    workload = check(tmp_path / "net.onnx", x, y, T * D * 3 * D + 2 * T * T * D + T * D * D)
    assert sum(layer.dynamic for layer in workload.layers) == 2
    assert sum(layer.weights for layer in workload.layers) == 4 * D * D
    assert workload.fixed_batch is not free


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("kind", ["attention", "encoder", "class token", "lstm", "gru", "up"])
@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports(tmp_path, kind, dynamo):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.o, self.f = nn.Linear(D, 3 * D), nn.Linear(D, D), nn.Linear(D, 5)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, H, d // H).permute(2, 0, 3, 1, 4)
            a = (q @ k.transpose(-2, -1)) * (d // H) ** -0.5
            y = (a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d)
            return self.f(self.o(y).mean(1))

    class ClassToken(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Parameter(torch.randn(1, 1, D))
            self.e = nn.TransformerEncoderLayer(D, H, 32, batch_first=True, activation="gelu")
            self.f = nn.Linear(D, 5)

        def forward(self, x):
            x = torch.cat([self.c.expand(x.shape[0], -1, -1), x], 1)
            return self.f(self.e(x)[:, 0])

    class Last(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.f = inner, nn.Linear(12, 5)

        def forward(self, x):
            return self.f(self.inner(x)[0][:, -1])

    class Up(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(T, 8, 3), nn.BatchNorm1d(8)
            self.t, self.f = nn.ConvTranspose1d(8, 4, 4, 2, 1), nn.Linear(4, 5)

        def forward(self, x):
            return self.f(torch.relu(self.t(torch.relu(self.b(self.a(x))))).mean(-1))

    def encoder(t):
        return t * D * 3 * D + 2 * t * t * D + t * D * D + 2 * t * D * 32

    layer = nn.TransformerEncoderLayer(D, H, 32, batch_first=True)
    module, macs = {
        "attention": lambda: (Attention(), encoder(T) - 2 * T * D * 32 + D * 5),
        "encoder": lambda: (
            nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(T * D, 5)),
            2 * encoder(T) + T * D * 5,
        ),
        "class token": lambda: (ClassToken(), encoder(T + 1) + D * 5),
        "lstm": lambda: (Last(nn.LSTM(D, 12, batch_first=True)), T * 4 * 12 * (D + 12) + 60),
        "gru": lambda: (
            Last(nn.GRU(D, 6, batch_first=True, bidirectional=True)),
            2 * T * 3 * 6 * (D + 6) + 60,
        ),
        "up": lambda: (Up(), (D - 2) * 3 * T * 8 + (D - 2) * 8 * 4 * 4 + 20),
    }[kind]()
    module.eval()
    path, example = tmp_path / "net.onnx", torch.randn(2, T, D)
    if dynamo:
        shapes = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(
            module, (example,), path, dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    else:
        axes = {"x": {0: "batch"}}
        torch.onnx.export(
            module, (example,), path, dynamo=False, dynamic_axes=axes, input_names=["x"],
            opset_version=17,
        )  # fmt: skip
    x = RNG.standard_normal((21, T, D)).astype(np.float32)
    with torch.no_grad():
        y = module(torch.tensor(x)).numpy()
    check(path, x, y, macs)
