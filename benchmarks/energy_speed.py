"""Vectors per second of the energy engine, beside gate-level simulation by others.

    python benchmarks/energy_speed.py [CASE] [--liberty-dir DIR]

Simulates the netlist of one case of `../shared/reference/energy` (by default the INT8 MAC) with
random operands in this engine (zero delay; with glitches), in Icarus Verilog (zero delay with a
VCD of all nets; zero delay alone) and, where it is installed, in Verilator. All run on one core,
one after the other, are charged their processor time, and must agree on the accumulator. Status 1
if the engine is not 300 times as fast without delays as Icarus with VCD, and twice as fast with
glitches as Icarus without VCD.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from energy_accuracy import Case, LibertyFinder, read_case
from section import write_section

from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.logic import Expression, inputs_of, parse_expression
from macwright.costmodel.netlist.timing import analyse
from macwright.costmodel.power.activity import Simulator, simulate, unpack_lanes
from macwright.costmodel.power.glitch import GlitchSimulator

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT.parent / "shared/reference/energy/nangate45-i8x8_32-gauss"
CLEAR_EVERY = 32
CYCLES = 6000
REPEATS = 2


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("case", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--liberty-dir", type=Path, default=ROOT.parent / "shared/pdk")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    case = read_case(options.case, LibertyFinder(options.liberty_dir))
    rates = {
        "zero delay": zero_delay(case, lanes=8192, cycles=66),
        "with glitches": with_glitches(case, lanes=384, cycles=66),
    }
    with tempfile.TemporaryDirectory() as folder:
        rates |= others(case, options.case / "netlist.v", Path(folder))
    lines = [f"{options.case.name}: vectors per processor second, best of {REPEATS}"]
    lines += [f"  {name:28} {rate:12,.0f}" for name, rate in rates.items()]
    failed = False
    for mine, other, least in (
        ("zero delay", "icarus zero delay, VCD", 300),
        ("with glitches", "icarus zero delay", 2),
    ):
        ratio = rates[mine] / rates[other]
        failed |= ratio < least
        lines.append(f"{mine} / {other}: {ratio:.1f} (at least {least})")
    text = "\n".join(lines)
    print(text)
    if options.write:
        body = f"```\n{text}\n```"
        write_section("energy_speed", "Speed of the energy model", body)
    return int(failed)


def operands(case: Case, lanes: int, cycles: int) -> dict[str, np.ndarray]:
    """Gaussian integer codes for every port that is no clock, reset or clear."""
    rng = np.random.default_rng(0)
    streams = {}
    for name, port in case.netlist.ports.items():
        if port.direction != "input" or case.netlist.clock in port.nets:
            continue
        codes = np.zeros((cycles, lanes), dtype=np.int64)
        if name == "rst":
            codes[0] = 1
        elif name in ("clr", "clear"):
            codes[::CLEAR_EVERY] = 1
        else:
            width = len(port.nets)
            scale = 2 ** (width - 1) - 1
            draws = np.round(rng.normal(size=(cycles, lanes)) / 3.5 * scale)
            codes = np.clip(draws, -scale - 1, scale).astype(np.int64) & (2**width - 1)
        streams[name] = codes
    return streams


def best(run: Callable[[], object], who: int = resource.RUSAGE_SELF) -> float:
    """Least processor time of several runs, s; other work on the machine then matters little."""
    times = []
    for _ in range(REPEATS):
        start = resource.getrusage(who)
        run()
        end = resource.getrusage(who)
        times.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
    return min(times)


def zero_delay(case: Case, lanes: int, cycles: int) -> float:
    """Vectors per second of the zero-delay engine, toggle counts included."""
    streams = operands(case, lanes, cycles)
    simulator = Simulator(case.netlist)
    return lanes * cycles / best(lambda: simulate(case.netlist, streams, simulator=simulator))


def with_glitches(case: Case, lanes: int, cycles: int) -> float:
    """Vectors per second of the engine with delays, the making of its kernel included."""
    netlist = case.netlist
    timing = analyse(netlist, wire_ff=case.wire_ff)
    settled = []
    simulate(
        netlist,
        operands(case, lanes, cycles),
        observe=lambda _, values: settled.append(unpack_lanes(values, lanes)),
    )
    simulator = GlitchSimulator(netlist, timing)
    history = np.array(settled, dtype=np.uint8).transpose(2, 0, 1)
    nets = [net for net, _, _ in simulator.sources]
    values = history[:, :, nets].reshape(-1, len(nets))
    counted = np.ones(len(values), dtype=bool)
    weights = np.ones(len(netlist.net_names))
    return len(values) / best(lambda: simulator.run(history[0, 0], values, counted, weights))


def others(case: Case, netlist: Path, folder: Path) -> dict[str, float]:
    """Vectors per second of Icarus Verilog and Verilator."""
    cycles = CYCLES
    streams = operands(case, 1, cycles)
    ports = case.netlist.ports
    width = sum(len(ports[name].nets) for name in streams)
    words = []
    for cycle in range(cycles):
        word = 0
        for name, codes in streams.items():
            word = word << len(ports[name].nets) | int(codes[cycle, 0])
        words.append(f"{word:x}")
    (folder / "stimulus.hex").write_text("\n".join(words))
    history: list[int] = []
    acc = ports["acc"].nets
    simulate(
        case.netlist,
        streams,
        observe=lambda _, v: history.append(sum(v[n] << i for i, n in enumerate(acc))),
    )
    (folder / "netlist.v").write_text(netlist.read_text())
    (folder / "cells.v").write_text(cell_models(case))
    rates = {}
    for name, count, vcd in (
        ("icarus zero delay, VCD", cycles // 4, True),
        ("icarus zero delay", cycles, False),
    ):
        bench = bench_text(case, list(streams), width, count, vcd)
        (folder / "bench.v").write_text(bench)
        sources = ["bench.v", "cells.v", "netlist.v"]
        subprocess.run(["iverilog", "-g2005", "-o", "run.vvp", *sources], cwd=folder, check=True)
        rates[name] = count / timed(["vvp", "run.vvp"], folder, history[count - 1])
    count = cycles
    if tool := shutil.which("verilator") or shutil.which("verilator-cli"):
        (folder / "bench.v").write_text(bench_text(case, list(streams), width, count, False))
        done = subprocess.run(
            [tool, "--binary", "-O3", "-Wno-fatal", "-Wno-lint", "--top-module", "bench", *sources],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        binary = folder / "obj_dir" / "Vbench"
        if done.returncode or not binary.exists():
            print(f"Verilator does not compile here: {done.stderr.strip()[-200:]}")
        else:
            rates["verilator zero delay"] = count / timed([str(binary)], folder, history[count - 1])
    return rates


def timed(command: list[str], folder: Path, expected: int) -> float:
    """Shortest run of a simulation, s; its last accumulator must be the expected one."""
    output = ""

    def run() -> None:
        nonlocal output
        output = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        ).stdout

    seconds = best(run, resource.RUSAGE_CHILDREN)
    found = re.search(r"acc=([0-9a-f]+)", output)
    if found is None or int(found[1], 16) != expected:
        raise RuntimeError(f"{command[0]} must end with acc={expected:x}, not {output.strip()!r}")
    return seconds


def bench_text(case: Case, names: list[str], width: int, cycles: int, vcd: bool) -> str:
    """Verilog bench that plays `stimulus.hex`."""
    ports = case.netlist.ports
    clock = next(n for n, p in ports.items() if case.netlist.clock in p.nets)
    wires = "".join(f"wire [{len(ports[n].nets) - 1}:0] {n};\n" for n in names)
    dump = '$dumpfile("all.vcd"); $dumpvars(0, bench);' if vcd else ""
    links = ", ".join(f".{n}({n})" for n in (*names, "acc"))
    return f"""`timescale 1ns/1ps
module bench;
reg [{width - 1}:0] memory [0:{CYCLES - 1}];
reg [{width - 1}:0] now;
reg tick;
integer i;
{wires}assign {{{", ".join(names)}}} = now;
wire [{len(ports["acc"].nets) - 1}:0] acc;
top dut (.{clock}(tick), {links});
initial begin
 $readmemh("stimulus.hex", memory);
 {dump}
 tick = 0;
 for (i = 0; i < {cycles}; i = i + 1) begin
  now = memory[i];
  #1;
  if (i == {cycles - 1}) begin $display("acc=%h", acc); $finish; end
  tick = 1; #1 tick = 0;
 end
end
endmodule
"""


def cell_models(case: Case) -> str:
    """Verilog of the cells that the netlist uses, from their Liberty functions."""
    cells = {instance.cell.name: instance.cell for instance in case.netlist.instances}
    return "\n".join(cell_model(cell) for cell in cells.values())


def cell_model(cell: Cell) -> str:
    """Zero-delay Verilog of one cell."""
    lines = [f"module {cell.name} ({', '.join([*cell.inputs, *cell.outputs])});"]
    lines += [f"input {pin};" for pin in cell.inputs]
    lines += [f"output {pin};" for pin in cell.outputs]
    ff = cell.flip_flop
    if ff:
        clock = inputs_of(parse_expression(ff.clocked_on))[0]
        lines += [f"reg {ff.state};", f"wire {ff.inverse} = ~{ff.state};"]
        after = verilog(parse_expression(ff.next_state))
        lines.append(f"always @(posedge {clock}) {ff.state} <= {after};")
    for pin in cell.outputs:
        lines.append(f"assign {pin} = {verilog(parse_expression(cell.pins[pin].function))};")
    return "\n".join([*lines, "endmodule"])


def verilog(tree: Expression) -> str:
    """Expression in Verilog."""
    if tree[0] == "var":
        return str(tree[1])
    if tree[0] == "const":
        return "1'b1" if tree[1] else "1'b0"
    if tree[0] == "not":
        return f"~{verilog(tree[1])}"
    operator = {"and": "&", "or": "|", "xor": "^"}[tree[0]]
    return f"({verilog(tree[1])} {operator} {verilog(tree[2])})"


if __name__ == "__main__":
    sys.exit(main())
