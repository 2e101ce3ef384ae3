"""Technology ``gates``: two-input gates, as published cost analyses count them.

Everything is counted in AND, NAND, OR, NOR and their variants with one input inverted, one each;
inverters are free. Exclusive-ors and multiplexers have no cell of their own: each comes out as
three gates, so that a half adder is 3 (the exclusive-or contains the AND), a full adder 7 and
AO21 2, the weights of the analysis of FP8 against INT8 by van Baalen et al. (arXiv 2303.17951).
A flip-flop is two multiplexers, 6; its enable and reset are gates in front of it. Adders are
ripple-carry, the smallest: a 32-bit one with carry-in 0 and no carry-out is 219 gates.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from macwright.costmodel.technology.levels import count_cells, logic_depth, mapped_module
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import ToolError

__all__ = ["FF_GATES", "gates_technology"]

#: Gates in a flip-flop: two multiplexers of three.
FF_GATES = 6

_GATES = ("$_AND_", "$_NAND_", "$_OR_", "$_NOR_", "$_ANDNOT_", "$_ORNOT_")
_FF = "$_DFF_P_"

#: Ripple carry for every adder; the name sorts before the map that it overrides.
_RIPPLE = """\
(* techmap_celltype = "$lcu" *)
module _80_macwright_lcu (P, G, CI, CO);
  parameter WIDTH = 2;
  (* force_downto *) input [WIDTH-1:0] P, G;
  input CI;
  (* force_downto *) output [WIDTH-1:0] CO;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : stage
    if (i == 0) assign CO[i] = G[i] | (P[i] & CI);
    else assign CO[i] = G[i] | (P[i] & CO[i-1]);
  end endgenerate
endmodule
"""

#: Fewest and-nodes; `map -a` then makes one two-input gate of each.
_ABC = """\
strash
ifraig
scorr
dc2
dc2
dch -f
map -a
"""

_SYNTHESIS = f"""\
read_verilog macwright_asic.v
synth -top {{top}} -flatten -noabc -extra-map ripple.v
opt -full
dfflegalize -cell {_FF} 01
opt_clean
abc -g AND,NAND,OR,NOR,ANDNOT,ORNOT -script gates.abc
opt_clean -purge
"""


def _measure(netlist: Mapping[str, Any], top: str) -> dict[str, float | int | None]:
    module = mapped_module(netlist, top)
    cells = count_cells(module)
    if unknown := sorted(set(cells) - {*_GATES, "$_NOT_", _FF}):
        raise ToolError(f"Unit cannot be mapped to gates: it has cells {', '.join(unknown)}")
    ffs = cells[_FF]
    return {
        "area": sum(cells[kind] for kind in _GATES) + FF_GATES * ffs,
        "ffs": ffs,
        "depth": logic_depth(
            module,
            levels={**dict.fromkeys(_GATES, 1), "$_NOT_": 0},
            registers=frozenset([_FF]),
        ),
    }


def gates_technology(record: TechnologyRecord) -> Technology:
    """Technology of two-input gates."""
    behaviour = files("macwright.sim").joinpath("cells/macwright_asic.v").read_text()
    return Technology(
        record=record,
        synthesis=_SYNTHESIS,
        measure=_measure,
        files={
            "ripple.v": _RIPPLE,
            "gates.abc": _ABC,
            # What a unit made for an ASIC instantiates; here it becomes gates like the rest.
            "macwright_asic.v": behaviour,
        },
    )
