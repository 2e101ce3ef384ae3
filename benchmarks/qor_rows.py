"""What `qor.py` measures: our unit, the naive one, the public figure and the goal of every row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import qor_naive

from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import (
    BitplaneDotSpec,
    ComposableMacSpec,
    DotSpec,
    IntMacSpec,
    MinifloatMacSpec,
    RequantSpec,
    SerialMacSpec,
    ShiftAddMacSpec,
)
from macwright.hw.pe.accumulator import FixedAcc

__all__ = ["Row", "rows"]

#: nangate45's smallest NAND gate, um2: one gate equivalent.
GE = 0.798

#: Technologies in which a row without a goal of its own is measured.
ELSEWHERE = ("gates", "sky130hd", "ihp130", "asap7", "ecp5", "ice40", "xc7")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison.

    Parameters
    ----------
    section, name, technology : str
        Table, what is compared, and where.
    spec : object
        Our unit, tuned.
    goal, public : float or None
        Largest figure that is aimed at; the best published implementation of the function.
    goal_ns : float or None
        Longest delay that meets the goal.
    per : float
        What the area is divided by, for figures per product in gate equivalents.
    naive : tuple of str
        Verilog of the same function; empty where there is none.
    dedicated : object or None
        Unit without modes that does the same work in one of them; its products a cycle count.
    dsp : bool
        Whether hard multipliers are used.
    """

    section: str
    name: str
    technology: str
    spec: Any
    goal: float | None = None
    goal_ns: float | None = None
    public: float | None = None
    per: float = 1.0
    naive: tuple[str, ...] = ()
    dedicated: Any = None
    dsp: bool = False


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
FAST = {"brent_kung": (665, 1.25), "kogge_stone": (665, 1.25), "carry_save": (775, 0.75)}

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


def rows() -> Iterator[Row]:
    """All comparisons."""
    yield from _integers()
    yield from _minifloats()
    yield from _dots()
    yield from _mixed()


def _integers() -> Iterator[Row]:
    for (act, weight, acc), goals in INTEGERS.items():
        spec = IntMacSpec(act=IntFormat(act), weight=IntFormat(weight), acc=IntFormat(acc))
        for technology, goal in goals.items():
            yield Row(
                section="Integer MACs",
                name=f"int{act} x int{weight} + {acc}",
                technology=technology,
                spec=spec.tuned(technology),
                goal=goal,
                naive=qor_naive.int_mac(act, weight, acc),
            )
    for adder, (goal, delay) in FAST.items():
        yield Row(
            section="Integer MACs",
            name=f"int8 x int8 + 32, {adder}",
            technology="nangate45",
            spec=IntMacSpec(adder=adder, multiplier="booth4", target="asic"),
            goal=goal,
            goal_ns=delay,
            naive=qor_naive.int_mac(8, 8, 32),
        )
    for technology in ("ecp5", "ice40", "xc7"):
        yield Row(
            section="Integer MACs",
            name="int8 x int8 + 32, DSP",
            technology=technology,
            spec=IntMacSpec(),
            naive=qor_naive.int_mac(8, 8, 32),
            dsp=True,
        )


def _minifloats() -> Iterator[Row]:
    for name, (acc, goals, public) in MINIFLOATS.items():
        fmt: Any = parse_format(name)
        spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=FixedAcc(acc))
        for technology, goal in goals.items():
            yield Row(
                section="Minifloat MACs",
                name=f"{name} + fixed{acc}",
                technology=technology,
                spec=spec.tuned(technology),
                goal=goal,
                public=public.get(technology),
                naive=qor_naive.float_mac(fmt.exp_bits, fmt.man_bits, acc),
            )
    fmt = parse_format("e4m3fin")
    for drop, acc in ((12, 35), (16, 31)):
        spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=FixedAcc(acc), drop=drop)
        yield Row(
            section="Minifloat MACs",
            name=f"e4m3fin less {drop} bits + fixed{acc}",
            technology="nangate45",
            spec=spec.tuned("nangate45"),
        )
    for (name, acc_name), (goals, public) in FLOATS.items():
        fmt, acc_fmt = parse_format(name), parse_format(acc_name)
        spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=acc_fmt)  # type: ignore[arg-type]
        for technology, goal in goals.items():
            yield Row(
                section="Minifloat MACs",
                name=f"{name} + {acc_name}",
                technology=technology,
                spec=spec.tuned(technology),
                goal=goal,
                public=public.get(technology),
            )


def _dots() -> Iterator[Row]:
    for lanes, name, more, goal, public in DOTS:
        fmt: Any = parse_format(name)
        spec = DotSpec(act=fmt, weight=fmt, lanes=lanes, **more)
        width = spec.acc.width
        naive = qor_naive.int_mac(fmt.width, fmt.width, width, lanes)
        if not isinstance(fmt, IntFormat):
            naive = qor_naive.float_mac(fmt.exp_bits, fmt.man_bits, width, lanes)
        yield Row(
            section="Dot products",
            name=f"{lanes} lanes {name} + {width}",
            technology="nangate45",
            spec=spec.tuned("nangate45"),
            goal=goal,
            public=public,
            naive=naive if name == "e2m1fn" else (),
        )
    for technology in ("nangate45", *ELSEWHERE):
        yield Row(
            section="Dot products",
            name="4 lanes int8 + 32",
            technology=technology,
            spec=DotSpec(lanes=4, acc=IntFormat(32)).tuned(technology),
            naive=qor_naive.int_mac(8, 8, 32, 4),
        )
    for act, weight, more, goal in LANES:
        spec = DotSpec(act=parse_format(act), weight=parse_format(weight), lanes=16, **more)
        window = f", window {spec.window}" if spec.window else ""
        yield Row(
            section="Dot products",
            name=f"16 lanes {act} x {weight}{window}, GE a product",
            technology="nangate45",
            spec=spec.tuned("nangate45"),
            goal=goal,
            per=16 * GE,
        )
    for name, more, goal, public in SKY130:
        fmt = parse_format(name)
        yield Row(
            section="Dot products",
            name=f"32 lanes {name} + {more['acc']}",
            technology="sky130hd",
            spec=DotSpec(act=fmt, weight=fmt, lanes=32, **more).tuned("sky130hd"),
            goal=goal,
            public=public,
        )


def _mixed() -> Iterator[Row]:
    together, fusion = ComposableMacSpec(), ComposableMacSpec(variant="fusion")
    wide = ComposableMacSpec(variant="fusion", leaf=4)
    int8 = IntFormat(8)
    w4a8 = ShiftAddMacSpec(weight=IntFormat(4), acc=IntFormat(23), scale=None)
    units: list[tuple[str, Any, dict[str, tuple[float | None, float | None]], tuple[str, ...]]] = [
        (
            "composable 8/4/2, sum together",
            together,
            {"nangate45": (750, 773), "ecp5": (None, 251), "xc7": (None, 197)},
            qor_naive.sum_together(),
        ),
        (
            "composable, fusion of 2-bit leaves",
            fusion,
            {"nangate45": (1400, 1456), "ecp5": (None, 588), "xc7": (None, 342)},
            (),
        ),
        (
            "composable, fusion of 4-bit leaves",
            wide,
            {"nangate45": (950, 1168), "ecp5": (None, 426), "xc7": (None, 289)},
            (),
        ),
        (
            "shift-add int8 x int4 + 23",
            w4a8,
            {"nangate45": (340, 1110), "gates": (None, None), "asap7": (None, None)},
            qor_naive.int_mac(8, 4, 23),
        ),
        (
            "shift-add int8 x pot4 + exact",
            ShiftAddMacSpec(weight=parse_format("pot4"), scale=None),
            {"nangate45": (None, None)},
            (),
        ),
        (
            "requantisation int32 to int8, dyadic",
            RequantSpec(),
            {"nangate45": (None, None), "gates": (None, None), "ecp5": (None, None)},
            qor_naive.requant(),
        ),
        (
            "requantisation int32 to int8, float scale",
            RequantSpec(weight=parse_format("fp32")),
            {"nangate45": (None, None)},
            (),
        ),
    ]
    for name, spec, figures, naive in units:
        for technology, (goal, public) in figures.items():
            yield Row(
                section="Mixed precision",
                name=name,
                technology=technology,
                spec=spec.tuned(technology),
                goal=goal,
                public=public,
                naive=naive,
            )
    planes = BitplaneDotSpec(lanes=32)
    for bits, goal in ((8, 460), (4, 230), (2, 115), (1, 58)):
        weight: Any = IntFormat(bits, signed=bits > 1)
        plain = DotSpec(act=int8, weight=weight, lanes=32, acc=IntFormat(32))
        yield Row(
            section="Mixed precision",
            name=f"bit planes, 32 lanes, weights of {bits} bits, GE a product",
            technology="nangate45",
            spec=planes.tuned("nangate45"),
            goal=goal,
            per=32 * 8 / bits * GE,
            dedicated=plain.tuned("nangate45"),
        )
    yield Row(
        section="Mixed precision",
        name="bit planes, 16 lanes, LUTs a product of 8 bits",
        technology="ecp5",
        spec=replace(planes, lanes=16).tuned("ecp5"),
        per=16,
    )
    for bits, goal in ((8, 650), (4, 325), (2, 165)):
        spec = SerialMacSpec()
        yield Row(
            section="Mixed precision",
            name=f"bit serial, 16 lanes, weights of {bits} bits, GE a product",
            technology="nangate45",
            spec=spec.tuned("nangate45"),
            goal=goal,
            per=16 / spec.steps(bits) * GE,
        )
