# Amaranth's values are not typed.
# pyright: reportArgumentType=false
"""Proof by SAT that hardware computes an expression."""

from amaranth.back import rtlil

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys

__all__ = ["prove"]


def prove(m, inputs, output, expression, *, cells="", legal="1'b1", lines=""):
    """Fail unless `output` is the Verilog expression of the inputs `a`, `b`, `c` where `legal`."""
    names = "abc"[: len(inputs)]
    for name, signal in zip(names, inputs, strict=True):
        signal.name = name
    output.name = "y"
    ports = "".join(f"  input [{len(s) - 1}:0] {n};\n" for n, s in zip(names, inputs, strict=True))
    top = len(output) - 1
    check = (
        f"module check({', '.join(names)}, bad);\n{ports}  output bad;\n{lines}"
        f"  wire [{top}:0] y, want = {expression};\n"
        f"  gate the_gate({', '.join(f'.{n}({n})' for n in names)}, .y(y));\n"
        f"  assign bad = ({legal}) & (y != want);\nendmodule\n"
    )
    files = {"check.v": check, "cells.v": cells or "// none\n"}
    files["gate.il"] = rtlil.convert(m, name="gate", ports=[*inputs, output], emit_src=False)
    script = [
        *("read_rtlil gate.il", "read_verilog cells.v check.v", "hierarchy -top check"),
        *("proc", "flatten", "opt -full", "sat -verify -timeout 300 -prove bad 0 check"),
        *("write_json netlist.json", ""),
    ]
    run_yosys(find_yosys(), "\n".join(script), files)
