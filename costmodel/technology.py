"""Technologies: what a unit is mapped to, by which flow, and what is counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Technology", "find_technology", "technology_names"]


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Something that a unit can be mapped to.

    Parameters
    ----------
    name : str
        Such as ``"ecp5"``.
    area_unit : str
        What `area` counts, such as ``"luts"``.
    synthesis : str
        Yosys commands from the design as read to the mapped netlist; ``{top}`` is the module.
    dsp_synthesis : str
        The same with hard multipliers, or empty where the technology has none.
    measure : callable
        ``measure(netlist, top)`` gives the figures of a mapped netlist, by column.
    files : mapping of str to str
        Files that the commands read, besides the unit.

    Notes
    -----
    A technology can be pickled, so that a unit can be characterised in another process.
    """

    name: str
    area_unit: str
    synthesis: str
    dsp_synthesis: str
    measure: Callable[[Mapping[str, Any], str], dict[str, float | int | None]]
    files: Mapping[str, str]

    def flow(self, *, dsp: bool) -> str:
        """Yosys commands for a unit, with or without hard multipliers.

        Raises
        ------
        ValueError
            If hard multipliers are asked for and there are none.
        """
        if dsp and not self.dsp_synthesis:
            raise ValueError(
                f"Technology with DSP blocks must be one of ecp5, ice40 or xc7, not {self.name!r}"
            )
        return self.dsp_synthesis if dsp else self.synthesis

    def describe(self, *, dsp: bool) -> str:
        """The flow as one line, for the record: all that it depends on but the tools."""
        commands = self.flow(dsp=dsp).replace(" -top {top}", "").split("\n")
        for name, text in self.files.items():
            if name.endswith(".abc"):
                steps = f"-script '{'; '.join(text.split(chr(10))).strip('; ')}'"
                commands = [line.replace(f"-script {name}", steps) for line in commands]
        return "; ".join(line for line in commands if line)


def technology_names() -> tuple[str, ...]:
    """Names of all technologies that need no other file."""
    return tuple(_all())


def find_technology(name: str) -> Technology:
    """Technology of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = _all().get(name)
    if found is None:
        raise ValueError(f"Technology must be one of {', '.join(_all())}, not {name!r}")
    return found


def _all() -> dict[str, Technology]:
    from macwright.costmodel.flow_fpga import ECP5, ICE40, XC7
    from macwright.costmodel.flow_gates import GATES

    return {t.name: t for t in (GATES, ECP5, ICE40, XC7)}
