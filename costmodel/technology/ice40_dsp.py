"""Hard multipliers of iCE40: a way round a fault of Yosys, and a check of what comes out.

Where a register is an addend of a multiplier's adder, Yosys' pass ``ice40_dsp`` moves it into that
SB_MAC16. If it holds another product it may move into that product's own SB_MAC16 as well: then the
first one adds what nothing drives, and the other one is deleted as nobody reads it. So does Yosys
0.70 (`tests/costmodel/technology/test_ice40_dsp.py` has the smallest case: ``y <= p0 + p1`` behind
``p0 <= a0 * w0; p1 <= a1 * w1`` is one SB_MAC16 of p1 alone). The pass leaves registers whose
outputs are to be kept outside; registers of a multiplier's own product and sum still move into it.
"""

from collections.abc import Mapping
from typing import Any

from macwright.costmodel.technology.levels import mapped_module
from macwright.hw.errors import ToolError

__all__ = ["check_hard_multipliers", "synthesis_commands"]

_KEEP_ADDENDS = """\
select -set addends t:$add %ci1:+[A,B] w:* %i
select -set registers t:$dff %co1:+[Q] w:* %i
setattr -set keep 1 @addends @registers %i
"""


def synthesis_commands(command: str) -> str:
    """Yosys commands that do what `command`, a ``synth_...`` with its options, is meant to do.

    Examples
    --------
    >>> synthesis_commands("synth_ecp5 -top unit")
    'synth_ecp5 -top unit\\n'
    >>> print(synthesis_commands("synth_ice40 -dsp -top unit").splitlines()[0])
    synth_ice40 -dsp -top unit -run begin:coarse
    """
    if not command.startswith("synth_ice40") or "-dsp" not in command.split():
        return f"{command}\n"
    return f"{command} -run begin:coarse\n{_KEEP_ADDENDS}{command} -run coarse:\n"


def check_hard_multipliers(netlist: Mapping[str, Any], top: str) -> None:
    """Check that each SB_MAC16 whose adder takes the ports C and D has them driven.

    Parameters
    ----------
    netlist : mapping
        What Yosys' ``write_json`` wrote.
    top : str
        Module.

    Raises
    ------
    ToolError
        If one has not: the netlist is not the hardware that was asked for.
    """
    module = mapped_module(netlist, top)
    cells = module["cells"]
    driven: set[Any] = {"0", "1"}
    for port in module["ports"].values():
        driven.update(port["bits"] if port["direction"] != "output" else ())
    for cell in cells.values():
        for name, bits in cell["connections"].items():
            driven.update(bits if cell["port_directions"][name] != "input" else ())
    for name, cell in cells.items():
        if cell["type"] != "SB_MAC16" or int(cell["parameters"]["TOPADDSUB_UPPERINPUT"], 2) == 0:
            continue
        added = any(int(cell["parameters"][f"{k}OUTPUT_SELECT"], 2) < 2 for k in ("TOP", "BOT"))
        if added and not driven.issuperset(cell["connections"]["C"] + cell["connections"]["D"]):
            raise ToolError(
                f"Synthesis must drive what multiplier {name} adds, and does not (Yosys' ice40_dsp "
                "took one register into two multipliers): leave hard multipliers out"
            )
