"""What `qor.py` measures: our unit, the naive one, the public figure and the goal of every row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import qor_naive
from qor_goals import (
    AT_PERIODS,
    DOTS,
    DOTS4,
    FAST,
    FLOATS,
    INTEGERS,
    LANES,
    MINIFLOATS,
    PACKED,
    SKY130,
)

from macwright.costmodel.characterize.structures import structures
from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import (
    BitplaneDotSpec,
    ComposableMacSpec,
    DotSpec,
    IntMacSpec,
    MinifloatMacSpec,
    PackedMacSpec,
    RequantSpec,
    SerialMacSpec,
    ShiftAddMacSpec,
)
from macwright.hw.pe.accumulator import FixedAcc

__all__ = ["GE", "Row", "rows"]

#: nangate45's smallest NAND gate, um2: one gate equivalent.
GE = 0.798


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
    structures : tuple
        Other structures of our unit, of which the smallest that meets the goals counts.
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
    structures: tuple[Any, ...] = ()


def rows() -> Iterator[Row]:
    """All comparisons."""
    yield from _integers()
    yield from _minifloats()
    yield from _dots()
    yield from _mixed()
    yield from _at_periods()


def _integers() -> Iterator[Row]:
    for (act, weight, acc), goals in INTEGERS.items():
        spec = IntMacSpec(act=IntFormat(act), weight=IntFormat(weight), acc=IntFormat(acc))
        for technology, goal in goals.items():
            yield Row(
                section="Integer MACs",
                name=f"int{act} x int{weight} + {acc}",
                technology=technology,
                spec=spec.tuned(target_of_technology(technology)),
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
    for name, technology, fields, goal in PACKED:
        spec = PackedMacSpec.from_fields({**fields, "target": technology})
        common = {"section": "Integer MACs", "name": f"one DSP, {name}", "dsp": True}
        yield Row(**common, technology=technology, spec=spec, goal=goal)


def _minifloats() -> Iterator[Row]:
    for name, (acc, goals, public) in MINIFLOATS.items():
        fmt: Any = parse_format(name)
        spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=FixedAcc(acc))
        for technology, goal in goals.items():
            yield Row(
                section="Minifloat MACs",
                name=f"{name} + fixed{acc}",
                technology=technology,
                spec=spec.tuned(target_of_technology(technology)),
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
            spec=spec.tuned("asic"),
        )
    for (name, acc_name), (goals, public) in FLOATS.items():
        fmt, acc_fmt = parse_format(name), parse_format(acc_name)
        spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=acc_fmt)  # type: ignore[arg-type]
        for technology, goal in goals.items():
            yield Row(
                section="Minifloat MACs",
                name=f"{name} + {acc_name}",
                technology=technology,
                spec=spec.tuned(target_of_technology(technology)),
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
            spec=spec.tuned("asic"),
            goal=goal,
            public=public,
            naive=naive if name == "e2m1fn" else (),
        )
    for name, goals in DOTS4.items():
        fmt = parse_format(name)
        spec = DotSpec(act=fmt, weight=fmt, lanes=4, acc=IntFormat(32))
        for technology, aim in goals.items():
            yield Row(
                section="Dot products",
                name=f"4 lanes {name} + 32",
                technology=technology,
                spec=spec.tuned(target_of_technology(technology)),
                goal=aim,
                naive=qor_naive.int_mac(fmt.width, fmt.width, 32, 4),
            )
    for act, weight, more, goal in LANES:
        spec = DotSpec(act=parse_format(act), weight=parse_format(weight), lanes=16, **more)
        window = f", window {spec.window}" if spec.window else ""
        yield Row(
            section="Dot products",
            name=f"16 lanes {act} x {weight}{window}, GE a product",
            technology="nangate45",
            spec=spec.tuned("asic"),
            goal=goal,
            per=16 * GE,
        )
    for name, more, goal, public in SKY130:
        fmt = parse_format(name)
        yield Row(
            section="Dot products",
            name=f"32 lanes {name} + {more['acc']}",
            technology="sky130hd",
            spec=DotSpec(act=fmt, weight=fmt, lanes=32, **more).tuned("asic"),
            goal=goal,
            public=public,
        )


def _mixed() -> Iterator[Row]:
    together, fusion = ComposableMacSpec(), ComposableMacSpec(variant="fusion")
    wide = ComposableMacSpec(variant="fusion", leaf=4)
    int8 = IntFormat(8)
    pot4: Any = parse_format("pot4")
    fp32: Any = parse_format("fp32")
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
            ShiftAddMacSpec(weight=pot4, scale=None),
            {"nangate45": (None, None)},
            (),
        ),
        (
            "requantisation int32 to int8, dyadic",
            RequantSpec(),
            {"nangate45": (3000, None), "gates": (None, None), "ecp5": (None, None)},
            qor_naive.requant(),
        ),
        (
            "requantisation int32 to int8, float scale",
            RequantSpec(weight=fp32),
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
                spec=spec.tuned(target_of_technology(technology)),
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
            spec=planes.tuned("asic"),
            goal=goal,
            per=32 * 8 / bits * GE,
            dedicated=plain.tuned("asic"),
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
            spec=spec.tuned("asic"),
            goal=goal,
            per=16 / spec.steps(bits) * GE,
        )


def _at_periods() -> Iterator[Row]:
    for name, goal, period in AT_PERIODS:
        spec = mac_spec(act=name, weight=name, technology="nangate45")
        yield Row(
            section="MACs at a clock",
            name=f"{name} + {spec.acc}, {period:g} ns",
            technology="nangate45",
            spec=spec,
            goal=goal,
            goal_ns=period,
            structures=tuple(structures(spec, "nangate45").values())[1:],
        )
