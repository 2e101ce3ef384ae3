"""Library cells for what units instantiate or registers need, found by their functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.logic import inputs_of, parse_expression, truth_table
from macwright.hw.errors import RefusedInput

__all__ = ["adder_modules", "check_logic", "needless_registers", "register_module"]


def check_logic(library: str, cells: Sequence[Cell], notes: Sequence[str]) -> None:
    """Check that units can be mapped to some cells at all.

    Parameters
    ----------
    library : str
        Its name, for messages.
    cells : sequence of Cell
        Those that may be used.
    notes : sequence of str
        Which cells were left out, and why.

    Raises
    ------
    ValueError
        If there is no flip-flop, no inverter, or no NAND, NOR, AND or OR of two inputs.
    """
    gates = ((0, 0, 0, 1), (1, 1, 1, 0), (0, 1, 1, 1), (1, 0, 0, 0))
    for what, there in (
        ("a flip-flop", any(cell.flip_flop for cell in cells)),
        ("an inverter", any(_is_gate(cell, (1, 0)) for cell in cells)),
        ("a gate of two inputs", any(_is_gate(cell, gate) for cell in cells for gate in gates)),
    ):
        if not there:
            more = f"; {'; '.join(notes)}" if notes else ""
            raise RefusedInput(f"Library {library} must have {what}, not none{more}")


def adder_modules(cells: Sequence[Cell]) -> dict[str, str]:
    """Verilog of the full adders that a unit instantiates, in the smallest cell that is one."""
    sums = {False: (0, 1, 1, 0, 1, 0, 0, 1), True: (1, 0, 0, 1, 0, 1, 1, 0)}
    carries = {False: (0, 0, 0, 1, 0, 1, 1, 1), True: (1, 1, 1, 0, 1, 0, 0, 0)}
    adders = {}
    for cell in sorted(cells, key=lambda cell: (-cell.area, cell.name)):
        if cell.flip_flop or cell.other_state or len(cell.inputs) != 3 or len(cell.outputs) != 2:
            continue
        tables = {pin: _table(cell, pin) for pin in cell.outputs}
        for inverted, (s, c) in product((False, True), [tuple(cell.outputs), cell.outputs[::-1]]):
            if tables[s] == sums[inverted] and tables[c] == carries[inverted]:
                adders[inverted] = (cell, s, c)
    modules = {}
    for name, inverted, outs in (
        ("macwright_fa", False, ("s", "co")),
        ("macwright_fan", True, ("sn", "con")),
    ):
        adder = adders.get(inverted) or adders.get(not inverted)
        if adder is not None:
            ports = "input a, input b, input c, output {}, output {}".format(*outs)
            modules[name] = _instance(name, ports, adder, outs, invert=inverted not in adders)
    return modules


def register_module(cells: Sequence[Cell]) -> dict[str, str]:
    """Verilog of the register with both outputs, in the smallest flip-flop.

    An output that the flip-flop lacks is made by an inverter, which the logic that reads it can
    often absorb; of cells of the same area, the one with both is taken.
    """
    flops = [(cell, pins) for cell in cells if (pins := _register_pins(cell))]
    if not flops:
        return {}
    cell, pins = min(flops, key=lambda pair: (pair[0].area, -len(pair[1].outputs), pair[0].name))
    nets = {False: "q", True: "qn"}
    ports = [f".{pins.data}(d)", f".{pins.clock}(clk)"]
    ports += [f".{pin}({nets[inverted]})" for inverted, pin in pins.outputs.items()]
    missing = [
        f"  assign {net} = ~{nets[not inverted]};\n"
        for inverted, net in nets.items()
        if inverted not in pins.outputs
    ]
    return {
        "macwright_dffq": "module macwright_dffq (input clk, input d, output q, output qn);\n"
        f"  {cell.name} cell_ ({', '.join(ports)});\n{''.join(missing)}endmodule\n"
    }


def needless_registers(cells: Sequence[Cell]) -> list[str]:
    """Names of flip-flops that are larger than one with a complemented output and an inverter.

    Yosys' ``dfflibmap`` prefers any flip-flop without inversion to the smaller one.
    """
    flops = [(cell, pins) for cell in cells if (pins := _register_pins(cell))]
    inverters = [cell.area for cell in cells if _is_gate(cell, (1, 0))]
    inverting = [cell.area for cell, pins in flops if False not in pins.outputs]
    if not inverters or not inverting:
        return []
    most = min(inverting) + min(inverters)
    return [cell.name for cell, pins in flops if False in pins.outputs and cell.area > most]


@dataclass(frozen=True)
class _RegisterPins:
    """Pins of a flip-flop on the rising edge; `outputs` by whether they are complemented."""

    data: str
    clock: str
    outputs: dict[bool, str]


def _register_pins(cell: Cell) -> _RegisterPins | None:
    """Pins of a plain flip-flop, else None."""
    ff = cell.flip_flop
    if ff is None or ff.clear or ff.preset or cell.other_state or len(cell.inputs) != 2:
        return None
    clock, stored = parse_expression(ff.clocked_on), parse_expression(ff.next_state)
    if clock[0] != "var" or clock[1] not in cell.inputs:
        return None
    (data,) = set(cell.inputs) - {clock[1]}
    if set(inputs_of(stored)) != {data}:
        return None
    inverting = bool(truth_table(stored, (data,))[0])
    if inverting == bool(truth_table(stored, (data,))[1]):
        return None
    states = (ff.state, ff.inverse)
    outputs = {}
    for pin in cell.outputs:
        shown = parse_expression(cell.pins[pin].function)
        if not set(inputs_of(shown)) <= set(states):
            return None
        low, high = truth_table(shown, states)[[0b10, 0b01]]
        if low == high:
            return None
        outputs[bool(low) != inverting] = pin
    return _RegisterPins(data, clock[1], outputs) if outputs else None


def _instance(
    name: str, ports: str, adder: tuple[Cell, str, str], outs: tuple[str, str], *, invert: bool
) -> str:
    cell, *pins = adder
    ins = ", ".join(f".{pin}({net})" for pin, net in zip(cell.inputs, "abc", strict=True))
    nets = ", ".join(f".{pin}(x{n})" for n, pin in enumerate(pins))
    sign = "~" if invert else ""
    return (
        f"module {name} ({ports});\n  wire x0, x1;\n  {cell.name} cell_ ({ins}, {nets});\n"
        f"  assign {outs[0]} = {sign}x0;\n  assign {outs[1]} = {sign}x1;\nendmodule\n"
    )


def _table(cell: Cell, pin: str) -> tuple[int, ...]:
    """Truth table of an output over the cell's inputs; empty if it reads anything else."""
    try:
        tree = parse_expression(cell.pins[pin].function)
    except ValueError:
        return ()
    if not set(inputs_of(tree)) <= set(cell.inputs):
        return ()
    return tuple(int(bit) for bit in truth_table(tree, tuple(cell.inputs)))


def _is_gate(cell: Cell, table: tuple[int, ...]) -> bool:
    small = len(cell.outputs) == 1 and len(cell.inputs) <= 2 and not cell.flip_flop
    return small and _table(cell, cell.outputs[0]) == table
