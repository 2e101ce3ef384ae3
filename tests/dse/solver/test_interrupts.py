"""Solvers leave the process the handlers of signals that it had."""

import re
import signal
from pathlib import Path

import numpy as np
import pytest

from macwright.dse.solver import Budget, Effort, OptionTable, front, solve
from macwright.hw.errors import Infeasible

STATUS = Path("/proc/self/status")
RNG = np.random.default_rng(0)
LAYERS = [f"layer{i}" for i in range(12)]
VALUES = {name: RNG.integers(1, 99, (12, 4)).tolist() for name in ("loss", "bops", "area")}
TABLE = OptionTable.from_arrays(LAYERS, [list("abcd")] * 12, **VALUES)


def hears_interrupts():
    """Whether the handler of SIGINT is Python's, in which case it is one at all."""
    caught = re.search(r"SigCgt:\s*(\w+)", STATUS.read_text())
    assert caught
    return bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    assert hears_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


needs_linux = pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")


@needs_linux
@pytest.mark.parametrize("solver", ["auto", "cp-sat", "scip", "highs", "cbc"])
def test_after_an_allocation(solver):
    budgets = [Budget("bops", max=480), Budget("area", max=480)]
    assert solve(TABLE, budgets=budgets, effort=Effort(solver=solver)).status == "optimal"
    assert hears_interrupts()


@needs_linux
def test_after_a_front_and_where_nothing_fits():
    assert len(front(TABLE, "loss", "bops")) > 10
    assert hears_interrupts()
    with pytest.raises(Infeasible):
        solve(
            TABLE,
            budgets=[Budget("bops", max=400), Budget("area", max=200)],
            effort=Effort(solver="cp-sat"),
        )
    assert hears_interrupts()
