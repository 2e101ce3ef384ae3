"""Where samples lie in tensors, and what one of them needs."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.workload import load_workload

RNG = np.random.default_rng(0)
SHAPE = ("N", 6, 4)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def load(folder, proto, x=None):
    path = folder / "net.onnx"
    onnx.save(proto, path)
    if x is None:
        return load_workload(path)
    np.savez(folder / "d.npz", x_calib=x, x_eval=x, y_eval=np.zeros(len(x), int))
    return load_workload(path, load_recipe(path, data_path=folder / "d.npz"))


def alone(proto, x):
    """Outputs of each sample in a run of its own."""
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.concatenate([np.asarray(running.run(None, {"x": part[None]})[0]) for part in x])


#: Ways in which exporters treat the batch: nodes from x (N, 6, 4) to y (N, ...), constants,
#: products of a sample, and whether a run can hold several samples.
WAYS = {
    "plain": ([("MatMul", ["x", "w"], "y", {})], {"w": normal(4, 5)}, 120, True),
    "second axis": (
        [
            ("Transpose", ["x"], "t", {"perm": [1, 0, 2]}),
            ("MatMul", ["t", "w"], "m", {}),
            ("Transpose", ["m"], "y", {"perm": [1, 0, 2]}),
        ],
        {"w": normal(4, 5)}, 120, True,
    ),
    "folded": (
        [
            ("Reshape", ["x", "rows"], "r", {}),
            ("Gemm", ["r", "w"], "g", {}),
            ("Reshape", ["g", "back"], "y", {}),
        ],
        {"w": normal(4, 5), "rows": np.array([-1, 4]), "back": np.array([-1, 6, 5])}, 120, True,
    ),
    "folded behind": (
        [
            ("Transpose", ["x"], "t", {"perm": [1, 0, 2]}),
            ("Reshape", ["t", "rows"], "r", {}),
            ("MatMul", ["r", "w"], "m", {}),
            ("Reshape", ["m", "back"], "b", {}),
            ("Transpose", ["b"], "y", {"perm": [1, 0, 2]}),
        ],
        {"w": normal(4, 5), "rows": np.array([-1, 4]), "back": np.array([6, -1, 5])}, 120, False,
    ),
    "written into a shape": (
        [
            ("Reshape", ["x", "one"], "r", {}),
            ("MatMul", ["r", "w"], "y", {}),
        ],
        {"w": normal(24, 5), "one": np.array([1, 24])}, 120, False,
    ),
    "size read": (
        [
            ("Shape", ["x"], "s", {"end": 1}),
            ("Concat", ["s", "rest"], "to", {"axis": 0}),
            ("MatMul", ["x", "w"], "m", {}),
            ("Relu", ["m"], "e", {}),
            ("MatMul", ["e", "v"], "f", {}),
            ("Reshape", ["f", "to"], "y", {}),
        ],
        {"w": normal(4, 5), "v": normal(5, 3), "rest": np.array([18])}, 120 + 90, True,
    ),
    "frames": (
        [
            ("Reshape", ["x", "rows"], "r", {}),
            ("Conv", ["r", "k"], "c", {}),
            ("Reshape", ["c", "back"], "y", {}),
        ],
        {"k": normal(5, 1, 3), "rows": np.array([-1, 1, 4]), "back": np.array([-1, 6, 5, 2])},
        6 * 2 * 5 * 3, True,
    ),
    "attention": (
        [
            ("Transpose", ["x"], "t", {"perm": [1, 0, 2]}),
            ("MatMul", ["t", "w"], "q", {}),
            ("Transpose", ["q"], "a", {"perm": [1, 0, 2]}),
            ("Transpose", ["q"], "b", {"perm": [1, 2, 0]}),
            ("MatMul", ["a", "b"], "y", {}),
        ],
        {"w": normal(4, 5)}, 120 + 6 * 6 * 5, True,
    ),
    "mean of the batch": (
        [
            ("ReduceMean", ["x"], "m", {"axes": [0]}),
            ("Sub", ["x", "m"], "d", {}),
            ("MatMul", ["d", "w"], "y", {}),
        ],
        {"w": normal(4, 5)}, 120, False,
    ),
}  # fmt: skip


def made(way, batch="N"):
    nodes, weights, *_ = WAYS[way]
    rank = {"size read": 2, "frames": 4}.get(way, 3)
    out = [None] * rank
    return networks.model(nodes, weights, shape=(batch, 6, 4), out=out, name="y")


@pytest.mark.parametrize("way", WAYS)
def test_samples_are_found_and_counted(tmp_path, way):
    *_, macs, free = WAYS[way]
    workload = load(tmp_path, made(way))
    assert sum(layer.macs for layer in workload.layers) == macs
    assert workload.fixed_batch is not free
    assert workload.batch == 1


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("way", ["plain", "second axis", "folded", "frames", "attention"])
def test_a_prescribed_batch_is_divided_out(tmp_path, way, batch):
    workload = load(tmp_path, made(way, batch))
    assert workload.fixed_batch
    assert workload.batch == batch
    assert sum(layer.macs for layer in workload.layers) == WAYS[way][2]
    assert workload.layers[0].activations == 24


@pytest.mark.parametrize("way", WAYS)
def test_runs_in_steps_give_what_samples_alone_give(tmp_path, way):
    x = normal(37, 6, 4)
    proto = made(way)
    workload = load(tmp_path, proto, x)
    wanted = alone(proto, x)
    outputs = run_model(workload, workload.model, {"x": x}, jobs=1)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-5)
    partial_run = PartialRun(workload, workload.model.graph, {"x": x})
    for layer in workload.layers:
        act, out = partial_run.advance([layer.act, layer.out])
        partial_run.give(layer.name, layer.out, out)
        assert act.size == 37 * layer.activations
    (outputs,) = partial_run.advance([workload.output])
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("open_size", [0, -1, None])
def test_spellings_of_an_open_batch(tmp_path, open_size):
    proto = made("plain")
    dimension = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dimension.Clear()
    if open_size is not None:
        dimension.dim_value = open_size
    workload = load(tmp_path, proto)
    assert not workload.fixed_batch
    assert workload.layers[0].macs == 120


def test_an_input_without_batch(tmp_path):
    nodes = [("Unsqueeze", ["x", "o"], "u", {}), ("Conv", ["u", "k"], "y", {})]
    proto = networks.model(
        nodes, {"o": np.array([0]), "k": normal(4, 3, 3, 3)}, shape=(3, 8, 8), out=(1, 4, 6, 6),
        name="y",
    )  # fmt: skip
    layer = load(tmp_path, proto).layers[0]
    assert (layer.macs, layer.activations, layer.outputs) == (4 * 27 * 36, 192, 144)


def test_samples_of_an_input_without_batch(tmp_path):
    nodes = [
        ("Unsqueeze", ["x", "o"], "u", {}),
        ("Conv", ["u", "k"], "c", {}),
        ("GlobalAveragePool", ["c"], "p", {}),
        ("Reshape", ["p", "all"], "y", {}),
    ]
    weights = {"o": np.array([0]), "k": normal(4, 3, 3, 3), "all": np.array([-1])}
    proto = networks.model(nodes, weights, shape=(3, 8, 8), out=(4,), name="y")
    x = normal(5, 3, 8, 8)
    workload = load(tmp_path, proto, x)
    assert workload.layers[0].activations == 192
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    wanted = np.stack([np.asarray(running.run(None, {"x": part})[0]) for part in x])
    outputs = run_model(workload, workload.model, {"x": x}, jobs=1)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-5)
