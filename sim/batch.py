"""Writes several units as one simulation, which starts in the time of one."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from macwright.hw.files import write_atomic
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import unit_verilog
from macwright.sim.generate import (
    MANIFEST,
    bench_calls,
    bench_spec,
    cells_text,
    describe,
    unit_bench,
)

__all__ = ["write_batch"]

_TOP = "batch"

_HEAD = '''"""cocotb benches of several units, each against its golden model."""

import cocotb

from macwright.hw.pe import spec_from_fields
from macwright.sim.bench import {modules}

'''


def write_batch(specs: Sequence[UnitSpec], folder: Path, *, tests: Iterable[str]) -> None:
    """Write a folder for :func:`macwright.sim.runner.simulate` that tests several units.

    Each unit is an instance with registers at its inputs, below one top module. A test is named
    for its unit and for the test of that unit's bench that it is.

    Parameters
    ----------
    specs : sequence of UnitSpec
        Units, each of another name.
    folder : Path
        Where the files go; made if absent.
    tests : iterable of str
        Tests of each unit's bench to run.
    """
    tests = tuple(tests)
    targets = sorted({spec.target for spec in specs} - {"generic"})
    verilog = "".join(cells_text(target) for target in targets)
    modules = sorted({unit_bench(spec)[0] for spec in specs})
    bench, names = _HEAD.format(modules=", ".join(modules)), []
    for index, spec in enumerate(specs):
        verilog += unit_verilog(spec) + _harness(spec, index)
        constant = f"SPEC_{index}"
        bench += bench_spec(spec, constant)
        bench += bench_calls(
            spec, tests, prefix=f"{spec.name}_", dut=f"dut.place{index}", constant=constant
        )
        names += [f"{spec.name}_{test}" for test in tests]
    places = "".join(f"  harness{i} place{i}();\n" for i in range(len(specs)))
    verilog += f"module {_TOP};\n{places}endmodule\n"
    manifest = {
        "top": _TOP,
        "verilog": {"file": f"{_TOP}.v", "sha256": _sha256(verilog)},
        "bench": {"file": f"bench_{_TOP}.py", "sha256": _sha256(bench), "tests": names},
    }
    write_atomic(folder / f"{_TOP}.v", verilog)
    write_atomic(folder / f"bench_{_TOP}.py", bench)
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _harness(spec: UnitSpec, index: int) -> str:
    """Module without ports that holds a unit; it has a register or wire for each of its ports."""
    signals, pins = "", []
    for port in describe(spec)["ports"]:
        kind = "reg" if port["direction"] == "input" else "wire"
        signals += f"  {kind} [{port['width'] - 1}:0] {port['name']};\n"
        pins.append(f".{port['name']}({port['name']})")
    unit = f"  {spec.name} unit({', '.join(pins)});\n"
    return f"module harness{index};\n{signals}{unit}endmodule\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
