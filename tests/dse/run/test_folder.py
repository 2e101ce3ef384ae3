"""Files of a run: whole, the same for the same data, and refused early."""

import json
from pathlib import Path

import pandas as pd
import pytest

from macwright.dse.run.folder import check_writable, csv_text, json_text, write_run


def test_csv_has_full_precision_and_empty_cells():
    frame = pd.DataFrame({"a": ["x", 'y,"z'], "b": [0.1 + 0.2, None]})
    assert csv_text(frame) == 'a,b\nx,0.30000000000000004\n"y,""z",\n'


def test_json_is_sorted_and_refuses_nan():
    assert json_text({"b": 1, "a": 2}) == '{\n "a": 2,\n "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": float("nan")})


def test_write_run_replaces_an_earlier_run(tmp_path):
    run = tmp_path / "run"
    old = {"allocations/0.json": "0\n", "allocations/1.json": "1\n", "sequential.csv": "x\n"}
    old["whole_front.csv"] = "x\n"
    write_run(run, {"run.json": "{}\n", **old})
    write_run(run, {"run.json": "[]\n", "allocations/0.json": "2\n"})
    left = {str(p.relative_to(run)): p.read_text() for p in run.rglob("*.*")}
    assert left == {"run.json": "[]\n", "allocations/0.json": "2\n"}


def test_run_json_comes_last(tmp_path):
    run = tmp_path / "run"
    (run / "front.csv").mkdir(parents=True)  # cannot be replaced by a file
    with pytest.raises(OSError, match=r"front\.csv"):
        write_run(run, {"run.json": "{}\n", "front.csv": "a\n"})
    assert not (run / "run.json").exists()
    assert not [p for p in run.iterdir() if p.name.startswith(".")], "a temporary file was left"


def test_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"^Output folder must be a folder, not the file"):
        check_writable(tmp_path / "out" / "run")
    assert (tmp_path / "out").read_text() == "mine"


def test_check_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_folder_that_takes_no_files_is_refused():

    with pytest.raises(OSError, match=r"^Output folder must be writable, not '/proc/macwright'"):
        check_writable(Path("/proc/macwright"))


def test_numbers_survive_json(tmp_path):
    text = json_text({"x": 1 / 3})
    assert json.loads(text)["x"] == 1 / 3
