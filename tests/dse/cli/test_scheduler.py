"""Evaluations on a Dask cluster are those of this process."""

import os
import signal
import sys

import pytest

from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import Settings
from macwright.dse.validation import accuracy as measure
from macwright.dse.workload import load_workload

pytestmark = pytest.mark.usefixtures("own_cache")

ALLOCATIONS = [
    {"conv": conv, "linear": linear}
    for conv in ("int4/int8", "e2m1fn/int4", "int8/int8")
    for linear in ("int4/int4", "int8/int8")
]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_cluster_evaluates_what_threads_evaluate(model, scheduler, monkeypatch, tmp_path):
    address, workers = scheduler
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)

    def progress(stage, done, total):
        if done == 2:
            os.kill(workers[0].pid, signal.SIGKILL)

    there = measure.evaluate_all(
        workload, dataset, ALLOCATIONS, Rotations(), Settings(scheduler=address), progress
    )
    assert workers[0].wait(10) == -signal.SIGKILL
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    assert measure.evaluate_all(workload, dataset, ALLOCATIONS, Rotations(), Settings()) == there


@pytest.mark.slow
def test_run_on_a_cluster_has_the_files_of_a_run_here(model, scheduler, work, tmp_path):
    formats = ["--weights", "int4,int8", "--activations", "int8", "--no-verify"]
    for where, name in ((["--scheduler", scheduler[0]], "there"), ([], "here")):
        assert cli.main(["dse", str(model), *formats, *where, "-o", str(work / name)]) == 0
    for path in (work / "here").rglob("*.*"):
        if path.name not in ("run.json", "report.html"):
            other = work / "there" / path.relative_to(work / "here")
            assert other.read_bytes() == path.read_bytes()


def test_scheduler_that_is_not_there_is_one_line(model, work, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    formats = ["--weights", "int4", "--activations", "int8", "--no-verify"]
    argv = ["dse", str(model), *formats, "--scheduler", "tcp://127.0.0.1:9", "-o", str(work / "no")]
    assert cli.main(argv) == 1
    assert "pip install 'macwright[distributed]'" in capsys.readouterr().err
    assert not (work / "no").exists()
