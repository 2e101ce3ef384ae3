"""Technologies: what a unit is mapped to, by which flow, and what is counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from macwright.costmodel.cache import content_key
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.hw.errors import RefusedInput

__all__ = ["Figures", "Technology"]

Figures = dict[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Something that a unit can be mapped to.

    A technology can be pickled, so that a unit can be characterised in another process.

    Parameters
    ----------
    record : TechnologyRecord
        Name, kind, unit of areas, node and whatever else is known of it.
    synthesis : str
        Yosys commands from the design as read to the mapped netlist; ``{top}`` is the module and
        ``{lib0}``, ``{lib1}``, … are the libraries.
    size : callable or None
        ``size(netlist, top)`` gives `area` alone, more quickly; None for `measure`.
    dsp_synthesis : str
        The same with hard multipliers, or empty where the technology has none.
    endings : mapping of str to str
        Commands by name that finish the synthesis, each in its own way; the smallest result is
        kept. None for a synthesis that is finished already.
    measure : callable
        ``measure(netlist, top)`` gives the figures of a mapped netlist, by column.
    files : mapping of str to str
        Files that the commands read, besides the unit.
    libraries : tuple of (str, str)
        Name and SHA-256 of each (uncompressed) library file.
    library_texts : callable or None
        ``library_texts()`` gives what the commands read as ``{lib0}``, ``{lib1}``, …: the cells
        of each library file that units may be mapped to, made where it is needed.
    notes : tuple of str
        What a user should know of the libraries, such as cells that are left out.
    energy : callable or None
        ``energy(netlist, spec, operands)`` gives the figures that depend on the operands, named
        or recorded; None where the technology has no energies.
    activity : callable or None
        The same, of a figure that only compares: an index in place of an energy.
    activity_code : tuple of str
        Names of the modules that `activity` depends on.
    curve : mapping of str to str
        Further endings, for speed rather than for area.
    simulable : callable or None
        ``simulable(netlist, top)`` gives the mapped netlist to be simulated; None where cells have
        no functions.
    wires : str
        Where the wires that periods count come from: "placed", "formula", "liberty" or "none".
    assumptions : str
        What the figures take for granted, for the record of the flow.
    code : str
        Hash of the code that `measure` uses.

    Examples
    --------
    >>> from macwright.costmodel.technology.catalogue import find_technology
    >>> technology = find_technology("ice40")
    >>> technology.name, technology.area_unit, technology.mappable
    ('ice40', 'luts', True)
    """

    record: TechnologyRecord
    synthesis: str
    measure: Callable[[Mapping[str, Any], str], Figures]
    size: Callable[[Mapping[str, Any], str], float] | None = None
    dsp_synthesis: str = ""
    endings: Mapping[str, str] = field(default_factory=dict)
    curve: Mapping[str, str] = field(default_factory=dict)
    simulable: Callable[[Mapping[str, Any], str], Any] | None = None
    wires: str = "none"
    files: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[tuple[str, str], ...] = ()
    library_texts: Callable[[], Sequence[str]] | None = None
    notes: tuple[str, ...] = ()
    energy: Callable[[Mapping[str, Any], Any, Any], Mapping[str, float | str]] | None = None
    activity: Callable[[Mapping[str, Any], Any, Any], Mapping[str, float | str]] | None = None
    activity_code: tuple[str, ...] = ()
    assumptions: str = ""
    code: str = ""

    @property
    def name(self) -> str:
        """Such as ``"ecp5"``."""
        return self.record.name

    @property
    def area_unit(self) -> str:
        """What `area` counts, such as ``"luts"``."""
        return self.record.area_unit

    @property
    def mappable(self) -> bool:
        """Whether units can be mapped to it: not where only shipped rows are known."""
        return bool(self.synthesis or self.endings)

    def flow(self, *, dsp: bool) -> str:
        """Yosys commands for a unit, with or without hard multipliers.

        Raises
        ------
        ValueError
            If hard multipliers are asked for and there are none.
        """
        if dsp and not self.dsp_synthesis:
            raise RefusedInput(
                f"Technology with DSP blocks must be one of ecp5, ice40 or xc7, not {self.name!r}"
            )
        return self.dsp_synthesis if dsp else self.synthesis

    def script(
        self, top: str, *, dsp: bool, curve: bool = False, only: Sequence[str] | None = None
    ) -> tuple[str, dict[str, str]]:
        """Yosys script for a unit in ``unit.v``, and the netlist file that each ending writes.

        With `curve` also the endings for speed; with `only` no others than these.
        """
        endings = {**self.endings, **(self.curve if curve else {})}
        if only is not None:
            endings = {name: text for name, text in endings.items() if name in only}
        places = {f"lib{n}": f"lib{n}.lib" for n in range(len(self.libraries))}
        lines = ["read_verilog unit.v", self.flow(dsp=dsp).format(top=top, **places)]
        if not endings:
            return "\n".join([*lines, "write_json netlist.json\n"]), {"": "netlist.json"}
        lines.append("design -save begun")
        for name, commands in endings.items():
            lines += ["design -load begun", commands.format(top=top, **places)]
            lines.append(f"write_json {name}.json")
        return "\n".join([*lines, ""]), {name: f"{name}.json" for name in endings}

    def texts(self) -> dict[str, str]:
        """Text of each file that the script reads, besides the unit, by the name it has there."""
        libraries = self.library_texts() if self.library_texts else ()
        return {**self.files, **{f"lib{n}.lib": text for n, text in enumerate(libraries)}}

    def key(self, *, dsp: bool) -> str:
        """Hash of all that the flow depends on but the unit and the tools."""
        more = {"assumptions": self.assumptions, "code": self.code}
        return content_key(
            **{name: text for name, text in more.items() if text},
            name=self.name,
            commands=self.flow(dsp=dsp),
            endings=list(self.endings.items()),
            files=dict(self.files),
            libraries=[sha for _, sha in self.libraries],
        )

    def describe(self, *, dsp: bool, ending: str = "") -> str:
        """The flow as one line, for the record: all that it depends on but the tools.

        Parameters
        ----------
        dsp : bool
            Whether hard multipliers may be used.
        ending : str
            Which of the endings made the netlist.
        """
        parts = [self.flow(dsp=dsp)]
        if ending in self.curve:
            parts.append(f"{ending}: {self.curve[ending]}")
        elif self.endings:
            parts.append(f"smallest of {', '.join(self.endings)}: {self.endings.get(ending, '')}")
        text = "\n".join(parts).replace(" -top {top}", "")
        for name, script in self.files.items():
            if name.endswith(".abc"):
                steps = f"-script '{'; '.join(script.split(chr(10))).strip('; ')}'"
                text = text.replace(f"-script {name}", steps)
        for n, (name, sha) in enumerate(self.libraries):
            text = text.replace(f'"{{lib{n}}}"', f"{name}@{sha[:12]}")
        text += f"\n{self.assumptions}"
        return "; ".join(line for line in text.split("\n") if line)
