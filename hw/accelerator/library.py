"""Verilog of a machine in parts: a module is written once, and instantiated by name."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Instance, ResetSignal
from amaranth.lib import wiring

from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import part_rtlil, parts_verilog, unit_verilog

__all__ = ["Library", "Part", "Style", "Unit", "automatic", "module_names"]

#: What constants become, by their words and the bits of each.
Style = Callable[[int, int], str]


def automatic(words: int, width: int) -> str:
    """Leave constants to the synthesiser."""
    return "auto"


@dataclass
class Library:
    """Amaranth platform that collects modules instead of writing each place they are used anew.

    Passed to `elaborate`, it turns :class:`Part` and :class:`Unit` into instances; without it they
    are elaborated in place, so that Amaranth's own simulator runs them.

    Parameters
    ----------
    name : str
        Of the machine: the names of its memories start so.
    style : callable, optional
        What a synthesiser is to make of constants, by their words and the bits of each: ``"block"``
        RAM, ``"logic"``, or as it likes (``"auto"``).

    Attributes
    ----------
    modules : dict
        Verilog text of each module, by its name, those before others that instantiate them.
    images : dict
        Content of each memory, as text that ``$readmemh`` reads, by the name of its file.
    targets : set
        Targets of the units, for the models of the cells that they instantiate.
    """

    name: str
    style: Style = automatic
    modules: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    targets: set[str] = field(default_factory=set)
    _parts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, name: str, component: Any, header: str) -> None:
        """Take in a component as a module of its own, under a comment that says what it is.

        Raises
        ------
        ValueError
            If another module has that name.
        """
        if name in self._parts:
            raise RefusedInput(f"Name of a module must be used once, not again for {name!r}")
        text = part_rtlil(component, name=name, platform=self)
        self._parts[name] = text, "".join(f"// {line}\n" for line in header.splitlines())

    def finish(self) -> None:
        """Write the Verilog of all that was taken in."""
        texts = parts_verilog({name: text for name, (text, _) in self._parts.items()})
        for name, (_, comment) in self._parts.items():
            self.modules[name] = comment + texts[name].lstrip("\n")
        self._parts.clear()

    def add_unit(self, spec: UnitSpec) -> None:
        """Write a unit, if it is not there."""
        if spec.target != "generic":
            self.targets.add(spec.target)
        self.modules.setdefault(spec.name, unit_verilog(spec))


def _instance(name: str, component: wiring.Component, *, rst: bool) -> Instance:
    """Instance of a module, each port connected to the component's signal of that name."""
    ports: dict[str, Any] = {"i_clk": ClockSignal()}
    ports |= {"i_rst": ResetSignal()} if rst else {}
    for path, member, value in component.signature.flatten(component):
        side = "i" if member.flow == wiring.In else "o"
        ports[f"{side}_{'__'.join(map(str, path))}"] = value
    return Instance(name, **ports)


class Part(Elaboratable):
    """A component that is a module of its own in the Verilog.

    Its ports are those of the component, which the surrounding module connects.

    Parameters
    ----------
    component : wiring.Component
        Component with a clock, a reset, or neither.
    name : str
        Name of the module.
    header : str
        What it is, for the comment above it.
    """

    def __init__(self, component: Any, *, name: str, header: str) -> None:
        if not re.fullmatch(r"[a-z]\w*", name):
            raise RefusedInput(
                f"Name of a module must be a small letter and word characters, not {name!r}"
            )
        self.component, self.name, self.header = component, name, header

    def elaborate(self, platform: object) -> Any:
        if not isinstance(platform, Library):
            return self.component
        platform.add(self.name, self.component, self.header)
        return _instance(self.name, self.component, rst=True)


class Unit(Elaboratable):
    """A unit of :mod:`macwright.hw.pe`: in the Verilog one module, however often it is used.

    Parameters
    ----------
    spec : UnitSpec
        Unit; its ports are those of `component`.
    """

    def __init__(self, spec: Any) -> None:
        self.spec, self.component = spec, spec.create()

    def elaborate(self, platform: object) -> Any:
        if not isinstance(platform, Library):
            return self.component
        # Amaranth warns of components that nobody elaborates; this one lends its ports.
        self.component._MustUse__used = True
        platform.add_unit(self.spec)
        return _instance(self.spec.name, self.component, rst=self.spec.rst)


def module_names(names: Sequence[str], *, taken: str) -> dict[str, str]:
    """Names as modules can have them, all different and not one that is taken."""
    result: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "stage"
        plain = plain if plain[0].isalpha() else f"s{plain}"
        number, unique = 1, plain
        while unique in result.values() or unique == taken:
            number += 1
            unique = f"{plain}_{number}"
        result[name] = unique
    return result
