"""Technologies by name: one record each, and nothing known of one stands elsewhere.

A new technology is a record here. Where a cost table of it ships, `macwright characterize
--shipped` makes the table.
"""

from collections.abc import Mapping
from typing import Any

from macwright.costmodel.technology.record import (
    BlockRam,
    DspBlock,
    Primitives,
    TechnologyRecord,
)
from macwright.costmodel.technology.technology import Figures, Technology
from macwright.hw.arith.hard_multipliers import MULTIPLIER_CELLS
from macwright.hw.errors import RefusedInput, RefusedType

__all__ = [
    "CELL_CLOCKS_MHZ",
    "LIBERTY_NAMES",
    "RECORDS",
    "find_technology",
    "target_of_technology",
    "technology_help",
    "technology_names",
]

#: Clocks that a search on cells chooses from.
CELL_CLOCKS_MHZ = (100.0, 200.0, 500.0, 1000.0)


def _dsp(target: str, levels: int | None) -> DspBlock:
    cell, *widths = MULTIPLIER_CELLS[target]
    return DspBlock(cell=cell, widths=(widths[0], widths[1]), levels=levels)


def _halved(words: int, widths: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Configurations of a memory block: half of the words for each next width."""
    return tuple((words >> n, bits) for n, bits in enumerate(widths))


_GATES = TechnologyRecord(
    name="gates",
    kind="gates",
    help="two-input gates, as published cost analyses count them",
    area_unit="gates",
    target="generic",
    shipped=True,
    benched=True,
)

# Wide LUTs are off (-nowidelut): on ECP5 they make arithmetic 60 % larger.
_ECP5 = TechnologyRecord(
    name="ecp5",
    kind="fpga",
    help="Lattice ECP5",
    area_unit="luts",
    target="ecp5",
    shipped=True,
    benched=True,
    clocks_mhz=(25.0, 50.0, 100.0, 200.0),
    primitives=Primitives(
        synthesis="synth_ecp5 -top {top} -nowidelut -nobram -nolutram -nodsp",
        dsp_synthesis="synth_ecp5 -top {top} -nowidelut -nobram -nolutram",
        luts={"LUT4": 1, "CCU2C": 2},
        carries={"CCU2C": frozenset(["CIN"])},
        flip_flops=frozenset(["TRELLIS_FF"]),
        dsp=_dsp("ecp5", levels=1),
        # Lattice FPGA-TN-02204; 512 x 36 has one port for each direction.
        block_ram=BlockRam(cell="DP16KD", shapes=_halved(16384, (1, 2, 4, 9, 18, 36))),
    ),
)

_ICE40 = TechnologyRecord(
    name="ice40",
    kind="fpga",
    help="Lattice iCE40",
    area_unit="luts",
    target="ice40",
    shipped=True,
    clocks_mhz=(25.0, 50.0, 100.0),
    primitives=Primitives(
        synthesis="synth_ice40 -top {top} -nobram",
        dsp_synthesis="synth_ice40 -top {top} -nobram -device u -dsp",
        luts={"SB_LUT4": 1},
        carries={"SB_CARRY": frozenset(["CI", "I0", "I1"])},
        flip_flops=frozenset(
            f"SB_DFF{edge}{enable}{reset}"
            for edge in ("", "N")
            for enable in ("", "E")
            for reset in ("", "R", "S", "SR", "SS")
        ),
        dsp=_dsp("ice40", levels=None),
        # Lattice FPGA-TN-02002.
        block_ram=BlockRam(cell="SB_RAM40_4K", shapes=_halved(2048, (2, 4, 8, 16))),
    ),
)

_XC7_SYNTHESIS = (
    "synth_xilinx -top {top} -family xc7 -flatten -noiopad -noclkbuf -nowidelut"
    " -nobram -nolutram -nosrl"
)
_XC7 = TechnologyRecord(
    name="xc7",
    kind="fpga",
    help="AMD 7-series",
    area_unit="luts",
    target="xc7",
    shipped=True,
    primitives=Primitives(
        synthesis=f"{_XC7_SYNTHESIS} -nodsp",
        dsp_synthesis=_XC7_SYNTHESIS,
        luts={**{f"LUT{n}": 1 for n in range(1, 7)}, "INV": 1},
        carries={"CARRY4": frozenset(["CI", "CYINIT", "DI", "S"])},
        flip_flops=frozenset(f"FD{kind}E{edge}" for kind in "RSCP" for edge in ("", "_1")),
        dsp=_dsp("xc7", levels=None),
        # AMD UG473; 512 x 72 has one port for each direction.
        block_ram=BlockRam(cell="RAMB36E1", shapes=_halved(32768, (1, 2, 4, 9, 18, 36, 72))),
    ),
)

# `clk_to_q_ns` is by how much the period of INT8 and E4M3 MACs grows, at most, when a register of
# the library stands in front of their operands.
# Cells not to use: fillers, clock gates and buffers, scan and reset flip-flops, latches, and drive
# strengths too weak to be routed (OpenROAD flow scripts' lists).
_NANGATE45 = TechnologyRecord(
    name="nangate45",
    kind="cells",
    help="Nangate's open 45 nm library",
    area_unit="um2",
    target="asic",
    energy=True,
    node_nm=45.0,
    clocks_mhz=CELL_CLOCKS_MHZ,
    clk_to_q_ns=0.11,
    dont_use=(
        *("TAPCELL*", "FILLCELL*", "AOI211_X1", "OAI211_X1", "CLK*", "T*", "SDFF*"),
        *("DFFR*", "DFFS*", "LOGIC*", "DL*"),
    ),
    shipped=True,
)
_SKY130HD = TechnologyRecord(
    name="sky130hd",
    kind="cells",
    help="SkyWater 130 nm, high density",
    area_unit="um2",
    target="asic",
    energy=True,
    node_nm=130.0,
    clocks_mhz=CELL_CLOCKS_MHZ,
    clk_to_q_ns=0.4,
    dont_use=(
        *("*probe*", "*lpflow*", "*_0", "*dlx*", "*dlc*", "*sdf*", "*edf*", "*dfr*"),
        *("*dfs*", "*dfb*", "*clk*", "*einv*", "*ebuf*"),
    ),
    shipped=True,
)
_ASAP7 = TechnologyRecord(
    name="asap7",
    kind="cells",
    help="ASAP7, a predictive 7 nm library",
    area_unit="um2",
    target="asic_inverting",
    energy=True,
    node_nm=7.0,
    clocks_mhz=CELL_CLOCKS_MHZ,
    clk_to_q_ns=0.12,
    dont_use=("*x1p*", "*xp*", "SDF*", "ICG*", "DLL*", "DHL*"),
    # An assumption, as the library has no wire-load model: the one of the reference figures that
    # the energies were checked with.
    wire_ff=0.1494,
    shipped=True,
)
_IHP130 = TechnologyRecord(
    name="ihp130",
    kind="cells",
    help="IHP SG13G2, 130 nm",
    area_unit="um2",
    target="asic",
    energy=True,
    node_nm=130.0,
    clocks_mhz=CELL_CLOCKS_MHZ,
    clk_to_q_ns=0.38,
    dont_use=("*lgcp*", "*sighold*", "*sdf*", "*dlh*", "*dll*", "*einv*", "*ebuf*"),
    shipped=True,
)

#: Record of each named technology.
RECORDS: Mapping[str, TechnologyRecord] = {
    record.name: record
    for record in (_GATES, _ECP5, _ICE40, _XC7, _NANGATE45, _SKY130HD, _ASAP7, _IHP130)
}

#: Names of cell libraries that are known well enough to need nothing but their Liberty files.
LIBERTY_NAMES = tuple(name for name, record in RECORDS.items() if record.kind == "cells")


def technology_names() -> tuple[str, ...]:
    """Names of all technologies that need no other file.

    Examples
    --------
    >>> technology_names()
    ('gates', 'ecp5', 'ice40', 'xc7')
    """
    return tuple(name for name, record in RECORDS.items() if record.kind != "cells")


def technology_help() -> str:
    """Names of the technologies, as the command line's help says them."""
    free, cells = technology_names(), LIBERTY_NAMES
    return (
        f"{free[0]} (the default), {', '.join(free[1:-1])} or {free[-1]}; "
        f"{', '.join(cells[:-1])} or {cells[-1]}, with --liberty or for the units whose rows ship; "
        "with --liberty any name"
    )


def target_of_technology(name: str) -> str:
    """Target that units are tuned for: that of the record, "asic" for a library of the user's own.

    Examples
    --------
    >>> target_of_technology("asap7"), target_of_technology("mylib")
    ('asic_inverting', 'asic')
    """
    return RECORDS[name].target if name in RECORDS else "asic"


def find_technology(name: str) -> Technology:
    """Technology of a name.

    Parameters
    ----------
    name : str
        One of `technology_names` or of `LIBERTY_NAMES`.

    Returns
    -------
    Technology
        For a name in `LIBERTY_NAMES` one that is not `mappable`: it has the rows of its shipped
        table, and a unit that is not among them needs the Liberty files
        (`macwright.costmodel.technology.liberty.liberty_technology`).

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> find_technology("ecp5").area_unit, find_technology("nangate45").mappable
    ('luts', False)
    """
    if name not in RECORDS:
        raise RefusedInput(f"Technology must be one of {', '.join(RECORDS)}, not {name!r}")
    # The records alone are for the command line's help, which should not wait for the flows.
    from macwright.costmodel.technology.fpga import fpga_technology
    from macwright.costmodel.technology.gates import gates_technology

    record = RECORDS[name]
    if record.kind == "gates":
        return gates_technology(record)
    if record.kind == "fpga":
        return fpga_technology(record)
    return Technology(record=record, synthesis="", measure=_no_figures)


def _no_figures(netlist: Mapping[str, Any], top: str) -> Figures:
    raise RefusedType("Technology must be mappable, not a name alone")
