"""Characterisation elsewhere: processes, and a Dask cluster whose worker is killed midway."""

import os
import signal
import sys
import time

import pandas as pd
import pytest

from macwright.costmodel.cache import Cache
from macwright.costmodel.characterize.executors import cluster, process_pool
from macwright.costmodel.characterize.many import characterize
from macwright.dse.cli import main as cli
from macwright.hw.errors import ToolError
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec

UNITS = [IntMacSpec(act=IntFormat(2), weight=IntFormat(1), acc=IntFormat(3 + n)) for n in range(12)]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


def test_processes_make_the_rows_that_threads_make(monkeypatch, tmp_path):
    with process_pool(2) as pool:
        rows = characterize(UNITS[:2], "gates", executor=pool)
    assert set(rows.source) == {"characterised"}
    assert set(characterize(UNITS[:2], "gates").source) == {"cache"}
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "other"))
    pd.testing.assert_frame_equal(rows, characterize(UNITS[:2], "gates"))


def test_cluster_that_is_not_there_is_one_line(capsys, monkeypatch):
    argv = ["characterize", "int_mac", "--scheduler", "tcp://127.0.0.1:9"]
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.main(argv) == 1
    assert "pip install 'macwright[distributed]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_worker_that_is_killed_loses_nothing_and_nothing_is_made_twice(scheduler, tmp_path):
    address, workers = scheduler
    done = []

    def progress(stage, count, total):
        done.append(count)
        if count == 3:
            os.kill(workers[0].pid, signal.SIGKILL)

    with cluster(address) as executor:
        rows = characterize(UNITS, "gates", executor=executor, progress=progress)
    assert workers[0].wait(10) == -signal.SIGKILL
    assert done == list(range(len(UNITS) + 1))
    assert list(rows.unit) == [spec.name for spec in UNITS]
    # A unit that was made twice would have been found in the cache the second time.
    assert list(rows.source).count("characterised") >= len(UNITS) - 1
    times = [path.stat().st_mtime for path in Cache("synthesis").folder.rglob("*.json")]
    assert len(times) == len(UNITS)
    here = characterize(UNITS, "gates")
    assert set(here.source) == {"cache"}
    pd.testing.assert_frame_equal(here.drop(columns="source"), rows.drop(columns="source"))


@pytest.mark.slow
def test_scheduler_that_does_not_answer_is_refused():
    pytest.importorskip("distributed", reason="needs Dask, the extra [distributed]")
    begun = time.monotonic()
    with (
        pytest.raises(ToolError, match=r"^Scheduler tcp://127\.0\.0\.1:9 cannot be reached"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - begun < 60
