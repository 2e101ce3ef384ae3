"""Units of the default search."""

from itertools import product
from typing import Any

from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.hw.errors import NotSupported, RefusedInput
from macwright.hw.formats import (
    ApotFormat,
    BinaryFormat,
    BlockFormat,
    FloatFormat,
    IntFormat,
    PotFormat,
    TernaryFormat,
    parse_format,
)
from macwright.hw.pe import spec_from_fields

__all__ = [
    "ACTIVATIONS",
    "SWITCHED",
    "WEIGHTS",
    "default_units",
    "fp8_units",
    "mac_spec",
    "switched_unit",
]

#: Weight formats of the default search.
WEIGHTS = (
    *("int2", "int3", "int4", "int5", "int6", "int8"),
    *("e2m1fn", "e3m2fn", "e2m3fn", "e4m3fin"),
)
#: Activation formats: unsigned integers where a layer's inputs are not negative, as after ReLU.
ACTIVATIONS = (
    *("uint4", "uint5", "uint6", "uint8", "int4", "int5", "int6", "int8"),
    *("e2m1fn", "e2m3fn", "e4m3fin"),
)


#: Units of the default search that have several modes: family, and the fields that differ from its
#: defaults.
SWITCHED = (
    "composable_mac",
    "composable_mac variant=fusion",
    "bitplane_dot",
    "serial_mac",
)


def mac_spec(*, act: str, weight: str, terms: int = 4096, technology: str | None = None) -> Any:
    """The MAC for two formats.

    ``int_mac`` if both are integers, ``minifloat_mac`` for minifloats and integers,
    ``shift_add_mac`` (without scales of groups) for weights that are powers of two: the
    accumulator is exact for `terms` products. ``dot`` if one has blocks (MX, NVFP4, block floating
    point): up to eight lanes, whose exact sum is scaled and added to an FP32 accumulator. The unit
    has neither enable nor reset.

    Parameters
    ----------
    act, weight : str
        Names of the formats.
    terms : int
        Products in the longest sum.
    technology : str or None
        Technology whose primitives the unit may use, if it gains from them; None for any.

    Raises
    ------
    NotSupported
        If no unit computes such products.

    Examples
    --------
    >>> mac_spec(act="int8", weight="int4").name, mac_spec(act="uint8", weight="pot4").family
    ('int_mac_int8_int4_int24', 'shift_add_mac')
    >>> mac_spec(act="mxint8", weight="mxfp4").name
    'dot8_mxint8_mxfp4_fp32'
    """
    integers = IntFormat | BinaryFormat | TernaryFormat
    formats = parse_format(act), parse_format(weight)
    powers = isinstance(formats[1], PotFormat | ApotFormat)
    blocks = [fmt.block for fmt in formats if isinstance(fmt, BlockFormat)]
    allowed = integers | FloatFormat | BlockFormat
    if (
        not isinstance(formats[0], allowed)
        or not (powers or isinstance(formats[1], allowed))
        or (powers and blocks)
    ):
        raise NotSupported(
            "Formats of a layer must be integers, minifloats, such in blocks or, of weights with "
            "activations without blocks, powers of two, for which there are units, not weights "
            f"{weight} with activations {act}"
        )
    fields: dict[str, Any] = {"act": act, "weight": weight, "acc": "exact"}
    if blocks:
        lanes = next(n for n in (8, 4, 2, 1) if not any(block % n for block in blocks))
        family, fields = "dot", {**fields, "acc": "fp32", "lanes": lanes}
    elif powers:
        family, fields = "shift_add_mac", {**fields, "group": terms, "scale": "none"}
    else:
        family = "int_mac" if all(isinstance(f, integers) for f in formats) else "minifloat_mac"
        fields["terms"] = terms
    spec = spec_from_fields(family, fields)
    return spec if technology is None else spec.tuned(target_of_technology(technology))


def default_units(technology: str | None = None, *, terms: int = 4096) -> list[Any]:
    """Specs of all pairs of :data:`ACTIVATIONS` and :data:`WEIGHTS`."""
    return [
        mac_spec(act=act, weight=weight, terms=terms, technology=technology)
        for weight, act in product(WEIGHTS, ACTIVATIONS)
    ]


def fp8_units(technology: str | None = None) -> dict[tuple[str, str], Any]:
    """MACs of the comparison of FP8 with INT8, as published but for the register of the product.

    Minifloats have every code a number and 2 to 5 exponent bits; fixed accumulators have 12 spare
    bits above the widest product.

    Parameters
    ----------
    technology : str or None
        As for `mac_spec`.

    Returns
    -------
    dict
        Spec by operand format and kind of accumulator: "fixed", "fp16" or "fp32". The operand
        format "int8 (plain)" is INT8 with the multiplier that the synthesiser makes of ``*``.
    """
    units = {("int8", "fixed"): ("int_mac", {"act": "int8", "weight": "int8", "acc": "int27"})}
    for exp_bits in (2, 3, 4, 5):
        name = f"e{exp_bits}m{7 - exp_bits}fin"
        width = 2 * (9 - exp_bits) - 1 + 2 * (2**exp_bits - 2) + 12
        for kind in ("fixed", "fp16", "fp32"):
            acc = f"fixed{width}" if kind == "fixed" else kind
            units[name, kind] = ("minifloat_mac", {"act": name, "weight": name, "acc": acc})
    specs = {key: spec_from_fields(family, fields) for key, (family, fields) in units.items()}
    plain = specs["int8", "fixed"]
    tuned = {
        key: spec if technology is None else spec.tuned(target_of_technology(technology))
        for key, spec in specs.items()
    }
    return {**tuned, ("int8 (plain)", "fixed"): plain}


def switched_unit(text: str) -> Any:
    """Spec of a unit with several modes, of its family and fields.

    Raises
    ------
    ValueError
        If there is no such unit, or it has one mode.

    Examples
    --------
    >>> switched_unit("bitplane_dot lanes=4 act=uint8").name
    'bitplane_dot_4_uint8_int8_int32'
    """
    family, *fields = text.split()
    pairs = [field.partition("=") for field in fields]
    spec = spec_from_fields(family, {name: value for name, _, value in pairs})
    if not hasattr(spec, "modes"):
        raise RefusedInput(f"Unit with several modes must be a {_families()}, not {family!r}")
    return spec


def _families() -> str:
    *most, last = dict.fromkeys(text.split()[0] for text in SWITCHED)
    return f"{', '.join(most)} or {last}"
