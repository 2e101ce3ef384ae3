"""Units that the tests walk and the shipped tables hold: every family, class and corner width."""

from functools import lru_cache
from typing import Any

from macwright.hw.pe import spec_from_fields

__all__ = ["registry"]

_INT = [
    {},
    {"weight": "int4", "acc": "int20"},
    {"act": "uint8", "weight": "int8", "acc": "int24", "en": True, "rst": True},
    {"act": "int1", "weight": "uint1", "acc": "exact", "terms": 1},
    {"act": "int16", "weight": "int16", "acc": "int40"},
    {"act": "uint4", "weight": "uint4", "acc": "uint16"},
    {"weight": "binary", "acc": "exact", "rst": True},
    {"act": "binary", "weight": "binary", "acc": "int8", "pipeline": 1},
    {"weight": "ternary", "acc": "exact", "terms": 500, "pipeline": 2, "en": True},
    {"act": "int8sym", "weight": "int3", "acc": "exact", "terms": 100},
]
_PACKED = [
    {},
    {"products": 3, "act": "int4", "weight": "int4sym", "acc": "exact"},
    {"weight": "int8", "acc": "int24", "pipeline": 2, "en": True},
    {"products": 4, "act": "uint5", "weight": "int3", "acc": "exact", "terms": 100, "rst": True},
]
_MINIFLOAT = [
    {},
    {"act": "e2m1fn", "weight": "e2m1fn"},
    {"act": "e5m2", "weight": "e5m2", "en": True, "rst": True},
    {"act": "e4m3fnuz", "weight": "e3m2fn", "terms": 1},
    {"weight": "int4", "pipeline": 2},
    {"act": "int8", "weight": "e2m1fn", "pipeline": 1, "rst": True, "terms": 9},
    {"act": "e3m4wp", "weight": "binary"},
    {"act": "e1m2fin", "weight": "e3m0fin", "acc": "fixed16"},
    {"act": "e5m2fnuz", "weight": "e4m3fn", "drop": 16},
    {"act": "bf16", "weight": "e2m1fn", "drop": 200},
    {"acc": "fp32"},
    {"act": "e5m2", "weight": "e5m2", "acc": "fp32", "en": True, "rst": True},
    {"acc": "fp16"},
    {"act": "e5m2", "weight": "e5m2", "acc": "fp16", "multiplier": "array"},
    {"acc": "e4m3fn", "pipeline": 1},
    {"act": "e5m2", "weight": "e5m2", "acc": "e5m2"},
    {"act": "fp16", "weight": "int4", "acc": "bf16", "pipeline": 2, "en": True},
    {"act": "e2m1fn", "weight": "e4m3fnuz", "acc": "e5m6fin", "rst": True},
    {"act": "e3m2fn", "weight": "e2m3fn", "acc": "e3m4wp"},
]
_DOT = [
    {},
    {"weight": "int4", "lanes": 8, "acc": "int32", "en": True, "rst": True},
    {"act": "uint4", "weight": "ternary", "lanes": 3, "terms": 100},
    {"act": "int16", "weight": "int16", "lanes": 2, "acc": "int40", "multiplier": "booth4"},
    {"act": "binary", "weight": "binary", "lanes": 64, "pipeline": 2},
    {"act": "e2m1fn", "weight": "e2m1fn", "lanes": 8},
    {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4, "acc": "fp32"},
    {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4, "acc": "fp32", "window": 12},
    {"act": "e5m2", "weight": "e5m2", "lanes": 4, "window": 10, "acc": "fp16", "pipeline": 2},
    {"act": "e5m2", "weight": "e4m3fn", "lanes": 2, "window": 16, "rst": True},
    {"act": "int8", "weight": "e2m1fn", "lanes": 5, "acc": "bf16"},
    {"act": "mxfp8e4m3", "weight": "mxfp4", "lanes": 4, "acc": "fp32", "window": 16},
    {"act": "mxint8", "weight": "mxint8", "lanes": 4, "acc": "fp32", "en": True},
    {"act": "nvfp4", "weight": "nvfp4", "lanes": 4, "acc": "fp32", "pipeline": 1},
    {"act": "mxfp8e5m2", "weight": "mxfp6e2m3", "lanes": 2, "acc": "fp16"},
    {"act": "int8", "weight": "int4", "lanes": 1, "acc": "e5m8fin", "rst": True},
]

_BITPLANE = [
    {},
    {"lanes": 4, "act": "uint8", "weight": "int4", "acc": "exact", "en": True, "rst": True},
    {"lanes": 1, "act": "int1", "weight": "int2", "acc": "exact", "terms": 100, "pipeline": 1},
    {"lanes": 3, "act": "int4", "acc": "int16", "pipeline": 2, "en": True},
    {"lanes": 2, "act": "uint5", "weight": "int16", "acc": "int40", "rst": True},
]

_SHIFT = [
    {},
    {"act": "uint8", "weight": "uint4", "zero": "uint4", "group": 32, "en": True, "rst": True},
    {"weight": "int2", "scale": "none", "group": 9},
    {"weight": "int3", "group": 16, "acc": "int20", "scale": "uint1", "total": "int24"},
    {"weight": "ternary", "act": "int5", "group": 3, "zero": "int2", "pipeline": 1, "en": True},
    {"weight": "pot4", "group": 32, "zero": "int8", "rst": True, "pipeline": 1},
    {"weight": "apot4", "act": "uint4", "group": 8, "scale": "uint4", "total": "int24"},
    {"weight": "apot7", "act": "int16", "group": 4, "scale": "none"},
    {"weight": "pot6", "act": "int1", "group": 2, "scale": "none", "en": True},
    {"act": "fp16"},
    {"act": "fp16", "zero": "uint4", "group": 32, "en": True, "rst": True, "pipeline": 1},
    {"act": "fp16", "weight": "ternary", "group": 64, "scale": "none"},
    {"act": "fp16", "weight": "pot3", "group": 16, "scale": "uint4", "rst": True},
    {"act": "e4m3fn", "weight": "apot4", "group": 8, "zero": "int3"},
]

_COMPOSABLE = [
    {},
    {"leaf": 4, "acc": "exact", "terms": 100, "en": True, "rst": True},
    {"act": "int16", "weight": "int16", "acc": "int40", "pipeline": 1},
    {"variant": "fusion"},
    {"variant": "fusion", "leaf": 4, "acc": "exact", "pipeline": 2, "en": True},
    {"variant": "fusion", "act": "int4", "weight": "int4", "acc": "exact", "terms": 9, "rst": True},
]

_SERIAL = [
    {},
    {"lanes": 4, "step": 1, "acc": "exact", "en": True, "rst": True},
    {"lanes": 3, "act": "uint5", "weight": "int5", "acc": "exact", "terms": 20, "pipeline": 2},
    {"lanes": 1, "act": "int1", "weight": "int1", "step": 1, "acc": "exact", "terms": 9},
    {"lanes": 2, "act": "int16", "weight": "int16", "acc": "int48", "pipeline": 1, "en": True},
]

_REQUANT = [
    {},
    {"rounding": "half_up", "zero": True, "acc": "uint8", "en": True, "rst": True},
    {"act": "int20", "weight": "uint8", "acc": "int4", "shift_bits": 4, "bias": False},
    {"weight": "fp32", "pipeline": 1},
    {"weight": "bf16", "acc": "int8sym", "rounding": "half_up", "en": True, "bias": False},
    {"weight": "e4m3fn", "act": "int24", "acc": "uint4", "zero": True, "rst": True},
]

_HADAMARD = [
    {},
    {"act": "int4", "points": 32, "en": True, "rst": True, "pipeline": 2},
]


@lru_cache(maxsize=1)
def registry() -> tuple[Any, ...]:
    """One spec of every kind, no two of the same name.

    Examples
    --------
    >>> [spec.name for spec in registry()][:2]
    ['int_mac_int8_int8_int32', 'int_mac_int8_int4_int20']
    """
    families = {
        "int_mac": _INT,
        "packed_mac": _PACKED,
        "minifloat_mac": _MINIFLOAT,
        "dot": _DOT,
        "bitplane_dot": _BITPLANE,
        "shift_add_mac": _SHIFT,
        "composable_mac": _COMPOSABLE,
        "serial_mac": _SERIAL,
        "requant": _REQUANT,
        "hadamard": _HADAMARD,
    }
    return tuple(spec_from_fields(k, fields) for k, all_ in families.items() for fields in all_)
