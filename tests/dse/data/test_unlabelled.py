"""Models whose samples have no labels, and models without samples."""

import json

import numpy as np
import onnx
import pytest

from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.data.task import TASKS
from macwright.hw.errors import RefusedInput

NET = (
    '<ir_version: 8, opset_import: ["": 17]> g (float[N,6] x) => (float[N,3] y) '
    "<float[6,3] w = {1,-2,3,0.5,-1,2,1,1,-3,2,0.25,-1,1,2,-2,0.5,3,-1}> { y = MatMul(x, w) }"
)
FAST = ["--weights", "int4,int8", "--activations", "int8", "--no-verify", "--jobs", "1"]


def model(tmp_path, text=NET):
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def test_error_is_a_share_of_the_float_networks_outputs():
    task = TASKS["unlabelled"]
    exact = np.array([[3.0, 4.0], [0.0, 5.0]])
    assert task.metric(exact, exact) == 0
    # 1 of 50.
    assert task.metric(exact + np.array([[0, 1], [0, 0]]), exact) == pytest.approx(2)


def test_standard_error_agrees_with_resampling():
    random = np.random.default_rng(1)
    exact = random.standard_normal((400, 5)) * (1 + random.random((400, 1)))
    outputs = exact + 0.1 * random.standard_normal((400, 5))
    task = TASKS["unlabelled"]
    drawn = [random.integers(0, 400, 400) for _ in range(2000)]
    spread = np.std([task.metric(outputs[rows], exact[rows]) for rows in drawn])
    assert task.standard_error(outputs, exact) == pytest.approx(spread, rel=0.06)


def test_a_model_without_data_gets_a_front_and_a_note(tmp_path, capsys):
    path = model(tmp_path)
    assert main(["dse", str(path), *FAST, "-o", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "note: there is no recipe net.toml and no --data: 256 synthetic samples" in printed.err
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["task"] == "unlabelled"
    assert info["notes"][0].startswith("there is no recipe net.toml")
    assert info["fp32_accuracy"] == 0
    rows = (tmp_path / "run" / "front.csv").read_text().splitlines()
    assert len(rows) >= 3
    # The same command gives the same bytes.
    assert main(["dse", str(path), *FAST, "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "front.csv").read_text().splitlines() == rows


def test_samples_without_labels(tmp_path):
    path = model(tmp_path)
    x = np.random.default_rng(0).standard_normal((32, 6)).astype(np.float32)
    np.savez(tmp_path / "net.npz", x_calib=x)
    data = load_recipe(path, data_path=tmp_path / "net.npz", labels=False)
    assert (data.task, data.y_eval.shape) == ("unlabelled", (32, 0))
    assert data.notes[0].startswith("net.npz has calibration samples only: the 32 that set")
    np.testing.assert_array_equal(data.x_eval["x"], x)
    with pytest.raises(RefusedInput, match=r"y_eval|x_eval"):
        load_recipe(path, data_path=tmp_path / "net.npz")


def test_an_export_of_such_a_run_finds_its_samples_again(tmp_path, capsys):
    path = model(tmp_path)
    run = tmp_path / "run"
    assert main(["dse", str(path), *FAST, "-o", str(run)]) == 0
    words = ["export", str(run), "--point", "0", "--to", "csv", "--model", str(path)]
    assert main([*words, "-o", str(tmp_path / "codes")]) == 0


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("int64[N,4] x", "'x' takes int64, of which no range is known"),
        ("float[N,M] x", "'x' has open axes besides the batch"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, inputs, words):
    path = model(
        tmp_path,
        f'<ir_version: 8, opset_import: ["": 17]> g ({inputs}) => (float[N,4] y) '
        "{ y = Cast<to = 1>(x) }",
    )
    with pytest.raises(RefusedInput, match=words):
        load_recipe(path)


def test_tasks_that_need_labels_are_refused(tmp_path):
    path = model(tmp_path)
    np.savez(tmp_path / "net.npz", x_calib=np.zeros((4, 5)), x_eval=np.zeros((4, 5)))
    (tmp_path / "net.toml").write_text('task = "language-model"\ndata = "net.npz"\n')
    with pytest.raises(RefusedInput, match="language-model task must be scored by its labels"):
        load_recipe(path, labels=False)


@pytest.mark.parametrize("task", ["'speech'", "3"])
@pytest.mark.parametrize("labels", [True, False])
def test_unknown_tasks_are_refused_whether_accuracy_is_measured_or_not(tmp_path, task, labels):
    path = model(tmp_path)
    (tmp_path / "net.toml").write_text(f'task = {task}\ndata = "net.npz"\n')
    with pytest.raises(RefusedInput, match=f"task must be one of .*unlabelled, not {task}"):
        load_recipe(path, labels=labels)


def test_evaluation_samples_of_their_own_need_no_note(tmp_path):
    path = model(tmp_path)
    np.savez(tmp_path / "net.npz", x_calib=np.zeros((4, 6)), x_eval=np.ones((5, 6)))
    data = load_recipe(path, data_path=tmp_path / "net.npz", labels=False)
    assert (len(data.x_eval["x"]), data.notes) == (5, ())


def test_the_note_says_what_was_drawn(tmp_path):
    path = model(
        tmp_path,
        '<ir_version: 8, opset_import: ["": 17]> g (uint8[N,4] x, float[N,4] z) => (float[N,4] y) '
        "{ f = Cast<to = 1>(x) y = Add(f, z) }",
    )
    (note,) = load_recipe(path).notes
    assert "256 synthetic samples (standard normal and uint8 of its whole range) set" in note
