# amaranth: UnusedElaboratable=no
# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
"""The conformance suites: what comes with macwright passes, what is broken on purpose does not."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import macwright
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import IntMacSpec, UnitSpec, spec_from_fields
from macwright.sim.golden.ports import PortModel
from macwright.testing import ConformanceError, check_format, check_unit

#: Formats of 16 bits take a second each; int16 stands for them.
NAMES = [
    name for name in macwright.FORMAT_NAMES if parse_format(name).width < 16 and name != "e8m0fnu"
]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_passes(name):
    report = check_format(parse_format(name))
    assert all(cases > 0 for cases in report.checked.values())


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ValueError, match=r"^Format to check must have at most 16 bits, not fp32$"):
        check_format(parse_format("fp32"))
    with pytest.raises(ValueError, match="not e8m0fnu, of scales"):
        check_format(parse_format("e8m0fnu"))
    with pytest.raises(TypeError, match="must be a Format, not 'int8'"):
        check_format("int8")  # type: ignore[arg-type]


class _Up(IntFormat):
    def quantize(self, values, **options):
        return super().quantize(np.asarray(values) + 0.25, **options)


class _TowardZeroIsFloor(IntFormat):
    def quantize(self, values, *, rounding="nearest", **options):
        if rounding == "toward_zero":
            return np.clip(np.floor(values), self.min, self.max)
        return super().quantize(values, rounding=rounding, **options)


class _Biased(IntFormat):
    def quantize(self, values, *, rounding="nearest", **options):
        rounding = "nearest" if rounding == "stochastic" and options.get("rng") else rounding
        return super().quantize(values, rounding=rounding, **options)


class _WrongEnd(IntFormat):
    @property
    def max(self):
        return 6


class _WrongCode(IntFormat):
    def _encode(self, grid):
        return super()._encode(grid) ^ (np.asarray(grid) == 3)


class _Wraps(IntFormat):
    def quantize(self, values, **options):
        array = np.asarray(values, np.float64)
        return np.where(np.isposinf(array), self.min, super().quantize(array, **options))


class _Doubles(IntFormat):
    def quantize(self, values, **options):
        return super().quantize(values, **options).astype(np.float64)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_Up, r"quantize\(.*, rounding='nearest'\) must be"),
        (_TowardZeroIsFloor, r"quantize\(.*, rounding='toward_zero'\) must be"),
        (_Biased, r"rounding='stochastic'\) must be .* in 0\.300 of all cases, not in 0\.000"),
        (_WrongEnd, r"codes must stand for values from min to max, not for"),
        (_WrongCode, r"decode\(encode\(3\.0\)\) must be 3\.0, not"),
        (_Wraps, r"quantize\(inf\) must be 7"),
        (_Doubles, "of float16 must be of that type|of float32 must be of that type"),
    ],
)
def test_a_broken_format_fails(broken, message):
    with pytest.raises(ConformanceError, match=message):
        check_format(broken(4), named=False)


def test_a_name_that_is_not_parsed_fails():
    with pytest.raises(ConformanceError, match=r"parse_format\(str\(fmt\)\) must be fmt"):
        check_format(_Doubles(4))


UNITS = [
    ("int_mac", {}),
    ("int_mac", {"act": "binary", "weight": "binary", "acc": "int8", "pipeline": 1}),
    ("minifloat_mac", {"act": "e5m2", "weight": "e5m2", "en": True, "rst": True}),
    ("dot", {"weight": "int4", "lanes": 4}),
    ("composable_mac", {}),
    ("requant", {}),
]


@pytest.mark.parametrize(
    ("family", "fields"), UNITS, ids=[f"{f}{i}" for i, (f, _) in enumerate(UNITS)]
)
def test_units_of_the_families_pass(family, fields):
    report = check_unit(spec_from_fields(family, fields), cycles=100, bench=False)
    assert report.checked["simulation"] == 100
    assert ("reference" in report.checked) == (family in ("int_mac", "minifloat_mac", "dot"))


@pytest.mark.slow
@pytest.mark.parametrize("spec", macwright.registry(), ids=lambda spec: spec.name)
def test_units_of_the_registry_pass(spec):
    report = check_unit(spec, cycles=60, bench=False)
    assert ("simulation" in report.checked) == (spec.target == "generic")


def test_the_bench_runs_too():
    assert check_unit(IntMacSpec(weight=IntFormat(2)), cycles=20).checked["bench"] == 5


INT4, INT16 = IntFormat(4), IntFormat(16)


@dataclasses.dataclass(frozen=True)
class AbsMacSpec(UnitSpec):
    """A family of the user's own: acc += |a| * w."""

    family: ClassVar[str] = "abs_mac"
    parsers: ClassVar = {"act": parse_format, "weight": parse_format, "acc": parse_format}

    act: IntFormat = INT4
    weight: IntFormat = INT4
    acc: IntFormat = INT16
    multiplier: str = "infer"
    target: str = "generic"
    en: bool = False
    rst: bool = False
    pipeline: int = 0

    @property
    def name(self) -> str:
        return self.make_name(self.act, self.weight, self.acc)

    def create(self):
        return AbsMac(self)


class AbsMac(wiring.Component):
    def __init__(self, spec, magnitude=abs):
        self.spec, self.magnitude = spec, magnitude
        super().__init__(
            {
                "a": In(spec.act.width),
                "w": In(spec.weight.width),
                "clear": In(1),
                "acc": Out(spec.acc.width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        product = Signal(16)
        m.d.comb += product.eq(self.magnitude(self.a.as_signed()) * self.w.as_signed())
        with m.If(self.clear):
            m.d.sync += self.acc.eq(product)
        with m.Else():
            m.d.sync += self.acc.eq(self.acc + product)
        return m


class AbsModel(PortModel):
    def __init__(self, spec):
        super().__init__(spec)
        self.data, self.controls = {"a": 4, "w": 4}, {}

    def cycle_sum(self, *, a: int, w: int) -> int:  # type: ignore[override]
        return abs(a - 16 * (a > 7)) * (w - 16 * (w > 7))

    def extremes(self):
        return []


def reference(*, a: int, w: int) -> int:
    return int(abs(AbsMacSpec().act.decode(a)) * AbsMacSpec().weight.decode(w))


def test_a_unit_of_the_users_own_passes():
    report = check_unit(AbsMacSpec(), golden=AbsModel(AbsMacSpec()), reference=reference)
    assert report.checked["reference"] == report.checked["simulation"] == 500
    assert "abs_mac" in report.left_out["bench"]
    with pytest.raises(ConformanceError, match="must come with golden="):
        check_unit(AbsMacSpec())


class _WrongHardware(AbsMacSpec):
    def create(self):
        # -8 is the one code on which they differ.
        return AbsMac(self, magnitude=lambda value: abs(value)[:3])


class _WrongLatency(AbsMacSpec):
    latency = 0  # type: ignore[assignment]


class _WrongFields(AbsMacSpec):
    def to_fields(self):
        return {**super().to_fields(), "act": "int5"}


class _NoEnable(AbsMacSpec):
    @property
    def name(self):
        return "no_enable"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (_WrongHardware(), r"acc must be 0x\w+, not 0x\w+, in cycle \d+ for {'a': 8"),
        (_WrongLatency(), "latency must be 1 clock cycle or more, not 0"),
        (_WrongFields(), "from_fields of values must give the same"),
        (_NoEnable(en=True), "port en must be there if and only if"),
    ],
)
def test_a_broken_unit_fails(spec, message):
    with pytest.raises(ConformanceError, match=message):
        check_unit(spec, golden=AbsModel(spec), reference=reference)


def test_a_wrong_golden_model_fails():
    class Wrong(AbsModel):
        def cycle_sum(self, *, a: int, w: int) -> int:  # type: ignore[override]
            return super().cycle_sum(a=a, w=w) + (a == w == 5)

    # Whichever comes to 5 x 5 first: the reference or the hardware.
    with pytest.raises(ConformanceError, match=r"acc must be 0x\w+, not 0x\w+"):
        check_unit(AbsMacSpec(), golden=Wrong(AbsMacSpec()), reference=reference)
