"""Files of a run: whole, the same for the same data, and refused early."""

import json
import os
import subprocess
import sys
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
    # The mark of an unfinished run stays, so that the next one knows the folder.
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == [".macwright-writes"]
    (run / "front.csv").rmdir()
    check_writable(run)
    write_run(run, {"run.json": "{}\n", "front.csv": "a\n"})
    assert sorted(p.name for p in run.iterdir()) == ["front.csv", "run.json"]


def test_files_of_others_are_kept_or_the_folder_is_refused(tmp_path):
    run = tmp_path / "run"
    (run / "allocations").mkdir(parents=True)
    (run / "allocations" / "notes.json").write_text("mine")
    (run / "notes.txt").write_text("mine")
    check_writable(run)
    for n in range(2):
        write_run(run, {"run.json": "{}\n", f"allocations/{n}.json": "{}\n"})
    left = sorted(str(p.relative_to(run)) for p in run.rglob("*.*"))
    assert left == ["allocations/1.json", "allocations/notes.json", "notes.txt", "run.json"]
    for name in ("front.csv", "allocations/7.json", "pairs.csv", "report.html"):
        other = tmp_path / name.replace("/", "-")
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("mine")
        with pytest.raises(ValueError, match=rf"new, empty or of an earlier run.*{name} of others"):
            check_writable(other)


def test_what_cannot_be_replaced_is_refused_early(tmp_path):
    (tmp_path / "a" / "front.csv").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"front.csv' must be a file, not a folder"):
        check_writable(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "allocations").write_text("")
    with pytest.raises(NotADirectoryError, match=r"allocations' must be a folder, not a file"):
        check_writable(tmp_path / "b")


#: Forks a pair of writers for each of so many folders, as starting Python takes a second.
WRITERS = """
import os, sys
from pathlib import Path
from macwright.dse.run.folder import write_run

def write(folder, me, turns):
    count = 3 + 4 * (me == "a")
    files = {f"allocations/{n}.json": me for n in range(count)}
    for _ in range(turns):
        write_run(folder, {**files, "front.csv": me, "run.json": f'["{me}"]'})

for pair in range(int(sys.argv[2])):
    writers = []
    for me in "ab":
        writers.append(os.fork())
        if not writers[-1]:
            status = 1
            try:
                write(Path(sys.argv[1]) / str(pair), me, int(sys.argv[3]))
                status = 0
            finally:
                os._exit(status)
    for writer in writers:
        assert os.waitpid(writer, 0)[1] == 0
"""


def write_together(folder, pairs, turns):
    """Two processes write their runs into one folder, again and again; as many folders as pairs."""
    command = [sys.executable, "-c", WRITERS, str(folder), str(pairs), str(turns)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    for run in (folder / str(pair) for pair in range(pairs)):
        texts = {p.relative_to(run).as_posix(): p.read_text() for p in run.rglob("*.*")}
        (who,) = json.loads(texts.pop("run.json"))
        assert set(texts.values()) == {who}
        assert len(texts) == 1 + 3 + 4 * (who == "a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("pairs", "turns"), [(1, 40), pytest.param(200, 5, marks=pytest.mark.slow)]
)
def test_two_writers_never_mix(tmp_path, pairs, turns):
    write_together(tmp_path, pairs, turns)


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
