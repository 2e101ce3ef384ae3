"""What the benchmarks of machines know of a family of FPGAs: its flow, cells and memories."""

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.system.machine_resources import Resources
from macwright.costmodel.system.memory_mapping import MemoryRules
from macwright.costmodel.technology.ice40_dsp import synthesis_commands
from macwright.hw.accelerator.library import Library
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.simulate import write_library
from macwright.sim.owned import run_program

TABLES = Path(__file__).parents[1] / "costmodel" / "tables"


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """A family.

    Parameters
    ----------
    family : str
        Technology.
    title : str
        Its name in results.
    synthesis : str
        Pass of Yosys.
    cells : mapping
        Look-up tables that nextpnr places for each cell; `chains` are carry chains. Empty: counted
        as nextpnr packs them with registers.
    others : mapping
        What other cells count as.
    sites : mapping
        What nextpnr's report calls each resource.
    devices : mapping
        Options of nextpnr by device.
    memory : MemoryRules
        Its memories.
    fields : mapping
        What else the table of the family says that is no fit.
    """

    family: str
    title: str
    synthesis: str
    cells: Mapping[str, int]
    others: Mapping[str, str]
    sites: Mapping[str, str]
    devices: Mapping[str, str]
    memory: MemoryRules
    fields: Mapping[str, Any]

    @property
    def table(self) -> Path:
        """Of what ships."""
        return TABLES / f"{self.family}_machine.json"

    def mapped(self, library: Library, top: str, folder: Path, *, flat: bool) -> dict[str, Any]:
        """Netlist of each module of a machine, or of all in one."""
        folder.mkdir(parents=True, exist_ok=True)
        verilog = [path.name for path in write_library(library, folder)]
        return self.synthesised(folder, verilog, top, flat=flat)

    def synthesised(
        self, folder: Path, verilog: Sequence[str], top: str, *, flat: bool = True
    ) -> dict[str, Any]:
        """Netlist of each module of files in a folder, or of all in one."""
        netlist = folder / ("flat.json" if flat else "modules.json")
        digest = hashlib.sha256()
        for name in [*verilog, *sorted(path.name for path in folder.glob("*.hex"))]:
            digest.update((folder / name).read_bytes())
        mark = netlist.with_suffix(".sha256")
        if not (netlist.is_file() and mark.is_file() and mark.read_text() == digest.hexdigest()):
            flow = synthesis_commands(f"{self.synthesis} -top {top}" + " -noflatten" * (not flat))
            # Yosys has the family's own cells, whose models are among the files for simulators.
            own = [name for name in verilog if not name.startswith("cells_")]
            script = "".join(f"read_verilog {name}\n" for name in own)
            write_atomic(folder / "flow.ys", f"{script}{flow}\nwrite_json {netlist.name}\n")
            _run([*find_yosys().command, "flow.ys"], folder)
            write_atomic(mark, digest.hexdigest())
            if flat:
                for report in folder.glob("report*.json"):
                    report.unlink()
        return dict(json.loads(netlist.read_bytes())["modules"])

    def kind_of(self, cell: str) -> str:
        """Type of a cell without its parameters."""
        known = (*self.cells, *self.others)
        return next((name for name in known if name in cell.split("\\")), cell)

    def counted(self, modules: Mapping[str, Any], name: str) -> Counter[str]:
        """Cells of a module and of all in it, and its carry chains."""
        total: Counter[str] = Counter()
        cells = modules[name]["cells"].values()
        carries = [c["connections"] for c in cells if self.kind_of(c["type"]) == "CCU2C"]
        ends = {cell["COUT"][0] for cell in carries if cell.get("COUT")}
        total["chains"] = sum(cell["CIN"][0] not in ends for cell in carries)
        for cell in cells:
            kind = self.kind_of(cell["type"])
            if kind in self.cells or kind in self.others:
                total[kind] += 1
            elif cell["type"] in modules:
                total += self.counted(modules, cell["type"])
        return total

    def resources(self, cells: Mapping[str, int]) -> Resources:
        """Cells as resources of the device."""
        total = Counter({name: 0 for name in ("ffs", "block_rams", "dsps")})
        for kind, name in self.others.items():
            total[name] += cells.get(kind, 0)
        luts = sum(cells.get(kind, 0) * count for kind, count in self.cells.items())
        return Resources(luts=luts, **total)

    def whole(self, folder: Path, modules: Mapping[str, Any], top: str) -> Resources:
        """Resources of a machine that is mapped flat into a folder, before placement."""
        made = self.resources(self.counted(modules, top))
        if self.cells:
            return made
        mark = (folder / "flat.sha256").read_text()
        packed = folder / "packed.json"
        known = json.loads(packed.read_text()) if packed.is_file() else {}
        if known.get("mark") != mark:
            options = f"{next(iter(self.devices.values()))} --json flat.json --pack-only"
            said = self._nextpnr(options, folder)
            (used,) = re.findall(rf"{self.sites['luts']}: +(\d+)/", said)
            known = {"mark": mark, "luts": int(used)}
            write_atomic(packed, json.dumps(known))
        return made + Resources(luts=known["luts"])

    def placed(self, folder: Path, device: str) -> dict[str, float]:
        """Sites and clock of a machine that is mapped flat into a folder, as nextpnr places it."""
        report = folder / f"report_{device}.json"
        if not report.is_file():
            options = f"{self.devices[device]} --json flat.json --report {report.name} --seed 1 "
            self._nextpnr(f"{options}--freq 100 --timing-allow-fail -q", folder)
        known = json.loads(report.read_text())
        used = known["utilization"]
        sites = {name: used[key]["used"] for name, key in self.sites.items() if key in used}
        return {**sites, "mhz": min(clock["achieved"] for clock in known["fmax"].values())}

    def _nextpnr(self, options: str, folder: Path) -> str:
        """What nextpnr says."""
        tool = f"nextpnr_{self.family}"
        code = f"import sys, yowasp_{tool} as p; sys.exit(p.run_{tool}(sys.argv[1:]))"
        return _run([sys.executable, "-P", "-c", code, *options.split()], folder)


def _run(command: Sequence[str], folder: Path) -> str:
    done = run_program(command, folder=folder)
    if done.returncode:
        raise SystemExit(done.stderr.decode(errors="replace")[-500:])
    return done.stderr.decode(errors="replace")


#: A carry chain has a cell before it and one after; measured on two machines of 4,837 and 6,700
#: LUTs, exact to 2. Memories are those of Yosys 0.70 (lattice/brams_16kd.txt,
#: lutrams_trellis.txt, and the costs of bits that memory_libmap assumes), and look-up tables that
#: they take, seen in these machines.
ECP5 = Fabric(
    family="ecp5",
    title="ECP5",
    synthesis="synth_ecp5",
    cells={"LUT4": 1, "LUT2": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "chains": 4},
    others={"TRELLIS_FF": "ffs", "DP16KD": "block_rams", "MULT18X18D": "dsps"},
    sites={
        "luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "block_rams": "DP16KD", "dsps": "MULT18X18D",
    },
    devices={"lfe5u-85f": "--85k --speed 6 --package CABGA381 --lpf-allow-unconstrained"},
    memory=MemoryRules(
        block_words=16384,
        block_widths=(1, 2, 4, 9, 18, 36),
        write_bits=(1, 2, 4, 9, 9, 9),
        block_cost=128,
        constants_block_cost=128,
        cell_cost=4,
        cell_words=16,
        cell_width=4,
        constant_cost=1 / 16,
        bit_cost=1,
    ),
    fields={
        "memory_luts": {"row": 1.0, "constant": 1.15, "cell": 6},
        "adder": {"bits": 2, "ends": 4},
        "factor": 18,
        "least_product": 0,
    },
)  # fmt: skip
#: Memories are those of Yosys 0.70 (ice40/brams.txt), but that constants are block RAM as
#: :func:`macwright.dse.build.memories.constant_style` says. Look-up tables are logic cells.
ICE40 = Fabric(
    family="ice40",
    title="iCE40",
    synthesis="synth_ice40 -dsp",
    cells={},
    others={
        **{
            f"SB_DFF{edge}{enable}{reset}": "ffs"
            for edge in ("", "N")
            for enable in ("", "E")
            for reset in ("", "R", "S", "SR", "SS")
        },
        "SB_RAM40_4K": "block_rams",
        "SB_MAC16": "dsps",
    },
    sites={"luts": "ICESTORM_LC", "block_rams": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
    devices={
        "ice40-up5k": "--up5k --package sg48 --pcf-allow-unconstrained",
        "ice40-hx8k": "--hx8k --package ct256 --pcf-allow-unconstrained",
    },
    memory=MemoryRules(
        block_words=2048,
        block_widths=(2, 4, 8, 16),
        write_bits=(2, 4, 8, 1),
        block_cost=64,
        constants_block_cost=3000 / 16,
        cell_cost=0,
        cell_words=0,
        cell_width=0,
        constant_cost=1 / 16,
        bit_cost=1,
    ),
    fields={
        "memory_luts": {"row": 1.0, "constant": 1.15, "cell": 0},
        "adder": {"bits": 1, "ends": 0},
        "factor": 16,
        "least_product": 11,
    },
)
