"""Technologies ``ecp5``, ``ice40`` and ``xc7``: look-up tables after Yosys' own synthesis.

`area` is `luts`: LUT4 + 2 CCU2C on ECP5 (a CCU2C takes the place of two LUT4), LUT4 on iCE40
(carries lie beside them), LUT1 to LUT6 and inverters on 7-series. `carries` are CCU2C, SB_CARRY
and CARRY4. `depth` is the number of look-up tables on the longest path: a step along a carry chain
adds none, a hard multiplier of ECP5 adds one; with those of iCE40 and 7-series, which take in
registers of the unit, it is left empty. Hard multipliers have their column and no area.

Wide look-up tables are off (``-nowidelut``): on ECP5 they make arithmetic 60 % larger. Shift
registers and memories are made of flip-flops, which have their column.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from macwright.costmodel.netlist import lut_cells
from macwright.costmodel.power import lut_activity
from macwright.costmodel.power.lut_activity import activity_index
from macwright.costmodel.technology.levels import count_cells, logic_depth, mapped_module
from macwright.costmodel.technology.technology import Technology
from macwright.hw.files import ToolError

__all__ = ["ECP5", "ICE40", "XC7"]

_LUTS = {
    "ecp5": {"LUT4": 1, "CCU2C": 2},
    "ice40": {"SB_LUT4": 1},
    "xc7": {**{f"LUT{n}": 1 for n in range(1, 7)}, "INV": 1},
}
#: Carry cells, with the inputs that add no level: those in the chain, and those that a look-up
#: table, counted already, feeds.
_CARRIES = {
    "ecp5": {"CCU2C": frozenset(["CIN"])},
    "ice40": {"SB_CARRY": frozenset(["CI", "I0", "I1"])},
    "xc7": {"CARRY4": frozenset(["CI", "CYINIT", "DI", "S"])},
}
_FFS = {
    "ecp5": frozenset(["TRELLIS_FF"]),
    "ice40": frozenset(
        f"SB_DFF{edge}{enable}{reset}"
        for edge in ("", "N")
        for enable in ("", "E")
        for reset in ("", "R", "S", "SR", "SS")
    ),
    "xc7": frozenset(f"FD{kind}E{edge}" for kind in "RSCP" for edge in ("", "_1")),
}
_DSPS = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16", "xc7": "DSP48E1"}


def _measure(family: str, netlist: Mapping[str, Any], top: str) -> dict[str, float | int | None]:
    module = mapped_module(netlist, top)
    cells = count_cells(module)
    luts, carries, dsp = _LUTS[family], _CARRIES[family], _DSPS[family]
    if unknown := sorted(set(cells) - {*luts, *carries, *_FFS[family], dsp}):
        raise ToolError(f"Unit cannot be mapped to {family}: it has cells {', '.join(unknown)}")
    depth = None
    if not cells[dsp] or family == "ecp5":
        depth = logic_depth(
            module,
            levels=dict.fromkeys([*luts, *carries, dsp], 1),
            registers=_FFS[family],
            chains=carries,
        )
    total = sum(cells[kind] * count for kind, count in luts.items())
    return {
        "area": total,
        "luts": total,
        "carries": sum(cells[kind] for kind in carries),
        "ffs": sum(cells[kind] for kind in _FFS[family]),
        "dsps": cells[dsp],
        "depth": depth,
    }


def _technology(family: str, *, synthesis: str, dsp_synthesis: str) -> Technology:
    return Technology(
        name=family,
        area_unit="luts",
        synthesis=synthesis + "\n",
        dsp_synthesis=dsp_synthesis + "\n",
        measure=partial(_measure, family),
        activity=activity_index,
        activity_code=(lut_activity.__name__, lut_cells.__name__),
    )


ECP5 = _technology(
    "ecp5",
    synthesis="synth_ecp5 -top {top} -nowidelut -nobram -nolutram -nodsp",
    dsp_synthesis="synth_ecp5 -top {top} -nowidelut -nobram -nolutram",
)
ICE40 = _technology(
    "ice40",
    synthesis="synth_ice40 -top {top} -nobram",
    dsp_synthesis="synth_ice40 -top {top} -nobram -device u -dsp",
)
_XC7 = "synth_xilinx -top {top} -family xc7 -flatten -noiopad -noclkbuf -nowidelut"
_XC7 += " -nobram -nolutram -nosrl"
XC7 = _technology("xc7", synthesis=f"{_XC7} -nodsp", dsp_synthesis=_XC7)
