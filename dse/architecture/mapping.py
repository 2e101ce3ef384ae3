"""Which unit computes which formats, and in which of its modes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from macwright.hw.formats import Format, IntFormat, parse_format
from macwright.hw.pe.operating_mode import OperatingMode

__all__ = ["NO_FORMATS", "NO_MODE", "placements", "runs_on", "unsigned"]

#: Label `mode` of a unit that has but one.
NO_MODE = "-"
#: Label `formats` of a stage that has none to choose.
NO_FORMATS = "-"


def runs_on(pair: tuple[str, str], unit: tuple[str, str]) -> bool:
    """Whether a unit for one pair of formats computes another pair exactly.

    A narrower integer is extended; an unsigned one needs one bit more in a signed operand. Other
    formats run on their own unit only.

    Examples
    --------
    >>> runs_on(("int4", "uint4"), ("int8", "int5")), runs_on(("int4", "uint4"), ("int4", "int4"))
    (True, False)
    """
    return all(_holds(parse_format(a), parse_format(b)) for a, b in zip(unit, pair, strict=True))


def _holds(wide: Format, narrow: Format) -> bool:
    if wide == narrow:
        return True
    if not (isinstance(wide, IntFormat) and isinstance(narrow, IntFormat)):
        return False
    return bool(wide.min <= narrow.min and wide.max >= narrow.max)


def unsigned(activation: str) -> str:
    """The unsigned integer of the width of a signed one; other formats as they are.

    A machine of one array keeps codes as levels above the least one, so that its units take both.

    Examples
    --------
    >>> unsigned("int8"), unsigned("uint4"), unsigned("e4m3fn")
    ('uint8', 'uint4', 'e4m3fn')
    """
    fmt = parse_format(activation)
    if not (isinstance(fmt, IntFormat) and fmt.signed) or fmt.symmetric:
        return activation
    return str(IntFormat(fmt.width, signed=False))


def placements(
    options: pd.DataFrame,
    units: Sequence[Sequence[OperatingMode]],
    terms: Mapping[str, int],
    *,
    sign_free: bool = False,
) -> list[tuple[dict[str, Any], OperatingMode]]:
    """Each option on each unit that computes it.

    Parameters
    ----------
    options : DataFrame
        Columns ``layer, option, weight, activation, loss, bops, weight_bytes``.
    units : sequence of sequences of OperatingMode
        Modes of each unit, the widest first.
    terms : mapping from str to int
        Products of a sum of each layer.
    sign_free : bool
        Whether plain units of unsigned activations take signed ones, too: see :func:`unsigned`.

    Returns
    -------
    list of (dict, OperatingMode)
        A row of the table of options, with the labels `formats`, `unit` and `mode`, and the mode.
    """
    rows = options.to_dict("records")
    pairs = {(row["weight"], row["activation"]) for row in rows}
    able = {
        pair: [mode for unit in units if (mode := _fastest(pair, unit, sign_free))]
        for pair in pairs
    }
    return [
        (
            {
                "layer": row["layer"],
                "option": _name(pair, mode),
                "formats": "/".join(pair),
                "unit": mode.name,
                "mode": mode.label or NO_MODE,
                **{name: row[name] for name in ("loss", "bops", "weight_bytes")},
            },
            mode,
        )
        for row in rows
        for pair in [(row["weight"], row["activation"])]
        for mode in able[pair]
        if _holds_sum(mode, terms[row["layer"]])
    ]


def _fastest(
    pair: tuple[str, str], modes: Sequence[OperatingMode], sign_free: bool
) -> OperatingMode | None:
    """Mode of most products a cycle in which a unit computes a pair of formats, if any."""
    if sign_free and modes[0].spec.family == "int_mac":
        pair = pair[0], unsigned(pair[1])
    able = [m for m in modes if runs_on(pair, (str(m.weight), str(m.act)))]
    return able[-1] if able else None


def _holds_sum(mode: OperatingMode, terms: int) -> bool:
    """Whether the accumulator holds a sum; those of units of one mode are made for the layers."""
    return not mode.label or bool(mode.spec.safe_terms >= -(-terms // mode.lanes))


def _name(pair: tuple[str, str], mode: OperatingMode) -> str:
    name, unit = "/".join(pair), f"{mode.weight}/{mode.act}"
    if mode.label:
        return f"{name} on {mode.name} {mode.label}"
    return name if name == unit else f"{name} on {unit}"
