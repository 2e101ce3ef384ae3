"""What a unit does, in words: from the documentation of its hardware, with the unit's own values.

The class that builds a unit says in its docstring what the unit computes, its latency, rounding
and special values, and under "Members" what each port means. Manifests and headers of Verilog say
the same of one unit.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import wiring

from macwright.hw.formats import FloatFormat
from macwright.hw.pe.spec import UnitSpec

__all__ = ["Datasheet", "Port", "comment", "datasheet", "port_lines", "verilog_header"]

#: Ports of the clock domain, which no member stands for.
_DOMAIN = {
    "clk": "Clock, rising edge.",
    "rst": "Synchronous reset, active high.",
}
#: Values that say something of integer and fixed-point accumulators alone.
_FIXED_ONLY = ("acc_exponent", "safe_terms")
_CLASS = re.compile(r":class:`~?([\w.]+)`")
#: Where a docstring leaves reset and pipeline to another one.
_RESET = re.compile(r"Reset and pipeline: see :class:`~?([\w.]+)`\.")
_WIDTH = 96


@dataclass(frozen=True)
class Port:
    """Port of a unit; `signed` is whether its bits are a number in two's complement."""

    name: str
    direction: str
    width: int
    signed: bool
    meaning: str


@dataclass(frozen=True)
class Datasheet:
    """What a unit is.

    Parameters
    ----------
    function : str
        What it computes, in a line.
    notes : tuple of str
        Paragraphs on latency, overflow, rounding, special values, reset and modes.
    values : mapping
        Of every field of the spec, and of all that the paragraphs name.
    ports : tuple of Port
        Those of the clock domain first.
    """

    function: str
    notes: tuple[str, ...]
    values: Mapping[str, Any]
    ports: tuple[Port, ...]


@lru_cache(maxsize=512)
def datasheet(spec: Any) -> Datasheet:
    """Datasheet of a unit.

    Parameters
    ----------
    spec : UnitSpec
        Of any family.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> sheet = datasheet(IntMacSpec())
    >>> sheet.function
    "Multiply-accumulate: acc <= (0 if clear else acc) + a * w, two's complement."
    >>> sheet.ports[0].name, sheet.ports[-1].meaning, sheet.values["safe_terms"]
    ('clk', 'Accumulator, registered.', 131071)
    """
    component = spec.create()
    # Amaranth warns of components that nobody elaborates; this one was made for its ports.
    component._MustUse__used = True
    kind = type(component)
    head, *body = _paragraphs(kind)
    text = "\n".join([head, *body])
    values = {**spec.to_fields(), "latency": spec.latency, "macs_per_cycle": spec.macs_per_cycle}
    quoted = " ".join(re.findall(r"`([^`]+)`", text)).replace("spec.", "")
    # Float accumulators have no unit and do not wrap.
    skipped = _FIXED_ONLY if isinstance(spec.acc, FloatFormat) else ()
    for name in dict.fromkeys(re.findall(r"(?<!\.)\b[a-z_]\w*", quoted)):
        value = getattr(spec, name, None)
        if name not in (*values, *skipped) and isinstance(value, int | dict):
            values[name] = value
    return Datasheet(
        function=_plain(head),
        notes=tuple(_plain(part) for part in body),
        values=values,
        ports=tuple(_ports(spec, component, _members(kind))),
    )


def verilog_header(spec: UnitSpec) -> str:
    """Comment that stands above the Verilog of a unit: lines that begin with ``//``."""
    sheet = datasheet(spec)
    values = ", ".join(f"{k}={_value(v)}" for k, v in sheet.values.items())
    lines = [*port_lines(sheet.ports), "", "Instance:", f"  {spec.name} unit ("]
    connections = [f"    .{p.name}({p.name})" for p in sheet.ports]
    lines += [*(f"{line}," for line in connections[:-1]), connections[-1], "  );", ""]
    lines += [f"macwright {version('macwright')}: macwright generate {spec.name}"]
    return comment([spec.name, sheet.function, *sheet.notes, values], lines)


def port_lines(ports: Sequence[Port]) -> list[str]:
    """Table of ports, for a comment."""
    lines = ["Ports:"]
    rows = [(p.name, f"{p.direction} {_bits(p)}", p.meaning) for p in ports]
    names, kinds = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, kind, meaning in rows:
        first = f"  {name:{names}}  {kind:{kinds}}  "
        lines += textwrap.wrap(
            meaning, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)
        ) or [first]
    return lines


def comment(paragraphs: Sequence[str], lines: Sequence[str]) -> str:
    """Comment of paragraphs, which are wrapped, and lines, which stay as they are."""
    wrapped = [line for part in paragraphs for line in (*_wrapped(part), "")]
    return "".join(f"// {line}".rstrip() + "\n" for line in (*wrapped, *lines))


def _bits(port: Port) -> str:
    plural = "" if port.width == 1 else "s"
    return f"{port.width} bit{plural}{' signed' if port.signed else ''}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(part)}" for name, part in value.items()).join("{}")
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:.6g}"
        if isinstance(value, float)
        else str(value)
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _ports(spec: UnitSpec, component: Any, members: Mapping[str, str]) -> Iterator[Port]:
    for name in ("clk", "rst") if spec.rst else ("clk",):
        yield Port(name, "input", 1, False, _DOMAIN[name])
    for name, member in component.signature.members.items():
        shape = Shape.cast(member.shape)
        direction = "input" if member.flow == wiring.In else "output"
        yield Port(name, direction, shape.width, shape.signed, members.get(name, ""))


def _sections(kind: type) -> dict[str, list[str]]:
    """Lines of a class's docstring by the name of their section, what is before by ""."""
    lines = inspect.cleandoc(kind.__doc__ or "").splitlines()
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"}:
            name = line
            sections[name] = []
        elif not (line and set(line) == {"-"}):
            sections[name].append(line)
    return sections


def _paragraphs(kind: type) -> list[str]:
    """Paragraphs of a class's docstring before its sections, each one line."""
    parts = "\n".join(_sections(kind)[""]).strip().split("\n\n")
    return [_RESET.sub(_reset_words, " ".join(part.split())) for part in parts]


def _reset_words(match: re.Match[str]) -> str:
    """What the docstring of a class says of reset, to the end of its paragraph."""
    for part in _paragraphs(_class(match[1])):
        place = part.find("`rst` sets")
        if place >= 0:
            return part[place:]
    return match[0]


def _members(kind: type) -> dict[str, str]:
    """Meaning of each port by its name, those of other classes that are referred to resolved."""
    meanings: dict[str, str] = {}
    names: Sequence[str] = ()
    for line in _sections(kind).get("Members", []):
        if line and not line.startswith(" "):
            left, _, right = line.partition(" : ")
            names = [name.strip() for name in left.split(",")]
            other = _CLASS.search(right) if right.startswith("see ") else None
            if other is not None:
                known = _members(_class(other[1]))
                meanings |= {name: known[name] for name in names if name in known}
                names = ()
        else:
            for name in names:
                meanings[name] = f"{meanings.get(name, '')} {_plain(line.strip())}".strip()
    return meanings


def _class(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _plain(text: str) -> str:
    """Text without the marks of its documentation."""
    text = re.sub(r":[\w:]+:`~?([^`]*)`", r"\1", text).replace("`", "")
    return re.sub(r"\bspec\.(?=\w)", "", text)
