"""Units by the names that tables, files and messages show."""

import re
from typing import Any

from macwright.hw.arith.target import TARGETS
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import FAMILIES, UnitSpec, spec_from_fields

__all__ = ["unit_of_name"]

_W = r"[a-z0-9]+"
#: What names of each family have between the family and what all families have: the same fields as
#: :meth:`macwright.hw.pe.UnitSpec.name` of the family writes, by name.
_PARTS = {
    "int_mac": rf"(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})",
    "packed_mac": rf"(?P<products>\d+)_(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})",
    "minifloat_mac": rf"(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})(_drop(?P<drop>\d+))?",
    "dot": rf"(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})(_window(?P<window>\d+))?"
    r"(_sums(?P<sums>\d+))?",
    "bitplane_dot": rf"(?P<lanes>\d+)_(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})",
    "shift_add_mac": rf"(?P<act>{_W})_(?P<weight>{_W})_g(?P<group>\d+)_(?P<acc>{_W})_"
    rf"((?P<bare>bare)|(?P<scale>{_W})_(?P<zero>{_W})_(?P<total>{_W}))",
    "composable_mac": r"(?P<variant>sum_together|fusion)_"
    rf"(?P<act>{_W})_(?P<leaf>\d+)_(?P<acc>{_W})",
    "serial_mac": rf"(?P<lanes>\d+)_(?P<act>{_W})_(?P<weight>{_W})_s(?P<step>\d+)_(?P<acc>{_W})",
    "hadamard": rf"(?P<points>\d+)_(?P<act>{_W})_{_W}",
    "requant": rf"(?P<act>{_W})_(?P<weight>{_W})_(?P<acc>{_W})_(?P<rounding>[a-z_]+?)"
    r"(?P<bias>_bias)?(?P<zero>_zero)?(_sh(?P<shift_bits>\d+))?",
}
_FLAGS = {"requant": ("bias", "zero")}


def unit_of_name(name: str) -> UnitSpec:
    """Spec of the unit of a name; the inverse of ``spec.name``.

    Parameters
    ----------
    name : str
        Such as those of cost tables, allocations and manifests.

    Raises
    ------
    RefusedInput
        If no unit has that name.

    Examples
    --------
    >>> spec = unit_of_name("minifloat_mac_uint8_e2m3fn_fixed27_array")
    >>> spec.family, str(spec.weight), spec.multiplier
    ('minifloat_mac', 'e2m3fn', 'array')
    """
    reason = f"Unit must be one of {', '.join(FAMILIES)}, or the name of a unit, not {name!r}"
    for family in FAMILIES:
        lanes = re.match(r"dot(\d+)(?:x(\d+))?_", name) if family == "dot" else None
        if lanes is None and not name.startswith(f"{family}_"):
            continue
        if family not in _PARTS:
            reason = (
                f"Unit {name!r} must be given as {family} with its fields, because names of that "
                "family cannot be read"
            )
            continue
        rest = name[lanes.end() :] if lanes else name[len(family) + 1 :]
        for fields in _readings(family, rest):
            if lanes:
                fields |= {"lanes": lanes[1], "groups": lanes[2] or "1"}
            try:
                spec = spec_from_fields(family, fields)
            except RefusedInput as error:
                reason = f"Unit {name!r} must be one that can be made: {error}"
                continue
            if spec.name == name:
                return spec
    raise RefusedInput(reason)


def _readings(family: str, text: str) -> list[dict[str, Any]]:
    """Fields that a name without its family may stand for."""
    adders = r"(_(?P<adder>[a-z_]+?))??" if "adder" in FAMILIES[family].parsers else ""
    cut = r"(_(?P<cut>product))?" if "cut" in FAMILIES[family].parsers else ""
    common = (
        r"(_(?P<multiplier>infer|baugh_wooley|booth4|rows|array|heap))?"
        r"(?P<en>_en)?(?P<rst>_rst)?(_p(?P<pipeline>\d+))?"
        rf"{cut}"
        rf"(_(?P<target>{'|'.join(TARGETS)}))?"
    )
    match = re.fullmatch(_PARTS[family] + adders + common, text)
    if match is None:
        return []
    fields: dict[str, Any] = {k: v for k, v in match.groupdict().items() if v is not None}
    for flag in ("en", "rst", *_FLAGS.get(family, ())):
        fields[flag] = flag in fields
    if fields.pop("bare", None):
        fields["scale"] = "none"
    if family == "composable_mac":
        fields["weight"] = fields["act"]
    return [fields]
