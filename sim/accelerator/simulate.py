"""Simulates a whole machine: its Verilog, in Icarus or Verilator, without Python in between."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.machine import MachineSpec, whole_bytes
from macwright.hw.errors import ToolError
from macwright.hw.files import write_atomic
from macwright.sim.generate import cells_text
from macwright.sim.owned import run_program
from macwright.sim.simulators import find_simulator

__all__ = ["MachineBench", "MachineRun", "write_library"]


@dataclass(frozen=True)
class MachineRun:
    """What a machine did.

    Attributes
    ----------
    words : list of int
        Words that came out.
    taken, given : list of int
        Cycles in which words went in and came out.
    lasts : list of int
        Indices of the words that were marked as the last of a frame.
    """

    words: list[int]
    taken: list[int]
    given: list[int]
    lasts: list[int]


def write_library(library: Library, folder: Path) -> list[Path]:
    """Write the modules, memories and models of cells of a machine; returns the Verilog files."""
    paths = []
    for name, text in library.modules.items():
        paths.append(folder / f"{name}.v")
        write_atomic(paths[-1], text)
    for target in sorted(library.targets):
        paths.append(folder / f"cells_{target}.v")
        write_atomic(paths[-1], cells_text(target))
    for name, text in library.images.items():
        write_atomic(folder / name, text)
    return paths


class MachineBench:
    """A machine that was compiled for a simulator.

    Parameters
    ----------
    spec : MachineSpec
        The machine.
    library : Library
        Its Verilog.
    folder : Path
        Where everything goes; made if absent.
    simulator : {"icarus", "verilator"}, optional
        By default the first that is installed.

    Raises
    ------
    ToolError
        If there is no simulator, or it does not take the Verilog.
    """

    def __init__(
        self, spec: MachineSpec, library: Library, folder: Path, *, simulator: str | None = None
    ) -> None:
        self.spec, self.folder = spec, folder.resolve()
        self.tool = find_simulator(simulator)
        paths = [path.name for path in write_library(library, self.folder)]
        text = (files("macwright.sim.accelerator") / "bench.v").read_text()
        self.bits = whole_bytes(spec.words.width), whole_bytes(spec.fifo.read.width)
        for name, value in (("IN_BITS", self.bits[0]), ("OUT_BITS", self.bits[1])):
            text = text.replace(name, str(value))
        write_atomic(self.folder / "bench.v", text.replace("TOP", spec.name))
        sources = ["bench.v", *paths]
        if self.tool.name == "icarus":
            self._do(["iverilog", "-g2005", "-o", "bench.vvp", "-s", "bench", *sources])
            self.command = ["vvp", "-n", "bench.vvp"]
        else:
            options = ["--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
            options += ["--top-module", "bench", "--Mdir", "verilated", "-j", "2"]
            options += ["-CFLAGS", "-std=gnu++20 -fcoroutines", "--output-split", "20000"]
            program = shutil.which("verilator", path=self.tool.env.get("PATH"))
            self._do([str(program), *options, *sources])
            self.command = ["verilated/Vbench"]

    def _do(self, command: Sequence[str]) -> None:
        env = {**os.environ, **self.tool.env}
        with (self.folder / "simulate.log").open("wb") as log:
            done = run_program(command, folder=self.folder, env=env, log=log)
        if done.returncode:
            raise ToolError(
                f"Simulator {self.tool.name} failed; see {self.folder / 'simulate.log'}"
            )

    def run(
        self,
        words: Sequence[int],
        results: int,
        *,
        offer: float = 1.0,
        accept: float = 1.0,
        seed: int = 1,
    ) -> MachineRun:
        """Give the machine words and wait for so many results.

        Parameters
        ----------
        words : sequence of int
            Words of the frames.
        results : int
            Words to wait for.
        offer, accept : float
            Share of the cycles in which a word is offered, and taken.
        seed : int
            Of the chances, at least 1.

        Raises
        ------
        ToolError
            If the machine hangs, or the simulator fails.
        """
        digits = -(-self.bits[0] // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in words)
        (self.folder / "input.hex").write_text(text)
        shares = {"offer": round(offer * 65536), "accept": round(accept * 65536)}
        numbers = {"words": len(words), "results": results, "seed": seed, **shares}
        self._do([*self.command, *(f"+{name}={number}" for name, number in numbers.items())])
        taken, given, out, lasts = [], [], [], []
        for line in (self.folder / "output.txt").read_text().splitlines():
            kind, *fields = line.split()
            if kind == "hangs":
                raise ToolError(f"Machine {self.spec.name} hangs after {len(out)} words")
            if kind == "i":
                taken.append(int(fields[0]))
                continue
            if fields[1] == "1":
                lasts.append(len(out))
            given.append(int(fields[0]))
            out.append(int(fields[2], 16))
        return MachineRun(out, taken, given, lasts)
