"""What shapes decide, and no data, is a constant; weights repeated for each sample count once."""

import numpy as np
import onnx
import pytest
from helpers.fine import run_finely
from helpers.prescribed import checked, difference, network, run_with_onnxruntime

from macwright.dse.workload import load_workload

RNG = np.random.default_rng(8)
SHAPE = (4, 2, 3, 6)
X = RNG.standard_normal(SHAPE).astype(np.float32)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def same(folder, nodes, values, *, batch="N"):
    """Both run it, ours with layers in 16 bits."""
    proto = network(nodes, values, opset=17, shape=(batch, *SHAPE[1:]))
    onnx.save(proto, folder / "net.onnx")
    workload, outputs = run_finely(folder / "net.onnx", X)
    assert difference(outputs, run_with_onnxruntime(proto, X)) < 1e-3
    assert not any(layer.dynamic for layer in workload.layers)
    return workload


#: Sizes of the input: the last, and that of the batch.
LAST = [("Shape", ["x"], "last", {"start": 3, "end": 4})]
BATCH = [("Shape", ["x"], "batch", {"start": 0, "end": 1})]

#: Weights of 6 by 5 that sizes other than the batch change.
BY_SIZES = {
    "scaled": [*LAST, ("Cast", ["last"], "f", {"to": 1}), ("Sqrt", ["f"], "s", {}),
               ("Div", ["w", "s"], "v", {})],
    "reshaped": [*LAST, ("Concat", ["last", "five"], "to", {"axis": 0}),
                 ("Reshape", ["flat", "to"], "v", {})],
    "made": [*LAST, ("Concat", ["last", "five"], "to", {"axis": 0}),
             ("ConstantOfShape", ["to"], "ones", {}), ("Cos", ["ones"], "c", {}),
             ("Mul", ["w", "c"], "v", {})],
    "of all sizes": [("Shape", ["x"], "all", {}), ("Gather", ["all", "three"], "n", {}),
                     ("Range", ["zero", "n", "unit"], "r", {}),
                     ("Gather", ["w", "r"], "v", {})],
}  # fmt: skip


@pytest.mark.parametrize("way", BY_SIZES)
def test_weights_that_sizes_change(tmp_path, way):
    w = normal(6, 5)
    values = {
        "w": w, "flat": w.reshape(-1), "five": np.array([5]), "three": np.array(3),
        "zero": np.array(0), "unit": np.array(1),
    }  # fmt: skip
    nodes = [*BY_SIZES[way], ("MatMul", ["x", "v"], "y", {})]
    (layer,) = same(tmp_path, nodes, values).layers
    assert (layer.weights, layer.macs) == (30, 2 * 3 * 30)


#: Weights once for each sample, from some that are there once.
REPEATED = {
    "Expand": ((6, 5), [("Concat", ["batch", "2 6 5"], "to", {"axis": 0}),
                        ("Expand", ["w", "to"], "v", {})], 30),
    "stacks": ((2, 6, 5), [("Concat", ["batch", "2 6 5"], "to", {"axis": 0}),
                           ("Expand", ["w", "to"], "v", {})], 60),
    "Tile": ((1, 2, 6, 5), [("Concat", ["batch", "1 1 1"], "to", {"axis": 0}),
                            ("Tile", ["w", "to"], "v", {})], 60),
    "turned": ((1, 5, 2, 6), [("Concat", ["batch", "5 2 6"], "to", {"axis": 0}),
                              ("Expand", ["w", "to"], "e", {}),
                              ("Transpose", ["e"], "v", {"perm": [0, 2, 3, 1]})], 60),
}  # fmt: skip


@pytest.mark.parametrize("batch", ["N", 4])
@pytest.mark.parametrize("way", REPEATED)
def test_weights_that_are_repeated_for_each_sample(tmp_path, way, batch):
    shape, middle, weights = REPEATED[way]
    values = {"w": normal(*shape)} | {
        name: np.array(name.split(), np.int64) for name in ("2 6 5", "1 1 1", "5 2 6")
    }
    nodes = [*BATCH, *middle, ("MatMul", ["x", "v"], "y", {})]
    workload = same(tmp_path, nodes, values, batch=batch)
    assert sum(layer.weights for layer in workload.layers) == weights
    assert sum(layer.macs for layer in workload.layers) == 2 * 3 * 30
    assert workload.fixed_batch is (batch == 4)


def test_one_repetition_for_two_products_and_weights_on_the_left(tmp_path):
    values = {"w": normal(2, 6, 6), "v": normal(3, 3), "2 6 6": np.array([2, 6, 6]),
              "1 3 3": np.array([1, 3, 3])}  # fmt: skip
    nodes = [
        *BATCH,
        ("Concat", ["batch", "2 6 6"], "to", {"axis": 0}),
        ("Expand", ["w", "to"], "e", {}),
        ("MatMul", ["x", "e"], "a", {}),
        ("Tanh", ["a"], "b", {}),
        ("MatMul", ["b", "e"], "c", {}),
        ("Concat", ["batch", "1 3 3"], "on", {"axis": 0}),
        ("Expand", ["v", "on"], "f", {}),
        ("MatMul", ["f", "c"], "y", {}),
    ]
    workload = same(tmp_path, nodes, values)
    assert sum(layer.weights for layer in workload.layers) == 2 * 72 + 9
    assert sum(layer.macs for layer in workload.layers) == 2 * 2 * 3 * 36 + 2 * 6 * 9


def test_prescribed_formats_stay(tmp_path):
    """Scales of columns, and codes that are repeated for each sample."""
    scales = np.linspace(0.01, 0.03, 5).astype(np.float32)
    values = {
        "codes": RNG.integers(-90, 90, (6, 5)).astype(np.int8), "scales": scales,
        "s": np.float32(0.03), "z": np.uint8(120), "2 6 5": np.array([2, 6, 5]),
    }  # fmt: skip
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], "q", {}),
        ("DequantizeLinear", ["q", "s", "z"], "d", {}),
        ("DequantizeLinear", ["codes", "scales"], "w", {"axis": 1}),
        *BATCH,
        ("Concat", ["batch", "2 6 5"], "to", {"axis": 0}),
        ("Expand", ["w", "to"], "v", {}),
        ("MatMul", ["d", "v"], "y", {}),
    ]
    proto = network(nodes, values, opset=17, shape=("N", *SHAPE[1:]))
    (layer,) = checked(tmp_path, X, proto, formats=[("int8", "uint8")]).layers
    assert layer.weights == 30


@pytest.mark.parametrize("side", [0, 1])
def test_weights_that_the_number_of_samples_changes_are_refused(tmp_path, side):
    values = {"w": normal(6, 3)}
    operands = ["w1", "x"] if side == 0 else ["x", "w1"]
    nodes = [
        *BATCH,
        ("Cast", ["batch"], "f", {"to": 1}),
        ("Div", ["w", "f"], "w1", {}),
        ("MatMul", operands, "y", {}),
    ]
    proto = network(nodes, values, opset=17, shape=("N", *SHAPE[1:]))
    onnx.save(proto, tmp_path / "net.onnx")
    message = r"must multiply by data, or by weights that are the same for any .* not by 'w1'"
    with pytest.raises(ValueError, match=message):
        load_workload(tmp_path / "net.onnx")
