"""Simulation with delays, and Verilog, where addresses are limited as by ``ulimit -v 2000000``."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from macwright.hw import verilog, wasm
from macwright.hw.errors import ToolError
from macwright.hw.pe import IntMacSpec

LIMIT = 2_000_000 * 1024
#: A unit's transitions with delays, by a kernel, with nothing kept from earlier.
COUNT = """
import numpy as np
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.timing import analyse
from macwright.costmodel.netlist.verilog import from_verilog
from macwright.costmodel.power.glitch import GlitchSimulator

library = read_liberty([{library!r}])
gates = " XOR2 g0 (.A(a), .B(s), .Y(n0));"
for i in range(1, 40):
    gates += f" XOR2 g{{i}} (.A(n{{i - 1}}), .B(a), .Y(n{{i}}));"
text = "module top (clk, a, y); input clk; input a; output y;" + gates
text += " DFF f (.CK(clk), .D(n39), .Q(s), .QN(t)); assign y = n39; endmodule"
netlist = from_verilog(text, library)
simulator = GlitchSimulator(netlist, analyse(netlist))
size = len(netlist.net_names)
values = np.random.default_rng(0).integers(0, 2, (200, len(simulator.sources)), dtype=np.uint8)
count = simulator.run(np.zeros(size, np.uint8), values, np.ones(200, bool), np.ones(size))
print(count.toggles.tolist(), count.energy_fj.sum())
"""
LIBRARY = str(Path(__file__).parents[1] / "small.lib")


def limited(command, limit=LIMIT, **options):
    """What a command does whose addresses are limited."""
    return subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        **options,
    )


def test_transitions_are_the_same_in_two_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    command = [sys.executable, "-c", COUNT.format(library=LIBRARY)]
    small, roomy = limited(command), limited(command, 64 << 30)
    assert (small.returncode, small.stderr) == (0, "")
    assert small.stdout == roomy.stdout
    assert float(small.stdout.split()[-1]) > 1000


@pytest.mark.slow  # a machine that has not done it compiles Yosys for 12 s
def test_verilog_is_the_same_in_two_gigabytes():
    code = "from macwright.hw.pe import IntMacSpec; from macwright.hw.verilog import unit_verilog; "
    code += "print(unit_verilog(IntMacSpec()), end='')"
    small = limited([sys.executable, "-c", code])
    assert (small.returncode, small.stderr) == (0, "")
    assert small.stdout == verilog.unit_verilog(IntMacSpec())


@pytest.mark.slow  # as above
def test_command_says_that_addresses_are_limited(tmp_path):
    code = "from macwright.dse.cli.main import main; raise SystemExit(main())"
    done = limited([sys.executable, "-c", code, "generate", "int_mac", "-o", str(tmp_path)])
    assert done.returncode == 0
    assert done.stderr.startswith("macwright: note: addresses are limited (ulimit -v)")
    assert done.stderr.count("\n") == 1


def test_a_wasmtime_that_always_reserves_is_refused_where_it_cannot(monkeypatch):
    monkeypatch.setattr(wasm, "is_address_space_small", lambda: True)
    monkeypatch.delattr("wasmtime.Config.memory_reservation")
    with pytest.raises(ToolError, match=r"^Wasmtime must be .* where addresses are limited"):
        wasm.wasm_engine()
