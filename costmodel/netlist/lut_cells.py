"""Cells of LUT technologies as cells that can be simulated.

Each primitive that `macwright.costmodel.technology.fpga` counts becomes one or more cells with
Boolean functions: carry cells are taken apart bit by bit, as their bits follow each other.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from macwright.costmodel.liberty.cells import Cell, FlipFlop, Pin

__all__ = ["Part", "cell_parts", "table_function"]

#: Suffix of the name, cell, and net of each pin.
Part = tuple[str, Cell, dict[str, Hashable]]

_STATE, _INVERSE = "IQ", "IQN"
#: Pins and parameter of each LUT.
_LUTS = {
    "LUT4": ("ABCD", "Z", "INIT"),
    "SB_LUT4": (("I0", "I1", "I2", "I3"), "O", "LUT_INIT"),
}
_XC7_LUTS = {f"LUT{n}": tuple(f"I{i}" for i in range(n)) for n in range(1, 7)}
#: Next state of flip-flops, and their clock pin.
_FLOPS = {
    "SB_DFF": ("D", "C"),
    "SB_DFFE": (f"(E & D) | (!E & {_STATE})", "C"),
    "SB_DFFSR": ("!R & D", "C"),
    "SB_DFFSS": ("S | D", "C"),
    "SB_DFFESR": (f"(E & !R & D) | (!E & {_STATE})", "C"),
    "SB_DFFESS": (f"(E & (S | D)) | (!E & {_STATE})", "C"),
    "FDRE": (f"!R & ((CE & D) | (!CE & {_STATE}))", "C"),
    "FDSE": (f"S | (CE & D) | (!CE & {_STATE})", "C"),
}


def cell_parts(cell: Mapping[str, Any]) -> Iterator[Part]:
    """Take a primitive apart.

    Parameters
    ----------
    cell : mapping
        Of Yosys' `write_json`: `type`, `parameters`, `connections`.

    Yields
    ------
    Part

    Raises
    ------
    KeyError
        If it is no such primitive, or one that is not simulated: hard multipliers, asynchronous
        resets, falling clock edges.
    """
    kind, parameters = cell["type"], cell.get("parameters", {})
    pins = {
        f"{pin}{n}" if len(bits) > 1 else pin: bit
        for pin, bits in cell["connections"].items()
        for n, bit in enumerate(bits)
    }
    # The four-input tables of ECP5 and 7-series have one name, but not the pins.
    if kind in _XC7_LUTS and "O" in pins:
        names = _XC7_LUTS[kind]
        yield _part("", kind, names, {"O": _lut(parameters["INIT"], names)}, pins)
    elif kind in _LUTS:
        names, out, parameter = _LUTS[kind]
        yield _part("", kind, names, {out: _lut(parameters[parameter], names)}, pins)
    elif kind == "INV":
        yield _part("", kind, "I", {"O": "!I"}, pins)
    elif kind == "SB_CARRY":
        carry = "(I0 & I1) | ((I0 | I1) & CI)"
        yield _part("", kind, ("I0", "I1", "CI"), {"CO": carry}, pins)
    elif kind == "CARRY4":
        yield from _carry4(pins)
    elif kind == "CCU2C":
        yield from _ccu2c(parameters, pins)
    elif kind == "TRELLIS_FF":
        yield _flop(kind, _trellis(parameters), "CLK", pins)
    else:
        yield _flop(kind, *_FLOPS[kind], pins)


def table_function(table: str, pins: tuple[str, ...] | str) -> str:
    """Liberty expression of a truth table.

    Parameters
    ----------
    table : str
        Bits, that of all pins at 0 first; the last pin changes slowest.
    pins : tuple of str, or str
        Names, one for each input.

    Examples
    --------
    >>> table_function("0110", "AB")
    '((B & !A) | (!B & A))'
    """
    if "1" not in table or "0" not in table:
        return table[0]
    half = len(table) // 2
    low, high = table_function(table[:half], pins[:-1]), table_function(table[half:], pins[:-1])
    if low == high:
        return low
    if (low, high) == ("0", "1"):
        return pins[-1]
    if (low, high) == ("1", "0"):
        return f"!{pins[-1]}"
    return f"(({pins[-1]} & {high}) | (!{pins[-1]} & {low}))"


def _lut(init: str, pins: tuple[str, ...] | str) -> str:
    """Expression of a parameter, whose last bit is that of all pins at 0."""
    return table_function(init[::-1][: 1 << len(pins)].ljust(1 << len(pins), "0"), pins)


def _carry4(pins: Mapping[str, Hashable]) -> Iterator[Part]:
    carry, function = ("CI", "CYINIT"), "(CI | CYINIT)"
    for n in range(4):
        names = (f"S{n}", f"DI{n}", *carry)
        outs = {
            f"O{n}": f"S{n} ^ {function}",
            f"CO{n}": f"(S{n} & {function}) | (!S{n} & DI{n})",
        }
        yield _part(f".{n}", "CARRY4", names, outs, pins)
        carry, function = (f"CO{n}",), f"CO{n}"


def _ccu2c(parameters: Mapping[str, str], pins: Mapping[str, Hashable]) -> Iterator[Part]:
    # The carry between the two bits has no pin; its net is named after one that has.
    middle: dict[str, Hashable] = {"M": tuple(pins.get(pin) for pin in ("S0", "S1", "COUT"))}
    for n, (carry, out) in enumerate((("CIN", "M"), ("M", "COUT"))):
        names = tuple(f"{pin}{n}" for pin in "ABCD")
        init = parameters[f"INIT{n}"]
        table = _lut(init, names)
        generate, add = "0", ""
        if parameters[f"INJECT1_{n}"] != "YES":
            generate, add = _lut(init, names[:2]), f" ^ {carry}"
        outs = {
            f"S{n}": f"{table}{add}",
            out: f"({table} & {carry}) | (!{table} & {generate})",
        }
        yield _part(f".{n}", "CCU2C", (*names, carry), outs, {**pins, **middle})


def _trellis(parameters: Mapping[str, str]) -> str:
    """Next state of ECP5's flip-flop."""
    if parameters.get("SRMODE") == "ASYNC" or parameters.get("CLKMUX", "CLK") != "CLK":
        raise KeyError("TRELLIS_FF with asynchronous reset or falling clock edge")
    enable = {"CE": "CE", "INV": "!CE"}.get(parameters.get("CEMUX", "CE"), "1")
    reset = {"LSR": "LSR", "INV": "!LSR"}.get(parameters.get("LSRMUX", "LSR"), "0")
    loaded = f"(({enable} & DI) | (!{enable} & {_STATE}))"
    if parameters.get("SRMODE") == "CE_OVER_LSR":
        reset = f"({reset} & {enable})"
    return f"{reset} | {loaded}" if parameters.get("REGSET") == "SET" else f"!{reset} & {loaded}"


def _part(
    suffix: str,
    kind: str,
    names: tuple[str, ...] | str,
    outs: Mapping[str, str],
    pins: Mapping[str, Hashable],
) -> Part:
    """Combinational cell; inputs without a net are 0, outputs without one are left out."""
    cell_pins = {name: _pin(name) for name in names}
    cell_pins |= {name: _pin(name, function) for name, function in outs.items()}
    nets = {name: pins.get(name, "0") for name in names}
    nets |= {name: pins[name] for name in outs if name in pins}
    return suffix, Cell(kind, 0.0, cell_pins, None, "", (), None), nets


def _flop(kind: str, state: str, clock: str, pins: Mapping[str, Hashable]) -> Part:
    cell_pins = {name: _pin(name) for name in pins if name != "Q"} | {"Q": _pin("Q", _STATE)}
    ff = FlipFlop(_STATE, _INVERSE, state, clock)
    return "", Cell(kind, 0.0, cell_pins, ff, "", (), None), dict(pins)


def _pin(name: str, function: str = "") -> Pin:
    return Pin(name, "output" if function else "input", (0.0, 0.0), function, False, (), ())
