"""Torch modules against our own evaluation, by torch itself; and their text, without torch."""

import ast
import importlib.util
import sys

import numpy as np
import onnx
import pytest
from helpers.export_run import POINT, Chosen
from helpers.paths import SHARED
from helpers.prescribed import difference
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import load_recipe
from macwright.dse.export.exporters import export_point
from macwright.dse.export.source import QuantisedPoint
from macwright.dse.export.torch_quantisers import CLASSES, quantiser
from macwright.dse.quantizer import act_format, quantise
from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

PAIRS = [
    ("int4", "int8"),
    ("ternary", "int3"),
    ("pot4", "int5"),
    ("binary", "int8sym"),
    ("e2m1fn", "e4m3fn"),
    ("mxint8", "e5m2"),
    ("int16", "bfloat16"),
    ("int4", "float16"),
]
HOSTILE = '"""\nimport os; os.abort()\n#\\N{BULLET}\' {x!r} ::'


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is absent")


def loaded(path):
    """The network of an exported file, imported as a user would."""
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.load()


def computed(torch, path, data):
    """Outputs of torch; data are arrays in the order of the model's inputs."""
    with torch.no_grad():
        return loaded(path)(*(torch.from_numpy(x) for x in data)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
@pytest.mark.parametrize("asymmetric", [False, True])
def test_torch_gives_our_outputs(pair, asymmetric, torch, write_run, tmp_path):
    run = write_run(pair, asymmetric=asymmetric)
    path, _ = export_point(run, POINT, "torch", tmp_path / "out")
    point = run.quantised(POINT)
    ours = run_model(run.workload, quantised_model(point.network, point.plans), run.dataset.x_eval)
    theirs = computed(torch, path, run.dataset.x_eval.values())
    assert np.abs(ours).max() > 0
    # A sum in another order may put an activation on the other side of an edge between two codes.
    bounds = {"float16": 1e-4, "bfloat16": 1e-4}
    assert difference(ours, theirs) < bounds.get(pair[1], 1e-6)


class Quantised(Chosen):
    """A network of ../shared, of which the point is int4 weights and int8 activations."""

    def quantised(self, point):
        pairs = {layer.name: ("int4", act_format(layer, "int8")) for layer in self.workload.layers}
        network, plans = quantise(self.workload, self.dataset, pairs)
        given = super().quantised(point)
        return QuantisedPoint(allocation=given.allocation, network=network, plans=plans)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fashion_cnn", "digits_cnn", "dscnn_kws", "resnet20_cifar10", "chargpt_shakespeare"]
)
def test_torch_gives_our_outputs_of_whole_networks(name, torch, tmp_path):
    model = SHARED / "data" / "models" / f"{name}.onnx"
    if not model.is_file():
        pytest.skip(f"{name} is not here")
    dataset = load_recipe(model)
    run = Quantised(folder=tmp_path, workload=load_workload(model, dataset), dataset=dataset)
    point = run.quantised(0)
    few = {key: values[:32] for key, values in dataset.x_eval.items()}
    ours = run_model(run.workload, quantised_model(point.network, point.plans), few)
    path, _ = export_point(run, 0, "torch", tmp_path / "out")
    theirs = computed(torch, path, few.values())
    # Values at the edge between two codes fall on either side; that happens to few samples.
    apart = np.abs(ours - theirs).reshape(len(ours), -1).max(axis=1)
    assert np.median(apart) < 1e-4 * np.abs(ours).max()
    assert (ours.argmax(-1) == theirs.argmax(-1)).mean() > 0.98


def _between(tiny):
    """Put one operator of each kind between the two layers of the tiny network."""
    model, make = onnx.load(tiny), helper.make_node
    numbers = {
        "low": np.float32(-9.5), "high": np.float32(2.5), "half": np.float32(0.5),
        "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]), "fill": np.float32(0.25),
        "first": np.array([0, 1]), "last": np.array([2**62, -1]), "axes": np.array([1, 3]),
        "steps": np.array([2, 1]), "rows": np.array([0, 0, -1]), "flat": np.array([0, -1]),
        "gain": np.linspace(0.5, 2, 5, dtype=np.float32),
    }  # fmt: skip
    nodes = [
        make("MaxPool", ["c"], ["a0"], kernel_shape=[2, 3], strides=[1, 1], pads=[1, 0, 0, 2]),
        make("AveragePool", ["r"], ["a1"], kernel_shape=[2, 3], pads=[1, 0, 0, 2],
             count_include_pad=1),
        make("Sub", ["a0", "half"], ["a2"]),
        make("Clip", ["a2", "low", "high"], ["a3"]),
        make("Concat", ["a1", "a3"], ["a4"], axis=1),
        make("Pad", ["a4", "pads", "fill"], ["a5"]),
        make("Slice", ["a5", "first", "last", "axes", "steps"], ["a6"]),
        make("Transpose", ["a6"], ["a7"], perm=[0, 1, 3, 2]),
        make("LayerNormalization", ["a7", "gain"], ["a8"], axis=-1, epsilon=1e-3),
        make("Sigmoid", ["a8"], ["a9"]),
        make("Softmax", ["a8"], ["a10"], axis=1),
        make("Div", ["a9", "half"], ["a11"]),
        make("Tanh", ["a11"], ["a12"]),
        make("Mul", ["a12", "a10"], ["a13"]),
        make("Erf", ["a13"], ["a14"]),
        make("Reshape", ["a14", "rows"], ["a15"]),
        make("Reshape", ["a15", "flat"], ["a16"]),
    ]  # fmt: skip
    model.graph.node[2].CopyFrom(make("Flatten", ["a16"], ["f"], name="flatten"))
    for node in reversed(nodes):
        node.name = node.output[0]
        model.graph.node.insert(2, node)
    rows = 6 * 4 * 5
    weights = np.random.default_rng(2).normal(size=(rows, 4)).astype(np.float32)
    del model.graph.initializer[1]
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in (numbers | {"wl": weights}).items()
    )
    onnx.save(model, tiny)


@pytest.mark.slow
def test_every_other_operator_is_that_of_onnx(torch, tiny, write_run, tmp_path):
    _between(tiny)
    run = write_run(("int8", "int8"))
    point = run.quantised(POINT)
    ours = run_model(run.workload, quantised_model(point.network, point.plans), run.dataset.x_eval)
    path, _ = export_point(run, POINT, "torch", tmp_path / "out")
    theirs = computed(torch, path, run.dataset.x_eval.values())
    apart = np.abs(ours - theirs).max(axis=1)
    assert np.median(apart) < 1e-5 * np.abs(ours).max()
    assert apart.max() < 0.02 * np.abs(ours).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["int8", "uint4", "int3sym", "binary", "ternary", "int8q6", "e4m3fn", "e5m2",
             "e2m1fn", "e1m2fin", "e3m0fin", "bfloat16", "float16"],
)  # fmt: skip
def test_quantisers_round_as_the_formats_do(name, torch):
    """Levels, the middles between neighbours, values beside both, and values out of range."""
    fmt = parse_format(name)
    levels = np.unique(fmt.levels().astype(np.float64))
    middles = (levels[1:] + levels[:-1]) / 2
    places = np.concatenate([levels, middles, [-3e38, 3e38]]).astype(np.float32)
    x = np.concatenate([places, *(np.nextafter(places, np.float32(e)) for e in (-9e9, 9e9))])
    scope = {}
    exec("import torch\nfrom torch import nn\n" + CLASSES, scope)
    module = eval(quantiser(Operand(format=fmt), "Activations"), scope)
    assert np.array_equal(module(torch.from_numpy(x)).numpy(), fmt.quantize(x))


def test_file_has_no_text_of_the_network(tiny, write_run, tmp_path):
    """Names of layers, tensors and files that would end a string or a comment."""
    model = onnx.load(tiny)
    for node in model.graph.node:
        node.name += HOSTILE
        node.input[:] = [
            name if name in ("x", "wc", "wl") else name + HOSTILE for name in node.input
        ]
        node.output[:] = [name if name == "y" else name + HOSTILE for name in node.output]
    onnx.save(model, tiny)
    path, state = export_point(write_run(("int4", "int8")), POINT, "torch", tmp_path / "out")
    text = path.read_text()
    # An oracle of its own: the imports are ours, and so is every string.
    tree = ast.parse(text)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == [
        "from pathlib import Path",
        "import numpy as np",
        "import torch",
        "from torch import nn",
        "from torch.nn import functional",
    ]
    assert "abort()" not in text
    with np.load(state, allow_pickle=False) as arrays:
        assert all(name.replace(".", "_").isidentifier() for name in arrays.files)
        assert sorted(values.shape for values in arrays.values()) == [
            (4,), (4, 96), (6,), (6, 1, 3, 3),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([helper.make_node("Softplus", ["y"], ["z"], name="s")],
         r"^Operator Softplus of node 's' must be one of Add, .* for torch; choose another kind"),
        ([helper.make_node("Flatten", ["y"], ["z"], name="f", axis=0)],
         r"^Operator Flatten of node 'f' must be of axis 1 for torch"),
    ],
)  # fmt: skip
def test_what_torch_lacks_is_refused_by_node(nodes, message, tiny, write_run, tmp_path):
    model = onnx.load(tiny)
    model.graph.node.extend(nodes)
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, None])
    )
    onnx.save(model, tiny)
    with pytest.raises(RefusedInput, match=message):
        export_point(write_run(("int4", "int8")), POINT, "torch", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_state_holds_the_rounded_weights(tiny, write_run, tmp_path):
    run = write_run(("e2m1fn", "int8"))
    _, state = export_point(run, POINT, "torch", tmp_path)
    plans = {plan.layer.name: plan for plan in run.quantised(POINT).plans}
    with np.load(state, allow_pickle=False) as arrays:
        assert np.allclose(arrays["m1_conv.weight"], plans["conv"].weight, rtol=1e-6, atol=0)
        assert np.allclose(arrays["m3_linear.weight"].T, plans["linear"].weight, rtol=1e-6, atol=0)
        assert np.array_equal(arrays["m3_linear.bias"], plans["linear"].bias)
