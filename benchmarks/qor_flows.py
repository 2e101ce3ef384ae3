"""Technologies of `qor.py`, each with the flows of which the smallest result counts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from macwright.costmodel.technology.catalogue import RECORDS, find_technology
from macwright.costmodel.technology.fpga import RELAXED
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.costmodel.technology.technology import Technology

__all__ = ["TECHNOLOGIES", "flows", "technologies"]

LIBERTY = {
    "nangate45": "nangate45*.lib*",
    "asap7": "asap7/*.lib*",
    "sky130hd": "sky130hd*.lib*",
    "ihp130": "ihp130*.lib*",
}
TECHNOLOGIES = tuple(RECORDS)


def technologies(names: Sequence[str], pdk: Path | None) -> dict[str, Technology]:
    """Those that can be had, by name; cell libraries come from the folder `pdk`."""
    found = {}
    for name in names:
        if name not in LIBERTY:
            found[name] = find_technology(name)
        elif pdk is not None:
            found[name] = liberty_technology(sorted(pdk.glob(LIBERTY[name])), name=name)
    return found


def flows(technology: Technology, *, fast: bool, dsp: bool) -> list[Technology]:
    """The flows of a technology; with `fast` each script by itself, those for speed as well."""
    if technology.record.kind == "fpga" and not dsp:
        return [technology, replace(technology, synthesis=RELAXED + technology.synthesis)]
    if not fast:
        return [technology]
    endings = {**technology.endings, **technology.curve}
    return [replace(technology, endings={name: text}) for name, text in endings.items()]
