"""Technologies given by Liberty files: cells of a library, their area and delay.

`area` is the sum of the cells' areas, in the library's unit (um2 by custom); `delay_ns` the
shortest clock period, paths from the input ports included; `depth` the most cells on any path.
Energy is that of `macwright.costmodel.power.unit`.
Each unit is mapped with several ABC scripts and the smallest result is kept.

Full adders and registers that a unit instantiates (`macwright.hw.arith.target`) become cells of
the library where it has such, found by their functions; otherwise they become gates.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.cache import modules_sha256
from macwright.costmodel.liberty import cells as liberty_cells
from macwright.costmodel.liberty import digest as liberty_digest
from macwright.costmodel.liberty import library as liberty
from macwright.costmodel.liberty import logic as liberty_logic
from macwright.costmodel.liberty import lookup as liberty_tables
from macwright.costmodel.liberty import mappable as liberty_mappable
from macwright.costmodel.liberty import syntax as liberty_syntax
from macwright.costmodel.liberty import tables as liberty_table_reader
from macwright.costmodel.liberty import units as liberty_units
from macwright.costmodel.liberty import writer as liberty_writer
from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.library import Library, read_liberty
from macwright.costmodel.liberty.mappable import lacking_tables, unmappable
from macwright.costmodel.liberty.writer import liberty_text
from macwright.costmodel.netlist import arcs as netlist_arcs
from macwright.costmodel.netlist import build as netlist_build
from macwright.costmodel.netlist import check as netlist_check
from macwright.costmodel.netlist import netlist, timing
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import analyse
from macwright.costmodel.power.unit import unit_energy
from macwright.costmodel.technology.catalogue import CELL_CLOCKS_MHZ, RECORDS, target_of_technology
from macwright.costmodel.technology.cells import (
    adder_modules,
    check_logic,
    needless_registers,
    register_module,
)
from macwright.costmodel.technology.levels import count_cells, mapped_module
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.pe.spec import Unit

__all__ = ["liberty_technology"]

_ABC = {
    # Which of them gives the smallest result depends on the unit. (Scripts with &nf, which are
    # faster by a fifth, never do.)
    "amap": "strash; ifraig; scorr; dc2; balance; rewrite; refactor; balance; rewrite -z; "
    "refactor -z; balance; dch -f; amap -m",
    "amap_plain": "strash; dch; amap -m",
    "amap_again": "strash; dch; amap -m; strash; dch; amap -m",
    "amap_dc2": "strash; ifraig; scorr; dc2; dc2; rewrite -z; dch -f; amap -m",
}

#: For speed: mapped by delay, then buffered and sized for the shortest period.
_ABC_FAST = {
    "nf": "strash; ifraig; scorr; dc2; dch -f; &get -n; &nf; &put",
    # More rounds of area recovery off the longest path: a little smaller, a little slower.
    "nf_area": "strash; ifraig; scorr; dc2; dch -f; &get -n; &nf -R 100; &put",
    "map": "strash; ifraig; scorr; dc2; dch -f; map -B 0.9; topo",
    "map_sized": "strash; ifraig; scorr; dc2; dch -f; map -B 0.9; topo; buffer -c -N 16; topo; "
    "upsize; dnsize",
    "nf_sized": "strash; &get -n; &dch -f; &nf; &put; buffer -c -N 16; topo; upsize; dnsize",
}
_SCRIPTS = {**_ABC, **_ABC_FAST}


def liberty_technology(
    paths: Sequence[str | Path], *, name: str = "", node_nm: float | None = None
) -> Technology:
    """Technology of Liberty files.

    Parameters
    ----------
    paths : sequence of path
        Files of one library, ``.lib`` or ``.lib.gz``.
    name : str
        Name of the technology; that of the library if empty. The names in
        `macwright.costmodel.technology.catalogue.LIBERTY_NAMES` bring their record: cells not to
        use, node, wires.
    node_nm : float or None
        Node of a library with another name, nm: what memories beside the units are scaled to.

    Returns
    -------
    Technology

    Raises
    ------
    ValueError
        If a file is not Liberty (file and line are named), the library lacks a flip-flop, an
        inverter or a gate of two inputs that logic can be mapped to, or the node is not that of
        the name.

    Examples
    --------
    >>> liberty_technology(["no.lib"], name="mine")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    FileNotFoundError: no.lib
    """
    places = tuple(str(Path(path).resolve()) for path in paths)
    library = read_liberty(places)
    key = (places, tuple(sha for _, sha in library.sources))
    record = _record(name or library.name, node_nm)
    avoid = record.dont_use
    cells, notes = _usable(key, avoid)
    check_logic(library.name, cells, notes)
    every = " ".join(f'-liberty "{{lib{n}}}"' for n in range(len(library.files)))
    dont_use = "".join(f" -dont_use {pattern}" for pattern in avoid)
    behaviour = files("macwright.sim").joinpath("cells/macwright_asic.v").read_text()
    own = {**adder_modules(cells), **register_module(cells)}
    synthesis = "".join(f'read_liberty -lib "{{lib{n}}}"\n' for n in range(len(library.files)))
    synthesis += "read_verilog macwright_asic.v\nsynth -top {top} -run begin:fine\n"
    if own:
        # The modules themselves go, so that what instantiates them meets the library's cells.
        synthesis = synthesis.replace("macwright_asic.v", "macwright_asic.v macwright_cells.v")
    synthesis += "flatten\nsynth -run fine:check -noabc\nopt -full\n"
    registers = "".join(f" -dont_use {cell}" for cell in needless_registers(cells))
    synthesis += f"dfflibmap{dont_use}{registers} {every}\nopt -full\n"
    return Technology(
        record=record,
        synthesis=synthesis,
        endings={
            script: f"abc{dont_use} {every} -script {script}.abc\nopt_clean -purge"
            for script in _ABC
        },
        measure=partial(_measure, key, record.wire_ff),
        size=partial(_size, key),
        energy=partial(_energy, key, record.wire_ff),
        curve={
            script: f"abc{dont_use} {every} -script {script}.abc\nopt_clean -purge"
            for script in _ABC_FAST
        },
        simulable=partial(_simulable, key),
        wires="liberty" if record.wire_ff is None else "formula",
        assumptions=_assumptions(record.wire_ff),
        code=modules_sha256(__name__, *(module.__name__ for module in _MEASURING)),
        files={
            "macwright_asic.v": _without(behaviour, own),
            "macwright_cells.v": "\n".join(own.values()),
            **{f"{k}.abc": text.replace("; ", "\n") + "\n" for k, text in _SCRIPTS.items()},
        },
        libraries=tuple((file.removesuffix(".gz"), sha) for file, sha in library.sources),
        library_texts=partial(_texts, key, avoid),
        notes=notes,
    )


#: Modules that timing depends on.
_MEASURING = (
    liberty,
    liberty_cells,
    liberty_digest,
    liberty_logic,
    liberty_mappable,
    liberty_syntax,
    liberty_table_reader,
    liberty_tables,
    liberty_units,
    liberty_writer,
    netlist,
    netlist_arcs,
    netlist_build,
    netlist_check,
    timing,
)


def _record(name: str, node_nm: float | None) -> TechnologyRecord:
    """Record of a name: of the catalogue, or a new one for a library of the user's own."""
    if node_nm is not None and not 0 < node_nm < float("inf"):
        raise RefusedInput(f"Technology node must be above 0 nm, not {node_nm:g}")
    if name not in RECORDS:
        return TechnologyRecord(
            name=name,
            kind="cells",
            help="library of the user's own",
            area_unit="um2",
            target=target_of_technology(name),
            energy=True,
            node_nm=node_nm,
            clocks_mhz=CELL_CLOCKS_MHZ,
        )
    record = RECORDS[name]
    if record.kind != "cells":
        raise RefusedInput(f"Liberty files must come with a cell library, not {name}")
    if node_nm not in (None, record.node_nm):
        raise RefusedInput(
            f"Technology node of {name} must be its own, {record.node_nm:g} nm, not {node_nm:g}"
        )
    return record


def _assumptions(wire_ff: float | None) -> str:
    if wire_ff is None:
        return "wires by the library's default wire-load model"
    return f"wires assumed {wire_ff} fF a driven pin"


def _wires(mapped: Netlist, wire_ff: float | None) -> NDArray[np.float64]:
    """Wire capacitance of each net, fF."""
    if wire_ff is None:
        return mapped.wire_load_ff()
    return np.where(mapped.driven, wire_ff * mapped.sinks(), 0.0)


#: Paths of the files of a library, and the SHA-256 of what they held when it was asked for.
_Key = tuple[tuple[str, ...], tuple[str, ...]]


@lru_cache(maxsize=8)
def _library(key: _Key) -> Library:
    library = read_liberty(key[0])
    if tuple(sha for _, sha in library.sources) != key[1]:
        raise ToolError(f"Liberty files of {library.name} must stay as they are, not be changed")
    return library


@lru_cache(maxsize=8)
def _usable(key: _Key, avoid: tuple[str, ...]) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Cells that units may be mapped to, and a note of those that are left out."""
    library = _library(key)
    left_out = {
        cell: why
        for cell, why in library.left_out.items()
        if not any(fnmatchcase(cell, pattern) for pattern in avoid)
    }
    cells = []
    for cell in map(library.cell, library.cell_names):
        if any(fnmatchcase(cell.name, pattern) for pattern in avoid) or unmappable(cell):
            continue
        if missing := lacking_tables(cell):
            left_out[cell.name] = missing
        else:
            cells.append(cell)
    return tuple(cells), _left_out_notes(library.name, left_out)


def _left_out_notes(library: str, left_out: Mapping[str, str]) -> tuple[str, ...]:
    if not left_out:
        return ()
    named = [f"{cell[:40]} ({why})" for cell, why in list(left_out.items())[:3]]
    if len(left_out) > len(named):
        named.append(f"{len(left_out) - len(named)} more")
    cells = "1 cell of library" if len(left_out) == 1 else f"{len(left_out)} cells of library"
    return (f"{cells} {library} left out: {', '.join(named)}",)


@lru_cache(maxsize=4)
def _texts(key: _Key, avoid: tuple[str, ...]) -> tuple[str, ...]:
    """What a synthesiser reads of each file."""
    library = _library(key)
    usable = {cell.name: cell for cell in _usable(key, avoid)[0]}
    return tuple(
        liberty_text(
            f"lib{n}",
            [usable[cell] for cell in file.cell_names if cell in usable],
            time_ns=file.time_ns,
            load_ff=file.load_ff,
            volt=library.voltage_v,
        )
        for n, file in enumerate(library.files)
    )


def _measure(
    key: _Key, wire_ff: float | None, netlist: Mapping[str, Any], top: str
) -> dict[str, Any]:
    try:
        mapped = from_yosys_json(netlist, _library(key), top=top)
        wires = _wires(mapped, wire_ff)
        delay = analyse(mapped, wire_ff=wires).input_period_ns
        period = analyse(mapped, wire_ff=wires, registered_inputs=True).input_period_ns
    except ValueError as error:
        raise ToolError(f"Unit cannot be mapped to the library: {error}") from None
    return {
        "area": round(mapped.area, 6),
        "ffs": len(mapped.flops),
        "depth": int(mapped.level.max(initial=0)),
        "delay_ns": round(delay, 6) if np.isfinite(delay) else None,
        "fmax_mhz": round(1000 / delay, 3) if np.isfinite(delay) else None,
        "period_ns": round(period, 6) if np.isfinite(period) else None,
    }


def _size(key: _Key, netlist: Mapping[str, Any], top: str) -> float:
    library, cells = _library(key), count_cells(mapped_module(netlist, top))
    known = set(library.cell_names)
    if unknown := sorted(set(cells) - known):
        raise ToolError(f"Unit cannot be mapped to the library: it has cells {', '.join(unknown)}")
    return round(sum(library.cell(kind).area * count for kind, count in cells.items()), 6)


def _simulable(key: _Key, netlist: Mapping[str, Any], top: str) -> Netlist:
    return from_yosys_json(netlist, _library(key), top=top)


def _energy(
    key: _Key, wire_ff: float | None, netlist: Mapping[str, Any], spec: Unit, name: str
) -> dict[str, float | str]:
    mapped = from_yosys_json(netlist, _library(key), top=spec.name)
    return unit_energy(mapped, spec, name, wire_ff=_wires(mapped, wire_ff))


def _without(behaviour: str, modules: Mapping[str, str]) -> str:
    """Verilog text less some of its modules."""
    for name in modules:
        start = behaviour.index(f"module {name} ")
        end = behaviour.index("endmodule", start) + len("endmodule")
        behaviour = behaviour[:start] + behaviour[end:]
    return behaviour
