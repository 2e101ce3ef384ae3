"""The shipped network: its shape, its data and its accuracy."""

import tomllib
from importlib import resources

import numpy as np
import onnx
import onnxruntime
import pytest

MODELS = resources.files("macwright.dse") / "models"


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load_from_string((MODELS / "fashion_cnn.onnx").read_bytes())


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with (MODELS / "fashion_cnn.npz").open("rb") as stream, np.load(stream) as data:
        return dict(data)


def test_the_files_are_small() -> None:
    assert len((MODELS / "fashion_cnn.onnx").read_bytes()) <= 250_000
    assert len((MODELS / "fashion_cnn.npz").read_bytes()) <= 1_400_000


def test_the_model_has_nine_mac_layers_of_which_two_are_depthwise(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") + kinds.count("Gemm") == 9
    assert kinds.count("Add") == 2
    assert "BatchNormalization" not in kinds
    assert "Softmax" not in kinds
    groups = [a.i for node in model.graph.node for a in node.attribute if a.name == "group"]
    assert sum(group > 1 for group in groups) == 2
    weights = sum(np.prod(w.dims) for w in model.graph.initializer if len(w.dims) > 1)
    assert weights == 56_720
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_the_data_are_distinct_images_of_every_class(arrays: dict[str, np.ndarray]) -> None:
    for images, labels, count in (("x_calib", "y_calib", 1000), ("x_eval", "y_eval", 2000)):
        assert arrays[images].shape == (count, 28, 28)
        assert arrays[images].dtype == np.uint8
        assert np.bincount(arrays[labels]).tolist() == [count // 10] * 10
    seen = np.concatenate([arrays["x_calib"], arrays["x_eval"]]).reshape(3000, -1)
    assert len(np.unique(seen, axis=0)) == 3000


def test_the_recipe_feeds_the_model_to_its_stated_accuracy(
    model: onnx.ModelProto, arrays: dict[str, np.ndarray]
) -> None:
    recipe = tomllib.loads((MODELS / "fashion_cnn.toml").read_text())
    assert (MODELS / recipe["data"]).is_file()
    x = arrays[recipe["evaluation"]].astype(np.float64) * recipe["scale"] + recipe["offset"]
    x = ((x - recipe["mean"][0]) / recipe["std"][0]).astype(np.float32)[:, None]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    logits = np.asarray(session.run(["logits"], {"input": x})[0])
    right = np.mean(logits.argmax(axis=1) == arrays[recipe["labels"]])
    assert right == pytest.approx(0.9260, abs=0.0006)  # a tie may round otherwise elsewhere


@pytest.mark.slow
def test_all_test_images_reach_the_promised_accuracy(model: onnx.ModelProto) -> None:
    import gzip
    from pathlib import Path

    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("needs Debian's dataset-fashion-mnist")
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    x = np.frombuffer(images, np.uint8).reshape(10000, 1, 28, 28) / np.float32(255)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = (x - np.float32(0.2860)) / np.float32(0.3530)
    logits = np.asarray(session.run(["logits"], {"input": x})[0])
    right = np.mean(logits.argmax(axis=1) == np.frombuffer(labels, np.uint8))
    assert right >= 0.925
