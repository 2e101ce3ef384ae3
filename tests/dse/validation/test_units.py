# amaranth: UnusedElaboratable=no
"""Units of a front are those of their cost rows, and pass their benches, or the run ends."""

import shutil

import pandas as pd
import pytest

from macwright.dse.validation import units as verify
from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import verilog_sha256
from macwright.sim.runner import SimResult

UNITS = [
    spec_from_fields("int_mac", {"act": act, "weight": "int2"})
    for act in ("int2", "int3", "uint2", "uint3")
]
needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


def rows():
    return pd.DataFrame(
        [{"unit": unit.name, "verilog_sha256": verilog_sha256(unit)} for unit in UNITS]
    )


@pytest.fixture
def folders(monkeypatch):
    """Folders that were simulated."""
    seen, simulate = [], verify.simulate

    def counted(folder, **given):
        seen.append(folder)
        return simulate(folder, **given)

    monkeypatch.setattr(verify, "simulate", counted)
    return seen


@needs_icarus
def test_units_are_hashed_and_simulated_once(monkeypatch, folders):
    monkeypatch.setattr(verify, "BATCH", 3)
    first = verify.verify_units(UNITS, rows())
    assert (first.hashed, first.simulated) == (4, 4)
    assert len(folders) == 2
    assert verify.verify_units(UNITS, rows()) == first
    assert len(folders) == 2


def test_other_verilog_than_the_cost_rows_is_refused():
    changed = rows()
    changed.loc[2, "verilog_sha256"] = "0" * 64
    with pytest.raises(ToolError, match=f"Cost row of {UNITS[2].name} must be of the Verilog"):
        verify.verify_units(UNITS, changed, simulating=False)


@needs_icarus
def test_failing_bench_ends_the_run_and_is_not_kept(monkeypatch, tmp_path, folders):
    failing = SimResult(False, 8, ["unit_corners: acc is 0x1"], tmp_path, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(verify, "simulate", lambda *_, **__: failing)
        with pytest.raises(ToolError, match=r"front fails its bench: unit_corners: acc is 0x1"):
            verify.verify_units(UNITS, rows())
    verify.verify_units(UNITS, rows())
    assert len(folders) == 1
