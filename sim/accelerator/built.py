"""Simulates the machine in a folder, as its files are now, on images, against its network."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Network, read_network
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.difference import levels_from_words
from macwright.sim.accelerator.golden import to_words
from macwright.sim.accelerator.record import BusRecord, MachineRecord, WordRecord, read_build
from macwright.sim.owned import run_program, scratch_folder
from macwright.sim.simulators import Simulator, find_simulator

__all__ = ["PATIENCE", "BuiltMachine", "Run", "to_stream"]

#: Cycles without a word after which a machine hangs, at least.
PATIENCE = 1_000_000
_Levels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What a machine gave for some frames.

    Parameters
    ----------
    levels : ndarray of int64, shape (frames, *shape of the output)
        Results.
    ends : tuple of int
        Cycle in which the last word of each frame went out, the first word going in being taken in
        cycle 0.
    """

    levels: _Levels
    ends: tuple[int, ...]


@dataclass
class BuiltMachine:
    """A machine that is compiled for a simulator; a compiled one is used again.

    Parameters
    ----------
    folder : Path
        What `macwright build` wrote.
    simulator : {"icarus", "verilator"}, optional
        By default the first that is installed.
    probed : bool
        Whether words of all stages are written, too.

    Raises
    ------
    ToolError
        If there is no simulator, or it does not take the Verilog.
    """

    folder: Path
    simulator: str | None = None
    probed: bool = False
    record: MachineRecord = field(init=False)
    network: Network = field(init=False)
    tool: Simulator = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.record = MachineRecord.of(read_build(self.folder)["machine"])
        self.network = read_network(self.folder / "network.json")
        self._check_ends()
        self.tool = find_simulator(self.simulator)
        self._compile()

    @property
    def variant(self) -> str:
        """Name of the folder of what is compiled."""
        return f"{self.tool.name}{'_probed' * self.probed}"

    @property
    def verilog(self) -> tuple[str, ...]:
        """Files that are simulated."""
        return self.record.verilog

    def _check_ends(self) -> None:
        """Refuse a folder whose two descriptions are not of one machine."""
        network = self.network
        for words, name in (
            (self.record.source, network.input),
            (self.record.result, network.output),
        ):
            edge = network.edge(name)
            wanted = (name, edge.size, edge.format.width)
            if (words.edge, words.lanes * words.words, words.bits) != wanted:
                raise RefusedInput(
                    f"{self.folder} must hold a machine and its own network, which takes and gives "
                    f"{edge.size} codes of {edge.format.width} bits as {name}; build it anew"
                )

    def _bench(self) -> str:
        text = (files("macwright.sim.accelerator") / "bench.v").read_text()
        for name, words in (("IN_BITS", self.record.source), ("OUT_BITS", self.record.result)):
            text = text.replace(name, str(-(-words.lanes * words.bits // 8) * 8))
        if self.record.bus is not None:
            text = _with_memory(text, self.record.bus)
        text = text.replace("TOP", self.record.top)
        if not self.probed:
            return text
        lines = ['  integer probe;\n  initial probe = $fopen("probe.txt", "w");\n']
        if self.record.array is not None:
            lines.append(
                "  always @(posedge clk) if (!rst && machine.result_valid)\n"
                '    $fwrite(probe, "%0d %h\\n", machine.pass_number, machine.result_codes);\n'
            )
            return text.replace("endmodule", "".join(lines) + "endmodule")
        for number, stage in enumerate(self.record.stages):
            shown = ", ".join(f"machine.{stage.name}.out{k}" for k in range(len(stage.outputs)))
            codes = " %h" * len(stage.outputs)
            lines.append(
                f"  always @(posedge clk) if (!rst && machine.{stage.name}.valid)\n"
                f'    $fwrite(probe, "{number}{codes}\\n", {shown});\n'
            )
        return text.replace("endmodule", "".join(lines) + "endmodule")

    def _compile(self) -> None:
        bench = self._bench()
        digest = hashlib.sha256(f"{self.tool.name} {bench}".encode())
        for name in self.verilog:
            path = self.folder / name
            if not path.is_file():
                raise FileNotFoundError(f"{self.folder} must hold {name}, which is missing")
            digest.update(path.read_bytes())
        self.work = self.folder / "simulation" / self.variant
        mark = self.work / "compiled.sha256"
        verilator = self.tool.name == "verilator"
        self.command = (
            [str(self.work / "verilated" / "Vbench")]
            if verilator
            else ["vvp", "-n", str(self.work / "bench.vvp")]
        )
        if mark.is_file() and mark.read_text() == digest.hexdigest():
            return
        shutil.rmtree(self.work, ignore_errors=True)
        write_atomic(self.work / "bench.v", bench)
        sources = [str(self.work / "bench.v"), *self.verilog]
        if verilator:
            program = shutil.which("verilator", path=self.tool.env.get("PATH")) or "verilator"
            options = ["--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
            options += ["--top-module", "bench", "--Mdir", str(self.work / "verilated"), "-j", "2"]
            options += ["-CFLAGS", "-std=gnu++20 -fcoroutines", "--output-split", "20000"]
            self._do([program, *options, *sources], self.folder)
        else:
            target = str(self.work / "bench.vvp")
            self._do(["iverilog", "-g2005", "-o", target, "-s", "bench", *sources], self.folder)
        write_atomic(mark, digest.hexdigest())

    def _do(self, command: Sequence[str], cwd: Path) -> None:
        log = self.work / "simulate.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            env = {**os.environ, **self.tool.env}
            done = run_program(command, folder=cwd, env=env, log=stream)
        if done.returncode:
            raise ToolError(f"Simulator {self.tool.name} failed; see {log}")

    def run(
        self,
        levels: _Levels,
        *,
        offer: float = 1.0,
        accept: float = 1.0,
        memory: float = 1.0,
        seed: int = 1,
    ) -> tuple[Run, dict[str, list[list[int]]]]:
        """Give the machine frames one after the other.

        Parameters
        ----------
        levels : ndarray of int64, shape (frames, *shape of the input)
            Levels of the input.
        offer, accept : float
            Share of the cycles in which a word is offered, and taken.
        memory : float
            Share of the cycles in which a memory of weights takes an address, and gives a beat.
        seed : int
            Of the chances, at least 1.

        Returns
        -------
        run : Run
            What came out.
        probes : dict
            Words of each output of each stage, by the stage's name; empty if not `probed`.

        Raises
        ------
        ToolError
            If the machine hangs, or the simulator fails.
        """
        record = self.record
        words = to_stream(levels, record.source, self.network)
        results = len(levels) * record.result.words
        digits = -(-record.source.lanes * record.source.bits // 4)
        with scratch_folder(self.work) as place:
            self.link_memories(place)
            text = "".join(f"{word:0{digits}x}\n" for word in words)
            (place / "input.hex").write_text(text)
            numbers = {
                "words": len(words), "results": results, "seed": seed,
                "offer": round(offer * 65536), "accept": round(accept * 65536),
                # One array may take a million cycles between its input and its results.
                "patience": max(PATIENCE, 4 * record.interval),
            }  # fmt: skip
            if record.bus is not None:
                numbers |= {"latency": record.bus.latency, "memory": round(memory * 65536)}
            self.execute(numbers, place)
            lines = (place / "output.txt").read_text().split("\n")
            probes = self._probes(place / "probe.txt") if self.probed else {}
        taken = next((int(line.split()[1]) for line in lines if line.startswith("i")), 0)
        out = [line.split() for line in lines if line.startswith("o")]
        if len(out) < results:
            raise ToolError(
                f"Machine {record.top} hangs after {len(out)} of {results} words; the network "
                "gives them"
            )
        edge = self.network.edge(record.result.edge)
        levels_out = levels_from_words(
            [int(line[3], 16) for line in out], record.result, self.network
        )
        ends = [
            int(line[1]) - taken for line in out[record.result.words - 1 :: record.result.words]
        ]
        return Run(levels=levels_out.reshape(len(levels), *edge.shape), ends=tuple(ends)), probes

    def link_memories(self, place: Path) -> None:
        """Make the contents of the machine's memories seen in a folder."""
        for memory in self.folder.glob("*.hex"):
            (place / memory.name).symlink_to(memory)

    def execute(self, numbers: Mapping[str, int], place: Path) -> None:
        """Run the compiled bench in a folder, with plus arguments."""
        self._do([*self.command, *(f"+{key}={n}" for key, n in numbers.items())], place)

    def _probes(self, path: Path) -> dict[str, list[list[int]]]:
        result = {stage.name: [[] for _ in stage.outputs] for stage in self.record.stages}
        for line in path.read_text().splitlines():
            number, *codes = line.split()
            for words, code in zip(
                result[self.record.stages[int(number)].name], codes, strict=True
            ):
                words.append(int(code, 16) if set(code) <= set("0123456789abcdef") else -1)
        return result


def _with_memory(bench: str, bus: BusRecord) -> str:
    """A bench with a memory that the machine reads its weights from."""
    ports = {
        **{f"m_axi_{name}": name for name in ("araddr", "arlen", "arvalid", "arready")},
        **{f"m_axi_{name}": name for name in ("rdata", "rlast", "rvalid", "rready")},
        **{f"s_axil_{name}": name for name in ("awaddr", "wdata", "awvalid", "awready")},
        "s_axil_wvalid": "awvalid", "s_axil_wstrb": "4'd15", "s_axil_bready": "1'b1",
        "s_axil_arvalid": "1'b0", "s_axil_araddr": "5'd0", "s_axil_rready": "1'b1",
        "m_axi_rresp": "2'd0",
    }  # fmt: skip
    wide = {"araddr": 32, "arlen": 8, "rdata": bus.bits, "awaddr": 5, "wdata": 32}
    wires = dict.fromkeys(name for name in ports.values() if name.isidentifier())
    lines = [f"  wire [{wide.get(name, 1) - 1}:0] {name};\n" for name in wires]
    joined = ", ".join(f".{name}({name})" for name in wires)
    lines.append(f"  bench_memory memory (.clk(clk), .rst(rst), {joined});\n")
    last = ".m_axis_tready(m_axis_tready)"
    more = ", ".join(f".{port}({wire})" for port, wire in ports.items())
    bench = bench.replace(last, f"{last},\n    {more}")
    bench = bench.replace("  TOP machine", "".join(lines) + "  TOP machine")
    text = (files("macwright.sim.accelerator") / "memory.v").read_text()
    for name, value in (("BITS", bus.bits), ("COUNT", bus.beats), ("IMAGE", bus.image)):
        text = text.replace(name, str(value))
    return bench + text


def to_stream(levels: _Levels, words: WordRecord, network: Network) -> list[int]:
    """Words of frames in the order in which a machine takes them."""
    codes = network.edge(words.edge).codes(levels)
    return to_words(np.moveaxis(codes, 1, -1), lanes=words.lanes, bits=words.bits)
