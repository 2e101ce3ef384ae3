"""Open cell libraries: which are read, and how our timing compares with that of OpenSTA.

    python benchmarks/liberty.py LIBRARY... [--sta sta] [--record]

A LIBRARY is a Liberty file, or the files of one with commas between them. An int4 x int8
multiply-accumulate unit is mapped to each; `macwright.costmodel.netlist.timing` and OpenSTA work
out its shortest clock period from the same netlist, with the same transition times at the ports
and without wires.
"""

import argparse
import gzip
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from section import write_section

from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.netlist.timing import analyse, default_slew_ns
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec

SPEC = IntMacSpec(act=IntFormat(8), weight=IntFormat(4), acc=IntFormat(24))

STA = """
{reads}
read_verilog unit.v
link_design {top}
set_cmd_units -time ns -capacitance fF
create_clock -name clk -period {period} [get_ports clk]
set_clock_transition {slew} [get_clocks clk]
set_input_delay 0 -clock clk [all_inputs]
set_input_transition {slew} [all_inputs]
puts "slack [get_property [lindex [find_timing_paths -path_delay max] 0] slack]"
exit
"""


def structural(netlist: dict[str, Any], top: str) -> str:
    """Verilog of a mapped netlist."""
    module = netlist["modules"][top]
    width = {name: len(port["bits"]) for name, port in module["ports"].items()}
    lines = [f"module {top} ({', '.join(width)});"]
    for name, port in module["ports"].items():
        lines.append(f"  {port['direction']} [{width[name] - 1}:0] {name};")
        for n, bit in enumerate(port["bits"]):
            ends = (f"n{bit}", f"{name}[{n}]")
            left, right = ends if port["direction"] == "input" else ends[::-1]
            lines.append(f"  assign {left} = {right if bit not in ('0', '1') else f'1%{bit}'};")
    bits = {b for cell in module["cells"].values() for (b,) in cell["connections"].values()}
    bits |= {b for port in module["ports"].values() for b in port["bits"]}
    lines[1:1] = [f"  wire n{bit};" for bit in sorted(b for b in bits if isinstance(b, int))]
    for n, cell in enumerate(module["cells"].values()):
        pins = [
            f".{pin}({f'n{bit}' if isinstance(bit, int) else f'1%{bit}'})"
            for pin, (bit,) in cell["connections"].items()
        ]
        lines.append(f"  {cell['type']} u{n} ({', '.join(pins)});")
    return "\n".join([*lines, "endmodule\n"]).replace("1%", "1'b")


def sta_period_ns(
    sta: str, paths: list[Path], netlist: dict[str, Any], top: str, *, period: float, slew: float
) -> float:
    """Shortest period by OpenSTA."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "unit.v").write_text(structural(netlist, top))
        reads = ""
        for n, path in enumerate(paths):
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode(
                errors="replace"
            )
            # OpenSTA takes the default wire-load model, resistance and all.
            text = re.sub(r"\bdefault_wire_load\w*\s*:[^;]*;", "", text)
            (folder / f"{n}.lib").write_text(text)
            reads += f"read_liberty {n}.lib\n"
        script = STA.format(reads=reads, top=top, period=period, slew=slew)
        (folder / "run.tcl").write_text(script)
        done = subprocess.run(
            [sta, "-no_splash", "-exit", "run.tcl"], cwd=folder, capture_output=True, text=True
        )
        match = re.search(r"^slack (\S+)", done.stdout, re.MULTILINE)
        if match is None:
            raise RuntimeError(f"OpenSTA failed: {(done.stdout + done.stderr)[-500:]}")
        return period - float(match[1])


def row(sta: str, text: str) -> str:
    """One line of the table."""
    paths = [Path(path) for path in text.split(",")]
    name = paths[0].name.removesuffix(".gz").removesuffix(".lib")
    try:
        technology = liberty_technology(paths)
    except ValueError as error:
        return f"| {name} | refused: {error} | | | | | |"
    library = read_liberty(paths)
    netlist = unit_netlist(SPEC, technology)[1]
    mapped = from_yosys_json(netlist, library, top=SPEC.name)
    slew = default_slew_ns(mapped)
    zero = np.zeros(len(mapped.net_names))
    ours = analyse(mapped, wire_ff=zero, input_slew_ns=slew, clock_slew_ns=slew).input_period_ns
    theirs = sta_period_ns(sta, paths, netlist, SPEC.name, period=ours, slew=slew)
    temperature = "" if library.temperature_c is None else f"{library.temperature_c:g}"
    return (
        f"| {name} | {library.voltage_v:g} V, {temperature} degrees | {len(library.cell_names)} | "
        f"{len(library.left_out)} | {mapped.area:.6g} | {ours:.6g} | {theirs:.6g} "
        f"({ours / theirs - 1:+.2e}) |"
    )


def main() -> None:
    """Print the table, and record it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="+", metavar="LIBRARY")
    parser.add_argument("--sta", default="sta")
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    args = parser.parse_args()
    lines = [
        "| library | operating point | cells | left out | area | period, ns | by OpenSTA, ns |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for text in args.libraries:
        lines.append(row(args.sta, text))
        print(lines[-1], flush=True)
    if args.record:
        note = f"Unit {SPEC.name}; area in the library's unit; no wires; paths from ports included."
        write_section(
            "liberty",
            "Open cell libraries, and timing beside OpenSTA",
            f"{note}\n\n" + "\n".join(lines),
        )


if __name__ == "__main__":
    main()
