"""What is known of a technology before anything is mapped to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BlockRam", "DspBlock", "Primitives", "TechnologyRecord"]


@dataclass(frozen=True, kw_only=True)
class DspBlock:
    """Hard multiplier of an FPGA.

    Parameters
    ----------
    cell : str
        Name of the primitive.
    widths : (int, int)
        Bits of its factors, both signed, the wider first.
    levels : int or None
        Logic levels that it adds to a path; None where it takes in registers of the unit, so that
        paths through it cannot be counted.
    """

    cell: str
    widths: tuple[int, int]
    levels: int | None


@dataclass(frozen=True, kw_only=True)
class BlockRam:
    """Memory block of an FPGA.

    Parameters
    ----------
    cell : str
        Name of the primitive.
    shapes : tuple of (int, int)
        Words and bits of each configuration, the deepest first.
    """

    cell: str
    shapes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Primitives:
    """Cells that the synthesis for an FPGA leaves, and its commands.

    Parameters
    ----------
    synthesis, dsp_synthesis : str
        Yosys commands without and with hard multipliers; ``{top}`` is the module.
    luts : mapping of str to int
        LUTs that a cell of each type takes the place of.
    carries : mapping of str to frozenset of str
        Carry cells, with the inputs that add no level: those in the chain, and those that a LUT,
        counted already, feeds.
    flip_flops : frozenset of str
        Flip-flops.
    dsp : DspBlock
        Hard multiplier.
    block_ram : BlockRam
        Memory block.
    """

    synthesis: str
    dsp_synthesis: str
    luts: Mapping[str, int]
    carries: Mapping[str, frozenset[str]]
    flip_flops: frozenset[str]
    dsp: DspBlock
    block_ram: BlockRam


@dataclass(frozen=True, kw_only=True)
class TechnologyRecord:
    """All that macwright knows of one technology by its name.

    Parameters
    ----------
    name : str
        As the command line takes it.
    kind : {"gates", "fpga", "cells"}
        Two-input gates, an FPGA's primitives or the cells of a Liberty file.
    help : str
        What it is, in a few words.
    area_unit : str
        What areas count.
    target : str
        Target of `macwright.hw.arith.target` that tuned units are made for. It says what the full
        adder is: expressions, a carry chain, a cell, or a cell with complemented outputs.
    energy : bool
        Whether its units have energies, delays and leakage.
    node_nm : float or None
        Node in nm, which memories beside the units are scaled to; None where there is none, or
        nobody said.
    dont_use : tuple of str
        Patterns of cells that a synthesiser must not pick.
    wire_ff : float or None
        Wire capacitance of a net, fF for each pin that it drives; None for the library's own
        wire-load model.
    clocks_mhz : tuple of float
        Clocks that a search chooses from unless others are given; none where units have no
        periods.
    clk_to_q_ns : float
        Of a register in front of an operand, for cost rows whose delays do not count it.
    primitives : Primitives or None
        Of an FPGA.
    shipped : bool
        Whether a cost table ships.
    benched : bool
        Whether its rows of the default search bring the record of the bench that the unit passed.
    """

    name: str
    kind: Literal["gates", "fpga", "cells"]
    help: str
    area_unit: str
    target: str
    energy: bool = False
    node_nm: float | None = None
    dont_use: tuple[str, ...] = ()
    wire_ff: float | None = None
    clocks_mhz: tuple[float, ...] = ()
    clk_to_q_ns: float = 0.0
    primitives: Primitives | None = field(default=None, repr=False)
    shipped: bool = False
    benched: bool = False
