"""Technologies ``ecp5``, ``ice40`` and ``xc7``: LUTs after Yosys' own synthesis.

`area` is `luts`: LUT4 + 2 CCU2C on ECP5 (a CCU2C takes the place of two LUT4), LUT4 on iCE40
(carries lie beside them), LUT1 to LUT6 and inverters on 7-series. `carries` are CCU2C, SB_CARRY
and CARRY4. `depth` is the number of LUTs on the longest path: a step along a carry chain
adds none, a hard multiplier of ECP5 adds one; with those of iCE40 and 7-series, which take in
registers of the unit, it is left empty. Hard multipliers have their column and no area.

Shift registers and memories are made of flip-flops, which have their column.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from macwright.costmodel.cache import content_key
from macwright.costmodel.netlist import lut_cells
from macwright.costmodel.power import lut_activity
from macwright.costmodel.power.lut_activity import activity_index, lut_netlist
from macwright.costmodel.technology.ice40_dsp import check_hard_multipliers, synthesis_commands
from macwright.costmodel.technology.levels import count_cells, logic_depth, mapped_module
from macwright.costmodel.technology.record import Primitives, TechnologyRecord
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput, ToolError

__all__ = ["RELAXED", "fpga_technology", "smallest_mapping"]

#: Lets ABC9 map for area with no limit in depth; by default it keeps the least depth.
RELAXED = "scratchpad -set abc9.D 100000\n"


def fpga_technology(record: TechnologyRecord) -> Technology:
    """Technology of an FPGA family.

    Raises
    ------
    ValueError
        If the record has no primitives.
    """
    cells = record.primitives
    if cells is None:
        raise RefusedInput(f"Record of FPGA {record.name} must have primitives, not None")
    return Technology(
        record=record,
        synthesis=cells.synthesis + "\n",
        dsp_synthesis=synthesis_commands(cells.dsp_synthesis),
        measure=partial(_measure, record.name, cells),
        activity=activity_index,
        simulable=lut_netlist,
        wires="placed",
        activity_code=(lut_activity.__name__, lut_cells.__name__),
        code=_counted_sha256(cells),
    )


def smallest_mapping(technology: Technology) -> Technology:
    """An FPGA's technology that maps each unit twice and keeps the smaller result.

    Its endings are ``least_depth``, which is how `fpga_technology` maps, and ``least_area``. The
    rows that ship are of the former alone; with hard multipliers there is no choice.
    """
    if technology.record.kind != "fpga":
        raise RefusedInput(f"Technology must be an FPGA, not {technology.name}")
    return replace(
        technology,
        synthesis="",
        dsp_synthesis="",
        endings={
            # This order: the scratchpad keeps the setting.
            "least_depth": technology.synthesis,
            "least_area": RELAXED + technology.synthesis,
        },
    )


def _counted_sha256(cells: Primitives) -> str:
    """Hash of what is counted as what."""
    return content_key(
        luts=dict(cells.luts),
        carries={kind: sorted(free) for kind, free in cells.carries.items()},
        flip_flops=sorted(cells.flip_flops),
        dsp=[cells.dsp.cell, cells.dsp.levels],
    )


def _measure(
    family: str, primitives: Primitives, netlist: Mapping[str, Any], top: str
) -> dict[str, float | int | None]:
    check_hard_multipliers(netlist, top)
    module = mapped_module(netlist, top)
    cells = count_cells(module)
    luts, carries, dsp = primitives.luts, primitives.carries, primitives.dsp
    flip_flops = primitives.flip_flops
    if unknown := sorted(set(cells) - {*luts, *carries, *flip_flops, dsp.cell}):
        raise ToolError(f"Unit cannot be mapped to {family}: it has cells {', '.join(unknown)}")
    depth = None
    if not cells[dsp.cell] or dsp.levels is not None:
        depth = logic_depth(
            module,
            levels={**dict.fromkeys([*luts, *carries], 1), dsp.cell: dsp.levels or 0},
            registers=flip_flops,
            chains=carries,
        )
    total = sum(cells[kind] * count for kind, count in luts.items())
    return {
        "area": total,
        "luts": total,
        "carries": sum(cells[kind] for kind in carries),
        "ffs": sum(cells[kind] for kind in flip_flops),
        "dsps": cells[dsp.cell],
        "depth": depth,
    }
