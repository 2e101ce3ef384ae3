"""Goals and public figures of `qor.py`, by unit and technology, from the project's study.

None is a row without a goal: it is measured all the same.
"""

from typing import Any

from macwright.hw.formats import IntFormat, parse_format

__all__ = [
    "AT_PERIODS",
    "DOTS",
    "DOTS4",
    "ELSEWHERE",
    "FAST",
    "FLOATS",
    "INTEGERS",
    "LANES",
    "MINIFLOATS",
    "PACKED",
    "SKY130",
]

#: Technologies in which a row without a goal of its own is measured.
ELSEWHERE = ("gates", "sky130hd", "ihp130", "asap7", "ecp5", "ice40", "xc7")

#: (act bits, weight bits, acc bits) -> goals by technology.
INTEGERS: dict[tuple[int, int, int], dict[str, float | None]] = {
    (8, 8, 32): {
        **dict.fromkeys(ELSEWHERE),
        **{"nangate45": 590, "asap7": 47, "ecp5": 106, "ice40": 103, "xc7": 69},
    },
    (8, 8, 24): {"nangate45": 510},
    (8, 8, 26): {"asap7": 42.2},
    (8, 4, 32): {"nangate45": 440, "ecp5": 66, "ice40": 67, "xc7": 51},
    (8, 4, 22): {"asap7": 27.2, "ecp5": 56, "ice40": 57, "xc7": 41},
    (8, 4, 20): {"nangate45": 325, "gates": None, "sky130hd": None, "ihp130": None},
    (4, 4, 32): {"nangate45": 370, "ecp5": 54, "ice40": 51, "xc7": 43},
    (4, 4, 18): {"asap7": 20.0},
    (4, 4, 16): {"nangate45": 225},
    (8, 2, 32): {"nangate45": 365, "ecp5": 46, "ice40": 49, "xc7": 42},
    (8, 2, 20): {"asap7": 19.4},
    (8, 2, 18): {"nangate45": 230},
    (16, 16, 40): {"nangate45": 1600},
}
#: Adder -> largest area and delay, nangate45, int8 x int8 + 32.
FAST = {"kogge_stone": (665, 1.25), "carry_save": (775, 0.75)}
#: Format, of an accumulator for 4,096 products -> largest area, and period in ns, nangate45.
AT_PERIODS = (("int8", 560, 1.25), ("int8", 620, 1.0), ("e4m3fin", 1000, 1.0), ("e2m1fn", 360, 0.6))

_THREE = {"products": 3, "act": "int4", "acc": "int20"}
#: Name, technology, fields and goal of units that share a DSP.
PACKED: list[tuple[str, str, dict[str, Any], float | None]] = [
    ("2 of int8 x int4 + 24", "ecp5", {"acc": "int24"}, 58),
    ("3 of int4 x int4sym + 20", "ecp5", {**_THREE, "weight": "int4sym"}, 99),
    ("2 of int8 x int4sym + 24", "ice40", {"weight": "int4sym", "acc": "int24"}, None),
    ("2 of int8 x int8 + 32", "xc7", {"weight": "int8"}, None),
    ("3 of int4 x int4 + 20", "xc7", _THREE, None),
]

#: Format -> accumulator bits, goals, public figures (nangate45, and LUT4 + 2 CCU2C on ECP5).
MINIFLOATS: dict[str, tuple[int, dict[str, float | None], dict[str, float]]] = {
    "e2m1fn": (19, {"nangate45": 245, "ecp5": 43}, {"nangate45": 257, "ecp5": 61}),
    "e2m3fn": (23, {"nangate45": 380, "ecp5": 80}, {"nangate45": 400, "ecp5": 124}),
    "e3m2fn": (29, {"nangate45": 435, "ecp5": 92}, {"nangate45": 458, "ecp5": 122}),
    "e3m4fin": (33, {"nangate45": 590}, {"nangate45": 646}),
    "e4m3fin": (
        47,
        {**dict.fromkeys(ELSEWHERE), "nangate45": 720, "ecp5": 160},
        {"nangate45": 789, "ecp5": 218},
    ),
    "e5m2fin": (75, {"nangate45": 1080, "ecp5": 222}, {"nangate45": 1145, "ecp5": 268}),
}
#: Format, accumulator -> goals, public figures (the smaller of FPnew and HardFloat).
FLOATS: dict[tuple[str, str], tuple[dict[str, float | None], dict[str, float]]] = {
    ("e4m3fn", "fp32"): (
        {**dict.fromkeys(ELSEWHERE), "nangate45": 1500, "ecp5": 900},
        {"nangate45": 2757, "ecp5": 1444},
    ),
    ("e5m2", "fp32"): ({"nangate45": 1450}, {"nangate45": 2695}),
    ("e4m3fn", "fp16"): ({"nangate45": 1000}, {"nangate45": 1405}),
    ("e5m2", "fp16"): ({"nangate45": 980}, {"nangate45": 1392}),
    ("e4m3fn", "bf16"): ({"nangate45": None}, {}),
    ("e4m3fn", "e4m3fn"): ({"nangate45": 640}, {"nangate45": 746}),
    ("e5m2", "e5m2"): ({"nangate45": 590}, {"nangate45": 669}),
}
#: Lanes, formats, further fields -> goal and public figure, nangate45 um2.
DOTS: list[tuple[int, str, dict[str, Any], float, float | None]] = [
    (8, "int8", {"acc": IntFormat(32)}, 2850, 3917),
    (8, "e4m3fin", {}, 3300, 3947),
    (8, "e5m2fin", {}, 4300, 5428),
    (8, "e3m2fn", {}, 1900, 2138),
    (8, "e2m3fn", {}, 1700, 1957),
    (8, "e2m1fn", {}, 850, 915),
    (32, "int8", {"acc": IntFormat(32)}, 10700, 15697),
    (32, "e4m3fin", {}, 12500, 15884),
]
#: Formats, further fields -> goal, 16 lanes, gate equivalents a product.
LANES: list[tuple[str, str, dict[str, Any], float]] = [
    ("int8", "int8", {"acc": IntFormat(32)}, 398.0),
    ("int8", "int4", {"acc": IntFormat(32)}, 219.4),
    ("int4", "int4", {"acc": IntFormat(32)}, 121.6),
    ("int8", "int2", {"acc": IntFormat(32)}, 118.7),
    ("int8", "ternary", {"acc": IntFormat(32)}, 104.5),
    ("int8", "binary", {"acc": IntFormat(32)}, 80.7),
    ("e2m1fn", "e2m1fn", {}, 144.4),
    ("e2m3fn", "e2m3fn", {}, 255.5),
    ("e3m2fn", "e3m2fn", {}, 291.6),
    ("e4m3fin", "e4m3fin", {"window": 12}, 372.4),
    ("e5m2fin", "e5m2fin", {"window": 10}, 334.4),
]
#: Formats, further fields -> goal and published figure, 32 lanes, sky130hd um2.
SKY130: list[tuple[str, dict[str, Any], float, float]] = [
    ("int4", {"acc": IntFormat(32)}, 25000, 27800),
    ("int8", {"acc": IntFormat(32)}, 80000, 98800),
    ("e4m3fn", {"window": 24, "acc": parse_format("fp32")}, 95000, 111300),
    ("mxint8", {"acc": parse_format("fp32")}, 90000, 109600),
    ("mxfp4", {"acc": parse_format("fp32")}, 31000, 35300),
]
#: Format -> goals by technology, 4 lanes and an accumulator of 32 bits.
DOTS4: dict[str, dict[str, float | None]] = {
    "int8": {"nangate45": None, **dict.fromkeys(ELSEWHERE), "ecp5": 360, "ice40": 360, "xc7": 215},
    "int4": {"ecp5": 130},
}
