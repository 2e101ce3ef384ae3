"""Writes a unit as a folder: Verilog, manifest and bench."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from macwright.hw.arith.chain import CHAINS
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import unit_verilog, verilog_sha256
from macwright.sim.axis import axis_of
from macwright.sim.datasheet import datasheet, verilog_header
from macwright.sim.families import verification

__all__ = [
    "LINT_WAIVERS",
    "MANIFEST",
    "bench_calls",
    "bench_spec",
    "bench_text",
    "cells_text",
    "core_text",
    "describe",
    "unit_bench",
    "verilog_text",
    "write_unit",
]

#: Warnings of Verilator that the text of units gives on purpose: docs/verilog.md has the reasons.
LINT_WAIVERS = (
    "-Wno-UNUSEDSIGNAL",
    "-Wno-WIDTHEXPAND",
    "-Wno-WIDTHTRUNC",
    "-Wno-PROCASSINIT",
    "-Wno-CASEINCOMPLETE",
)
#: Name of the file that says what is in the folder.
MANIFEST = "manifest.json"
#: Tests of a wrapper's bench, in :mod:`macwright.sim.bench.axis`.
AXIS_TESTS = ("packets", "full_rate", "patience", "reset")


def unit_bench(spec: UnitSpec) -> tuple[str, tuple[str, ...]]:
    """Module of a unit's bench, and its tests."""
    row = verification(spec)
    return row.bench, row.tests_of(spec)


def write_unit(spec: UnitSpec, folder: Path, *, wrap: str | None = None) -> dict[str, Any]:
    """Write `<name>.v`, bench, manifest and FuseSoC's `<name>.core`, each whole or not at all.

    Parameters
    ----------
    spec : UnitSpec
        Unit to generate.
    folder : Path
        Where the files go; made if absent.
    wrap : {"axis"}, optional
        Interface of a wrapper, which is then the top level and what the bench is of: see
        :func:`~macwright.sim.axis.axis_of`.

    Returns
    -------
    dict
        The manifest.

    Examples
    --------
    >>> import tempfile
    >>> from macwright.hw.pe import IntMacSpec
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = write_unit(IntMacSpec(), Path(folder))
    >>> manifest["top"], manifest["latency"]
    ('int_mac_int8_int8_int32', 1)
    """
    manifest = describe(spec, wrap=wrap)
    if cells := manifest["verilog"].get("cells"):
        write_atomic(folder / cells, cells_text(spec.target))
    write_atomic(folder / manifest["verilog"]["file"], verilog_text(spec))
    write_atomic(folder / f"{spec.name}.core", core_text(spec, wrap=wrap))
    if "wrapper" in manifest:
        write_atomic(folder / manifest["wrapper"]["file"], axis_of(spec).text)
    write_atomic(folder / manifest["bench"]["file"], bench_text(spec, wrap=wrap))
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def cells_text(target: str) -> str:
    """Behaviour of the primitives that a target's units instantiate."""
    name = target if target in CHAINS else "macwright_asic"
    return (files("macwright.sim") / "cells" / f"{name}.v").read_text()


def core_text(spec: UnitSpec, *, wrap: str | None = None) -> str:
    """Core description of a unit (CAPI2), with which FuseSoC finds, lints and depends on it.

    The behaviour of an FPGA's primitives is for simulation and lint alone: synthesis has its own.
    """
    cells = [] if spec.target == "generic" else [f"cells_{spec.target}.v"]
    rtl, models = ([], cells) if spec.target in CHAINS else (cells, [])
    wrapper = [] if wrap is None else [f"{_top(spec, wrap)}.v"]
    sets = {"rtl": [*rtl, f"{spec.name}.v", *wrapper]} | ({"models": models} if models else {})
    filesets = "".join(
        f"  {name}:\n    files: [{', '.join(files)}]\n    file_type: verilogSource\n"
        for name, files in sets.items()
    )
    return f"""CAPI=2:
name: "macwright::{spec.name}:{version("macwright")}"
description: {json.dumps(datasheet(spec).function)}

filesets:
{filesets}
targets:
  default:
    filesets: [rtl]
    toplevel: {_top(spec, wrap)}
  lint:
    filesets: [{", ".join(sets)}]
    toplevel: {_top(spec, wrap)}
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [{", ".join(LINT_WAIVERS)}]
"""


def describe(spec: Any, *, wrap: str | None = None) -> dict[str, Any]:
    """Manifest of a unit: the same for the same spec and version, with no date and no path."""
    top = _top(spec, wrap)
    _, tests = unit_bench(spec)
    sheet = datasheet(spec)
    # The second is that of cost tables: without header, ports in the order of the generator.
    verilog = {
        "file": f"{spec.name}.v",
        "sha256": _sha256(verilog_text(spec)),
        "verilog_sha256": verilog_sha256(spec),
    }
    # Units of the generic target instantiate nothing.
    verilog |= {"cells": f"cells_{spec.target}.v"} if spec.target != "generic" else {}
    ports, wrapper = sheet.ports, {}
    if wrap is not None:
        axis = axis_of(spec)
        ports, tests = axis.ports, AXIS_TESTS
        digest = _sha256(axis.text)
        wrapper = {"wrapper": {"file": f"{top}.v", "sha256": digest, **axis.to_manifest()}}
    return {
        "top": top,
        "function": sheet.function,
        "notes": list(sheet.notes),
        "verilog": verilog,
        **wrapper,
        "spec": {"family": spec.family, **spec.to_fields()},
        "ports": [asdict(port) for port in ports],
        "latency": spec.latency,
        "macs_per_cycle": spec.macs_per_cycle,
        **({"modes": spec.modes} if hasattr(spec, "modes") else {}),
        "bench": {
            "file": f"bench_{top}.py",
            "sha256": _sha256(bench_text(spec, wrap=wrap)),
            "tests": list(tests),
        },
        "macwright": version("macwright"),
    }


def _top(spec: UnitSpec, wrap: str | None) -> str:
    """Name of the top level."""
    if wrap not in (None, "axis"):
        raise RefusedInput(f"Wrapper must be axis, not {wrap!r}")
    return spec.name if wrap is None else axis_of(spec).name


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def verilog_text(spec: UnitSpec) -> str:
    """Verilog of a unit for people: its datasheet as a comment, ports in the datasheet's order."""
    order = ", ".join(port.name for port in datasheet(spec).ports)
    head = re.compile(rf"^module {re.escape(spec.name)}\(([^)]*)\);$", re.MULTILINE)
    text, count = head.subn(f"module {spec.name}({order});", unit_verilog(spec))
    assert count == 1, f"{count} modules {spec.name}"
    return f"{verilog_header(spec)}\n{text.lstrip()}"


def bench_text(spec: UnitSpec, *, wrap: str | None = None) -> str:
    """Text of the unit's bench: a cocotb module that runs under any cocotb flow."""
    module, tests = unit_bench(spec) if wrap is None else ("axis", AXIS_TESTS)
    top = _top(spec, wrap)
    return f'''"""cocotb bench of {top}: the Verilog against the golden model, cycle by cycle.

Run it with `macwright simulate` on this folder, or in a cocotb flow of your own, with the top
level {top} and this module, in a Python that has macwright.
"""

import cocotb

from macwright.hw.pe import spec_from_fields
from macwright.sim.bench import {module}

{bench_spec(spec)}{bench_calls(spec, tests, module=module)}'''


def bench_spec(spec: UnitSpec, constant: str = "SPEC") -> str:
    """Statement of a bench that makes the spec of its unit."""
    fields = "".join(f"\n        {k!r}: {v!r}," for k, v in spec.to_fields().items())
    text = f"""{constant} = spec_from_fields(
    {spec.family!r},
    {{{fields}
    }},
)
"""
    return text.replace("'", '"')


def bench_calls(
    spec: UnitSpec,
    tests: Iterable[str],
    *,
    prefix: str = "",
    dut: str = "dut",
    constant: str = "SPEC",
    module: str | None = None,
) -> str:
    """Tests of a bench; with a prefix to their names, and the unit somewhere below the top."""
    module = module or unit_bench(spec)[0]
    return "".join(
        f"\n\n@cocotb.test()\nasync def {prefix}{test}(dut):\n"
        f"    await {module}.{test}({dut}, {constant})\n"
        for test in tests
    )
