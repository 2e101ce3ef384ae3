"""Proof with Yosys that two Verilog texts of a unit are the same unit, as far as it promises.

Both run side by side on the same inputs: those that the contract allows. A temporal induction
shows that from power-up on no output ever differs that the contract fixes.
"""

import re
from typing import Any

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.hw.errors import ToolError
from macwright.hw.formats import FloatFormat, TernaryFormat
from macwright.sim.generate import describe

__all__ = ["equivalent"]


def equivalent(
    spec: Any, gold: str, gate: str, *, cells: str = "", timeout_s: float = 240.0
) -> bool:
    """Whether Yosys proves two texts of a unit equivalent; False if it finds or proves nothing.

    Parameters
    ----------
    spec : UnitSpec
        Unit that both texts are to be.
    gold, gate : str
        Verilog, each with a top module named ``spec.name``.
    cells : str
        Verilog of the primitives that they instantiate.
    timeout_s : float
        Time for each of the two attempts.
    """
    registers = set(re.findall(r"^\s+(\w+) <= ", gold, re.MULTILINE))
    registers &= set(re.findall(r"^\s+(\w+) <= ", gate, re.MULTILINE))
    hidden = sorted(registers - {port["name"] for port in describe(spec)["ports"]})
    texts = {"cells.v": cells or "// none\n"}
    for name, text in (("gold", gold), ("gate", gate)):
        texts[f"{name}.v"] = re.sub(rf"\bmodule {spec.name}\b", f"module {name}", text)
    # Equal registers are the easier thing to prove; unequal ones may still give equal outputs.
    for shown, steps in ((hidden, 3 + spec.pipeline), ([], 8)):
        script = _script(shown, steps, timeout_s)
        files = {**texts, "check.v": _checker(spec, gold, shown)}
        try:
            run_yosys(find_yosys(), script, files, timeout_s=2 * timeout_s)
        except ToolError as error:
            if not any(reason in str(error) for reason in ("proof", "time", "took longer")):
                raise
            continue
        return True
    return False


def _script(shown: list[str], steps: int, timeout_s: float) -> str:
    lines = ["read_verilog cells.v"]
    for name in ("gold", "gate"):
        lines += [f"read_verilog {name}.v", f"proc {name}"]
        lines += [f"expose {name}/w:{register}" for register in shown]
    lines += ["read_verilog check.v", "hierarchy -top check", "proc", "flatten"]
    # No `opt`: it would make registers with enables, which `sat` does not know.
    lines += 3 * ["opt_expr", "opt_merge", "opt_clean"]
    lines += [
        f"sat -verify -tempinduct -maxsteps {steps} -timeout {timeout_s:.0f} -prove bad 0 check"
    ]
    return "\n".join([*lines, "write_json netlist.json", ""])


def _checker(spec: Any, gold: str, shown: list[str]) -> str:
    """Verilog of a module with both units, whose output `bad` says that they differ."""
    ports = describe(spec)["ports"]
    inputs = [port for port in ports if port["direction"] == "input"]
    outputs = [port["name"] for port in ports if port["direction"] == "output"]
    widths = {port["name"]: port["width"] for port in ports}
    lines = ["module check(" + ", ".join(p["name"] for p in inputs) + ", bad);"]
    lines += [f"  input [{p['width'] - 1}:0] {p['name']};" for p in inputs]
    lines += ["  output bad;"]
    legal = _legal(spec)
    for port in inputs:
        name = port["name"]
        lines += [f"  wire [{port['width'] - 1}:0] legal_{name} = {legal.get(name, name)};"]
    lines += _group_counter(spec)
    for name in shown:
        declared = re.search(rf"^\s+reg (?:signed )?(\[\d+:0\])? ?{name}\b", gold, re.MULTILINE)
        widths[name] = int(declared[1][1:-3]) + 1 if declared and declared[1] else 1
    for unit in ("gold", "gate"):
        seen = [*outputs, *shown]
        lines += [f"  wire [{widths[name] - 1}:0] {unit}_{name};" for name in seen]
        pins = [f".{p['name']}(legal_{p['name']})" for p in inputs]
        pins += [f".{name}({unit}_{name})" for name in seen]
        lines += [f"  {unit} the_{unit}({', '.join(pins)});"]
    terms = []
    for name in [*outputs, *shown]:
        term = f"(gold_{name} != gate_{name})"
        # A sum is open while its flag is up.
        flag = "total_invalid" if name.startswith("total") else "invalid"
        loose = flag in outputs and name not in ("invalid", "total_invalid")
        terms.append(f"({term} & ~gold_{flag})" if loose else term)
    return "\n".join([*lines, f"  assign bad = {' | '.join(terms)};", "endmodule", ""])


def _legal(spec: Any) -> dict[str, str]:
    """For each port whose codes are not all allowed: an expression that is."""
    found = {}
    for port, fmt in (("a", spec.act), ("w", spec.weight)):
        if spec.family == "requant":
            continue
        width, lanes = fmt.width, getattr(spec, "lanes", 1)
        if isinstance(fmt, TernaryFormat) or getattr(fmt, "symmetric", False):
            wrong = f"{width}'d{2 ** (width - 1)}"
            parts = [f"{port}[{k * width} +: {width}]" for k in reversed(range(lanes))]
            legal = [f"({part} == {wrong} ? {width}'d0 : {part})" for part in parts]
            found[port] = f"{{{', '.join(legal)}}}"
    if hasattr(spec, "modes") and spec.family != "serial_mac":
        found["mode"] = f"(mode < {len(spec.modes)} ? mode : 0)"
    if spec.family == "requant" and isinstance(spec.weight, FloatFormat):
        found["scale"] = f"(scale <= {spec.weight.max_code} ? scale : 0)"
    if spec.family == "shift_add_mac" and spec.scale is not None:
        found["clear"] = "(clear | full)"
    return found


def _group_counter(spec: Any) -> list[str]:
    """Signal `full` that ends groups in time, of units that have groups."""
    if spec.family != "shift_add_mac" or spec.scale is None:
        return []
    bits = spec.group.bit_length() + 1
    enable, reset = ("en" if spec.en else "1"), ("rst" if spec.rst else "0")
    return [
        f"  reg [{bits - 1}:0] count = {spec.group};",
        f"  wire full = count >= {spec.group};",
        f"  always @(posedge clk) if ({reset}) count <= {spec.pipeline};",
        f"    else if ({enable}) count <= legal_clear ? 1 : count + 1;",
    ]
