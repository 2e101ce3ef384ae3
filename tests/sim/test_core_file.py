"""Core descriptions: FuseSoC itself reads them, and lints what they list."""

import os
import re
import shutil
import subprocess

import pytest
from helpers.paths import ROOT

from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.sim.generate import LINT_WAIVERS, core_text, write_unit
from macwright.sim.simulators import find_simulator

UNITS = {
    "generic": ("int_mac", {}),
    "ecp5": ("int_mac", {"multiplier": "rows", "target": "ecp5"}),
    "asic": ("int_mac", {"multiplier": "booth4", "target": "asic"}),
    "float": ("minifloat_mac", {"rst": "true"}),
    "dot": ("dot", {"lanes": "2"}),
}


def test_waivers_are_those_that_have_reasons():
    text = (ROOT / "docs" / "verilog.md").read_text()
    assert tuple(re.findall(r"^\| `(-Wno-\w+)` \|", text, re.MULTILINE)) == LINT_WAIVERS


@pytest.mark.parametrize("case", UNITS)
def test_lists_the_files_there_are(case, tmp_path):
    family, fields = UNITS[case]
    spec = spec_from_fields(family, fields)
    write_unit(spec, tmp_path)
    text = (tmp_path / f"{spec.name}.core").read_text()
    assert text == core_text(spec)
    listed = re.findall(r"^    files: \[(.+)\]$", text, re.MULTILINE)
    files = [name for line in listed for name in line.split(", ")]
    assert sorted(files) == sorted(path.name for path in tmp_path.glob("*.v"))
    # A family's flow has its primitives; no flow has those of cell libraries.
    assert ("cells_" in listed[0]) == (case == "asic")


@pytest.mark.slow
@pytest.mark.parametrize("case", UNITS)
def test_fusesoc_lints_it(case, tmp_path):
    if not shutil.which("fusesoc"):
        pytest.skip("needs fusesoc (pip install fusesoc)")
    try:
        env = {**os.environ, **find_simulator("verilator").env}
    except ToolError as error:
        pytest.skip(str(error))
    env |= {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    family, fields = UNITS[case]
    spec = spec_from_fields(family, fields)
    write_unit(spec, tmp_path / "cores")
    command = ["fusesoc", "--cores-root", "cores", "run", "--target", "lint"]
    command.append(f"macwright::{spec.name}")

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    done = lint()
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "cores" / f"{spec.name}.v"
    path.write_text(path.read_text().replace("endmodule", "assign nowhere = \\\\ ;\nendmodule", 1))
    assert lint().returncode != 0
