"""A characterisation that is killed loses the units in flight at most."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from macwright.costmodel.characterize.many import characterize
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec

UNITS = 4
PROGRAM = """
from test_resume import specs
from macwright.costmodel.characterize.many import characterize
characterize(specs(), "gates", jobs=1)
"""


def specs():
    """Units that take about a second each."""
    return [
        IntMacSpec(act=IntFormat(1), weight=IntFormat(1), acc=IntFormat(3 + n))
        for n in range(UNITS)
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_run_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    folder = Path(__file__).parent
    run = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder)
    end = time.monotonic() + 100
    while (done := len(list(tmp_path.glob("synthesis/*/*.json")))) < 2:
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    run.kill()
    run.wait()
    done = len(list(tmp_path.glob("synthesis/*/*.json")))
    sources = list(characterize(specs(), "gates").source)
    # One more may be finished by the time the kill arrives, but none is lost.
    assert 2 <= done < UNITS
    assert sources == ["cache"] * done + ["characterised"] * (UNITS - done)
    assert list(characterize(specs(), "gates").source) == ["cache"] * UNITS
