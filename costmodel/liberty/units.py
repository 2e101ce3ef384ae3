"""Units and operating point that a Liberty library states."""

import re
from dataclasses import dataclass

from macwright.costmodel.liberty.syntax import Group, Source, plain

__all__ = ["Units", "check_scaling", "library_temperature", "library_units", "library_voltage"]

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
_NUMBER = r"([\d.]+(?:e[+-]?\d+)?)\s*"


@dataclass(frozen=True)
class Units:
    """One unit of each of the library's quantities.

    Parameters
    ----------
    time_ns, load_ff, volt, energy_fj : float
        In ns, fF, V and fJ; energy is capacitance times volt squared, as Liberty has it.
    leakage_nw : float or None
        In nW; None if the library does not say.
    """

    time_ns: float
    load_ff: float
    volt: float
    leakage_nw: float | None

    @property
    def energy_fj(self) -> float:
        """Unit of internal energies."""
        return self.load_ff * self.volt * self.volt


def library_units(source: Source, library: Group) -> Units:
    """Units of a library; those of time and voltage are 1 ns and 1 V by Liberty's own default."""
    time = _unit(source, library, "time_unit", "s", 1e-9)
    volt = _unit(source, library, "voltage_unit", "v", 1.0)
    watt = _unit(source, library, "leakage_power_unit", "w", None)
    farad = _unit(source, library, "capacitive_load_unit", "f", None)
    if farad is None:
        source.fail(library.position, "the library must state capacitive_load_unit, as (1, ff)")
    assert time is not None  # for the type checker: these have defaults
    assert volt is not None
    # Of powers of ten, the ratio of two roundings is not always the nearest number.
    leakage = None if watt is None else float(f"{watt / 1e-9:.12g}")
    return Units(float(f"{time / 1e-9:.12g}"), float(f"{farad / 1e-15:.12g}"), volt, leakage)


def _unit(
    source: Source, library: Group, attribute: str, symbol: str, default: float | None
) -> float | None:
    """Value in SI of a unit such as `"1ns"`, `(1, pf)` or `("1", "ff")`."""
    text = library.attributes.get(attribute)
    if text is None:
        return default
    words = {"s": "s(?:ec)?", "v": "v(?:olts?)?", "w": "w(?:atts?)?", "f": "f(?:arads?)?"}[symbol]
    match = re.fullmatch(rf"{_NUMBER}([munpfa]?){words}", plain(text).lower())
    try:
        value = float(match[1]) if match else 0.0
    except ValueError:
        value = 0.0
    if match is None or not 0 < value < float("inf"):
        like = "(1, ff)" if symbol == "f" else f"1n{symbol if symbol == 's' else symbol.upper()}"
        source.fail(library.position, f"{attribute} must be like {like}, not {text[:60]!r}")
    return value * _PREFIX[match[2]]


def library_voltage(source: Source, library: Group, volt: float) -> float:
    """Supply, V: of the default operating conditions, nominal, or the one that is stated."""
    conditions = [
        group for group in library.all("operating_conditions") if "voltage" in group.attributes
    ]
    default = plain(library.attributes.get("default_operating_conditions", ""))
    for group in conditions:
        if group.name == default:
            return group.number(source, "voltage", 0.0) * volt
    if "nom_voltage" in library.attributes:
        return library.number(source, "nom_voltage", 0.0) * volt
    supplies = {group.number(source, "voltage", 0.0) for group in conditions}
    if not supplies:
        # Of the rails, what is not ground.
        supplies = {_rail(source, library, text) for _, text in _rails(library)} - {0.0}
    if len(supplies) != 1:
        source.fail(
            library.position,
            "the library must state nom_voltage, or one supply in operating_conditions or "
            f"voltage_map, not {len(supplies)}",
        )
    return supplies.pop() * volt


def library_temperature(source: Source, library: Group) -> float | None:
    """Temperature of the default operating conditions, else the nominal one, degrees Celsius."""
    default = plain(library.attributes.get("default_operating_conditions", ""))
    for group in library.all("operating_conditions"):
        if group.name == default and "temperature" in group.attributes:
            return group.number(source, "temperature", 0.0)
    if "nom_temperature" not in library.attributes:
        return None
    return library.number(source, "nom_temperature", 0.0)


def check_scaling(source: Source, library: Group) -> None:
    """Refuse figures that factors scale from the nominal to the default operating conditions."""
    default = plain(library.attributes.get("default_operating_conditions", ""))
    group = next((x for x in library.all("operating_conditions") if x.name == default), None)
    if group is None:
        return
    for short, name, usual in (("volt", "voltage", None), ("temp", "temperature", None),
                               ("process", "process", 1.0)):  # fmt: skip
        nominal = f"nom_{name}"
        if name not in group.attributes or (usual is None and nominal not in library.attributes):
            continue
        given = group.number(source, name, 0.0)
        first = library.number(source, nominal, usual or 0.0)
        factor = next(
            (
                key
                for stated in (library, *library.all("scaling_factors"))
                for key in stated.attributes
                if key.startswith(f"k_{short}_") and stated.number(source, key, 0.0)
            ),
            None,
        )
        if factor and given != first:
            source.fail(
                library.position,
                f"the figures must be those of the default operating conditions ({name} "
                f"{given:g}), not of {nominal} {first:g} and scaled by {factor}; take the file of "
                "that corner",
            )


def _rails(library: Group) -> list[tuple[str, str]]:
    return [pair for pair in library.repeated if pair[0] == "voltage_map"]


def _rail(source: Source, library: Group, text: str) -> float:
    try:
        return float(text.split()[1])
    except (IndexError, ValueError):
        source.fail(library.position, f"voltage_map must be like (VDD, 1.1), not ({text[:60]})")
