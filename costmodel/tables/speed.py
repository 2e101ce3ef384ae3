"""How fast a unit is by the shipped tables, and which options make it faster, in a sentence."""

from dataclasses import replace
from typing import Any

from macwright.costmodel.tables.lookup import is_current, load_table
from macwright.costmodel.tables.points import current_points, load_points
from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.costmodel.technology.catalogue import (
    CELL_CLOCKS_MHZ,
    RECORDS,
    find_technology,
)
from macwright.hw.errors import MacwrightError
from macwright.hw.pe.spec import FINAL_ADDERS, UnitSpec

__all__ = ["slow_text", "speed_text"]

#: Share of a period by which a faster point must be so to be worth a word.
_WORTH = 0.05


def speed_text(spec: UnitSpec, technology: str) -> str:
    """Period of a unit where a shipped row knows it, and what has a shorter one.

    Parameters
    ----------
    spec : UnitSpec
        As it is built.
    technology : str
        Such as ``"ecp5"``.

    Returns
    -------
    str
        A sentence; empty where no row that is current knows the unit's speed. Periods of points
        count from registered operands; delays of cost rows, which have none, from the operands.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> speed_text(IntMacSpec(), "gates")  # which knows no times
    ''
    """
    return _by_points(spec, technology) or _by_row(spec, technology)


def slow_text(spec: UnitSpec, period_ns: float, technology: str) -> str:
    """What is wrong with the speed of a slow unit, and which options make it faster.

    Parameters
    ----------
    spec : UnitSpec
        As it is built.
    period_ns : float
        The shortest period or delay that is known of it, in ns.
    technology : str
        Such as ``"ecp5"``.

    Returns
    -------
    str
        A sentence if the unit meets one at most of the clocks that a search in the technology
        chooses from; else nothing, as of a technology of no clocks.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> slow_text(IntMacSpec(), 30.0, "ecp5").split(";")[0]
    'meets 25 MHz alone of the clocks that searches in ecp5 try (25, 50, 100, 200 MHz)'
    >>> slow_text(IntMacSpec(), 3.0, "ecp5")
    ''
    """
    record = RECORDS.get(technology)
    clocks = CELL_CLOCKS_MHZ if record is None else record.clocks_mhz
    if sum(period_ns <= 1e3 / clock for clock in clocks) > 1 or not clocks:
        return ""
    slowest, tried = min(clocks), ", ".join(f"{clock:g}" for clock in clocks)
    met = f"meets {slowest:g} MHz alone" if period_ns <= 1e3 / slowest else "meets none"
    text = f"{met} of the clocks that searches in {technology} try ({tried} MHz)"
    options = " or ".join(_remedies(spec, placed=record is not None and record.kind == "fpga"))
    return f"{text}; {options} may make it faster" if options else text


def _by_points(spec: UnitSpec, technology: str) -> str:
    rows = load_points(technology).to_dict("records")
    for unit in dict.fromkeys(row["unit"] for row in rows if row["module"] == spec.name):
        if "@" in unit:
            continue
        current = current_points([unit_of_name(unit)], find_technology(technology)).get(unit, [])
        own = [row["period_ns"] for row in current if row["module"] == spec.name]
        if not own:
            continue
        fastest = min(current, key=lambda row: row["period_ns"])
        text = f"period {_period(min(own))} in {technology} by a shipped row"
        if fastest["period_ns"] > (1 - _WORTH) * min(own):
            return f"{text}, the shortest of its structures"
        options = " ".join(o for o in fastest["point"].split() if not o.startswith("map="))
        name = fastest["module"]
        if name == spec.name:
            return text
        return f"{text}; with {options} it is {_period(fastest['period_ns'])}: generate {name}"
    return ""


def _by_row(spec: UnitSpec, technology: str) -> str:
    rows = load_table(technology).to_dict("records")
    row = next((row for row in rows if row["unit"] == spec.name), None)
    if row is None or row["delay_ns"] != row["delay_ns"] or not is_current(row, spec):
        return ""
    text = f"delay {_period(row['delay_ns'])} in {technology} by a shipped row"
    options = " or ".join(_remedies(spec))
    return f"{text}; {options} may shorten it" if options else text


def _remedies(spec: UnitSpec, *, placed: bool = False) -> list[str]:
    """Options that cut the longest path, of those that the unit takes.

    A placed unit has its operands registered, so that its first stage cuts nothing; its adders are
    carry chains.
    """
    result = []
    stages = max(spec.pipeline + 1, 2 if placed else 1)
    if _takes(spec, pipeline=stages):
        result.append(f"--pipeline {stages}")
    adder = getattr(spec, "adder", None)
    if adder is not None and not placed:
        later = FINAL_ADDERS[FINAL_ADDERS.index(adder) + 1 :]
        result += [f"--set adder={name}" for name in later[-1:] if _takes(spec, adder=name)]
    return result


def _takes(spec: UnitSpec, **fields: Any) -> bool:
    try:
        replace(spec, **fields)  # type: ignore[type-var]
    except MacwrightError:
        return False
    return True


def _period(ns: float) -> str:
    return f"{ns:.3g} ns ({1e3 / ns:.3g} MHz)"
