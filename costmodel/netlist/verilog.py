"""Reader of flat structural Verilog: one module of instances with named ports."""

import re
from pathlib import Path

from macwright.costmodel.liberty.library import Library
from macwright.costmodel.netlist.build import build_netlist
from macwright.costmodel.netlist.netlist import Netlist
from macwright.hw.errors import RefusedInput

__all__ = ["from_verilog", "read_verilog"]

_NAME = r"(?:\\\S+(?:\s|$)|[A-Za-z_][\w$]*)"
_BIT = rf"(?:{_NAME}(?:\s*\[\d+\])?|1'[bh][01x])"
_DECLARATION = re.compile(
    rf"(input|output|wire)\s*(?:\[\s*(\d+)\s*:\s*(\d+)\s*\])?\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*$"
)
_ASSIGN = re.compile(rf"assign\s+({_BIT})\s*=\s*({_BIT})\s*$")
_INSTANCE = re.compile(rf"({_NAME})\s*({_NAME})\s*\((.*)\)\s*$", re.DOTALL)
_CONNECTION = re.compile(rf"\s*\.({_NAME})\s*\(\s*({_BIT})?\s*\)\s*(?:,|$)")


def read_verilog(path: Path, library: Library) -> Netlist:
    """Read a netlist file; see `from_verilog`."""
    return from_verilog(path.read_text(), library, name=path.name)


def from_verilog(text: str, library: Library, *, name: str = "netlist") -> Netlist:
    """Take a netlist from structural Verilog.

    Parameters
    ----------
    text : str
        One module: declarations of ports and wires, `assign` of one bit to another, instances
        with ports connected by name.
    library : Library
        Cells that the netlist was mapped to.
    name : str
        File name for messages.

    Raises
    ------
    ValueError
        If a statement is anything else (naming file and line), or as
        `macwright.costmodel.netlist.netlist.from_yosys_json` does.
    """
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])  # noqa: E731
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)", blank, text, flags=re.DOTALL)
    header = re.match(rf"\s*module\s+{_NAME}\s*(?:\([^)]*\))?\s*;", text)
    if header is None:
        raise RefusedInput(f"{name}:1: the file must begin with a module")
    position = header.end()
    ports: dict[str, tuple[str, list[str]]] = {}
    alias: dict[str, str] = {}
    cells = []
    while True:
        end = text.find(";", position)
        statement = text[position : end if end >= 0 else None].strip()
        if re.match(r"endmodule\b", statement) or (end < 0 and not statement):
            break
        if match := _DECLARATION.match(statement):
            if match[1] != "wire":
                for port in re.findall(_NAME, match[4]):
                    ports[port.strip()] = (match[1], _bits(port.strip(), match[2], match[3]))
        elif match := _ASSIGN.match(statement):
            alias[_bit(match[1])] = _bit(match[2])
        elif (match := _INSTANCE.match(statement)) and (pins := _connections(match[3])) is not None:
            cells.append((match[2].strip(), match[1].strip(), pins))
        else:
            start = end - len(text[position:end].lstrip()) if end >= 0 else position
            line = text.count("\n", 0, start) + 1
            first = statement.split("\n", 1)[0]
            raise RefusedInput(
                f"{name}:{line}: the statement must be a declaration, an assignment of one bit "
                f"or an instance, not {first[:60]!r}"
            )
        position = end + 1

    def resolve(bit: str) -> str:
        seen = set()
        while bit in alias:
            if bit in seen:
                raise RefusedInput(
                    f"{name}: assignments must not form a loop, as that of {bit} does"
                )
            seen.add(bit)
            bit = alias[bit]
        return bit

    return build_netlist(
        library,
        {port: (way, [resolve(bit) for bit in bits]) for port, (way, bits) in ports.items()},
        [
            (instance, cell, {pin: resolve(bit) for pin, bit in pins.items()})
            for instance, cell, pins in cells
        ],
        {},
    )


def _bits(port: str, high: str | None, low: str | None) -> list[str]:
    """Net keys of a port, least significant bit first."""
    if high is None or low is None:
        return [port]
    first, last = int(low), int(high)
    step = 1 if last >= first else -1
    return [f"{port}[{index}]" for index in range(first, last + step, step)]


def _bit(text: str) -> str:
    """Net key of a bit in the text."""
    text = text.strip()
    return text[-1] if text.startswith("1'") else re.sub(r"\s", "", text)


def _connections(text: str) -> dict[str, str] | None:
    """Net key of each connected pin, None if the text is not a list of named connections."""
    pins = {}
    position = 0
    while position < len(text.rstrip()):
        match = _CONNECTION.match(text, position)
        if match is None:
            return None
        if match[2]:
            pins[match[1].strip()] = _bit(match[2])
        position = match.end()
    return pins
