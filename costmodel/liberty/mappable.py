"""Which cells a synthesiser may map a unit to, and why not the others."""

import re

from macwright.costmodel.liberty.cells import Arc, Cell
from macwright.costmodel.liberty.logic import inputs_of, parse_expression, truth_table

__all__ = ["lacking_tables", "unmappable"]

_NAME = re.compile(r"[A-Za-z_]\w*")


def unmappable(cell: Cell) -> str:
    """Why a cell cannot stand for logic or for a register on the rising edge; empty if it can."""
    if cell.dont_use:
        return "the library says dont_use"
    states = (cell.flip_flop.state, cell.flip_flop.inverse) if cell.flip_flop else ()
    if not all(_NAME.fullmatch(name) for name in (cell.name, *cell.pins, *states)):
        return "its names are not plain identifiers"
    if cell.other_state:
        return f"it keeps its state as a {cell.other_state}"
    if not cell.outputs or any(pin.direction == "inout" for pin in cell.pins.values()):
        return "it has no output of its own"
    for name in cell.outputs:
        pin = cell.pins[name]
        if not pin.function:
            return f"its output {name} has no function"
        if pin.three_state:
            return f"its output {name} has three states"
    return _unmappable_flop(cell) if cell.flip_flop else _unmappable_gate(cell)


def _unmappable_gate(cell: Cell) -> str:
    for name in cell.outputs:
        if not _reads(cell.pins[name].function) <= set(cell.inputs):
            return f"its output {name} reads what is no input"
    return ""


def _unmappable_flop(cell: Cell) -> str:
    flop = cell.flip_flop
    assert flop is not None  # for the type checker: the caller has asked
    clock = parse_expression(flop.clocked_on)
    if clock[0] != "var" or clock[1] not in cell.inputs:
        return "its clock is not the rising edge of an input"
    states = (flop.state, flop.inverse)
    conditions = [text for text in (flop.next_state, flop.clear, flop.preset) if text]
    if not set().union(*map(_reads, conditions)) <= {*cell.inputs, *states}:
        return "its state reads what is no input"
    for name in cell.outputs:
        tree = parse_expression(cell.pins[name].function)
        if not set(inputs_of(tree)) <= set(states):
            return f"its output {name} reads more than its state"
        table = truth_table(tree, states)
        if table[0b10] == table[0b01]:
            return f"its output {name} does not follow its state"
    return ""


def lacking_tables(cell: Cell) -> str:
    """Which tables a cell, mappable otherwise, would need for its delays; empty if it has all."""
    flop = cell.flip_flop
    if flop is None:
        for name in cell.outputs:
            for related in inputs_of(parse_expression(cell.pins[name].function)):
                arcs = [
                    arc
                    for arc in cell.pins[name].arcs
                    if arc.related == related and arc.kind.startswith("combinational")
                ]
                if missing := _missing(arcs):
                    return f"{missing} from {related} to {name} missing"
        return ""
    clock = parse_expression(flop.clocked_on)[1]
    for name in cell.outputs:
        arcs = [
            arc
            for arc in cell.pins[name].arcs
            if arc.related == clock and arc.kind == "rising_edge"
        ]
        if missing := _missing(arcs):
            return f"{missing} from {clock} to {name} missing"
    for name in inputs_of(parse_expression(flop.next_state)):
        if name in cell.inputs and not any(
            arc.kind == "setup" and arc.related == clock and (arc.rise or arc.fall)
            for arc in cell.pins[name].arcs
        ):
            return f"set-up constraint of {name} missing"
    return ""


def _missing(arcs: list[Arc]) -> str:
    """Names of the tables that no arc of a path has."""
    names = {
        "cell_rise": any(arc.rise for arc in arcs),
        "cell_fall": any(arc.fall for arc in arcs),
        "rise_transition": any(arc.rise_slew for arc in arcs),
        "fall_transition": any(arc.fall_slew for arc in arcs),
    }
    return ", ".join(name for name, there in names.items() if not there)


def _reads(text: str) -> set[str]:
    return set(inputs_of(parse_expression(text)))
