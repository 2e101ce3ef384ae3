"""Recipes and data of models."""

import io
import re

import numpy as np
import onnx
import pytest
from helpers import networks

from macwright.dse.data.recipe import load_recipe
from macwright.dse.data.task import TASKS, spearman


@pytest.fixture
def files(tmp_path):
    """Model and bare data."""
    return networks.write(tmp_path, networks.cnn())


def recipe(folder, text, **arrays):
    """Write a recipe beside the model, and its data."""
    np.savez(folder / "raw.npz", **arrays)
    (folder / "net.toml").write_text(f'data = "raw.npz"\n{text}')


def test_bare_data_is_taken_as_it_is(files):
    dataset = load_recipe(files[0], data_path=files[1])
    assert dataset.task == "classification"
    assert dataset.x_calib["x"].shape == (48, 1, 8, 8)
    assert dataset.y_calib is None
    assert len(dataset.y_eval) == 96
    assert dataset.sources == [files[1]]
    assert dataset.sha256 == load_recipe(files[0], data_path=files[1]).sha256


def test_recipe_scales_and_turns_images(tmp_path):
    proto = networks.model(
        [("Conv", ["x", "w"], "c", {}), ("GlobalAveragePool", ["c"], "p", {}),
         ("Flatten", ["p"], "logits", {})],
        {"w": np.ones((2, 3, 1, 1), np.float32)}, shape=("N", 3, 4, 5), out=("N", 2),
    )  # fmt: skip
    path, _ = networks.write(tmp_path, networks.cnn())
    path.write_bytes(proto.SerializeToString())
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    recipe(
        tmp_path,
        'layout = "NHWC"\nscale = 0.00392156862745098\noffset = 0.5\nmean = [0.1, 0.2, 0.3]\n'
        'std = [0.5, 0.25, 2.0]\ncalibration = "a"\nevaluation = "b"\nlabels = "c"\n'
        'calibration_labels = "d"',
        a=images[:2], b=images[2:], c=np.array([0, 1, 1, 0]), d=np.array([1, 0]),
    )  # fmt: skip
    dataset = load_recipe(path)
    wanted = images[2:].astype(np.float64) / 255 + 0.5
    wanted = (wanted - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2.0]
    got = dataset.x_eval["x"]
    assert got.shape == (4, 3, 4, 5)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.transpose(0, 2, 3, 1), wanted, rtol=2e-6, atol=2e-6)
    assert dataset.y_calib is not None
    assert dataset.y_calib.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_eval": None}, "net.npz must hold an array 'x_eval', not only x_calib, y_eval"),
        ({"y_eval": np.zeros(95, int)}, "Labels of net.npz must be as many as the 96 evaluation"),
        ({"y_eval": np.array(3)}, "the 96 evaluation samples, not one number without an axis"),
        ({"y_eval": np.full(96, -1)}, "Labels of net.npz must be integers from 0, not -1"),
        ({"y_eval": np.full(96, 0.5)}, "Labels of net.npz must be integers from 0, not float64"),
        (
            {"x_eval": np.full((96, 1, 8, 8), np.nan)},
            "Evaluation data of net.npz must be finite numbers, not NaN or infinity as in sample 0",
        ),
        (
            {"x_calib": np.zeros((5, 8, 8, 1))},
            "Calibration data of net.npz for input 'x' must have samples of shape (1, 8, 8), "
            "not (8, 8, 1); check the recipe's layout",
        ),
        ({"x_calib": np.zeros((0, 1, 8, 8))}, "Calibration data of net.npz must have samples"),
        ({"x_calib": np.array(["a"])}, "Array 'x_calib' of net.npz must be numbers, not <U1"),
    ],
)
def test_data_that_is_refused(tmp_path, arrays, message):
    model, data = networks.write(tmp_path, networks.cnn(), **arrays)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_recipe(model, data_path=data)


def test_pickled_and_damaged_data_is_refused(tmp_path, files):
    np.savez(tmp_path / "p.npz", x_calib=np.array([object()]), x_eval=[1], y_eval=[1])
    with pytest.raises(ValueError, match="must be plain numbers, not damaged or pickled"):
        load_recipe(files[0], data_path=tmp_path / "p.npz")
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    for content in (b"", b"PK no archive", stream.getvalue()):
        (tmp_path / "p.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"p\.npz must be a NumPy \.npz archive"):
            load_recipe(files[0], data_path=tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = 'detection'", "Recipe's task must be one of classification, similarity, "),
        ("layuot = 'NCHW'", "not 'layuot'"),
        ("layout = 'HWC'", "Recipe's layout must be NCHW, NHWC, NHW or NC, not 'HWC'"),
        ("std = [0.0]", "Recipe's std must be numbers other than 0, not [0.0]"),
        ("mean = [1.0, 2.0]", "Recipe's mean must be one number for each of 1 channels, not 2"),
        ("scale = '2'", "Recipe's scale must be numbers other than 0, not '2'"),
        ("scale = true", "Recipe's scale must be numbers other than 0, not True"),
        ("scale = 0", "Recipe's scale must be numbers other than 0, not 0"),
        ("mean = ['1']", "Recipe's mean must be numbers, not ['1']"),
        ("scale = [1.0, 2.0]", "Recipe's scale must be one number for each of 1 channels, not 2"),
        ("layout = [", "net.toml must be a TOML file, not one where"),
    ],
)
def test_recipes_that_are_refused(tmp_path, files, text, message):
    with np.load(files[1]) as data:
        recipe(tmp_path, text, **data)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_recipe(files[0])


def test_a_recipe_may_begin_with_a_mark(tmp_path, files):
    path = tmp_path / "net.toml"
    path.write_text(f'\ufeffdata = "{files[1].name}"\ntask = "classification"\n', encoding="utf-8")
    assert load_recipe(files[0]).task == "classification"


def test_missing_files_are_named(tmp_path, files):
    with pytest.raises(FileNotFoundError, match=r"Recipe must be a TOML file, and .*no\.toml"):
        load_recipe(files[0], tmp_path / "no.toml")
    with pytest.raises(FileNotFoundError, match=r"Data must be a NumPy archive, and .*gone\.npz"):
        load_recipe(files[0], data_path=tmp_path / "gone.npz")


def test_metrics_of_the_tasks():
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5], [0.0, 0.0, 1.0]])
    assert TASKS["classification"].metric(logits, np.array([0, 1, 2, 2])) == 75
    even = np.zeros((2, 5, 4))
    assert TASKS["language-model"].metric(even, np.ones((2, 5), int)) == pytest.approx(4)
    assert TASKS["regression"].metric(logits, logits + 2) == pytest.approx(4)
    angles = np.array([0.1, 0.5, 1.0])
    pair = np.concatenate([np.tile([1.0, 0.0], (3, 1)), np.c_[np.cos(angles), np.sin(angles)]])
    assert TASKS["similarity"].metric(pair, np.array([5.0, 3.0, 1.0])) == pytest.approx(100)


def test_rank_correlation_shares_ranks_of_equal_values():
    # Worked by hand: ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    assert spearman(np.array([1, 2, 2, 9]), np.array([1, 2, 3, 4])) == pytest.approx(0.9486833)
    assert np.isnan(spearman(np.zeros(3), np.arange(3)))


def test_scales_and_offsets_of_channels(tmp_path):
    """Three channels of images that are three wide: numbers go along the channels."""
    x = np.random.default_rng(4).standard_normal((9, 3, 3, 3)).astype(np.float32)
    weights = {"w": np.ones((2, 3, 1, 1), np.float32)}
    nodes = [("Conv", ["x", "w"], "c", {}), ("GlobalAveragePool", ["c"], "g", {}),
             ("Flatten", ["g"], "logits", {})]  # fmt: skip
    proto = networks.model(nodes, weights, shape=("N", 3, 3, 3), out=("N", 2))
    onnx.save(proto, tmp_path / "net.onnx")
    np.savez(tmp_path / "net.npz", x_calib=x, x_eval=x, y_eval=np.arange(9) % 2)
    text = "data = 'net.npz'\nscale = [1.0, 2.0, 4.0]\noffset = [3.0, 5.0, 7.0]\n"
    (tmp_path / "net.toml").write_text(text)
    dataset = load_recipe(tmp_path / "net.onnx")
    wanted = x * np.reshape([1, 2, 4], (3, 1, 1)) + np.reshape([3, 5, 7], (3, 1, 1))
    np.testing.assert_allclose(dataset.x_eval["x"], wanted, rtol=1e-6)
