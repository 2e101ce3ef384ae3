# amaranth: UnusedElaboratable=no
"""Specifications of the multiply-accumulate units: values, names, refusals, Verilog text."""

import pytest

from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import (
    FixedAcc,
    IntMac,
    IntMacSpec,
    MinifloatMac,
    MinifloatMacSpec,
    spec_from_fields,
)
from macwright.hw.registry import registry
from macwright.hw.verilog import unit_verilog

E2M1, E4M3 = parse_format("e2m1fn"), parse_format("e4m3fn")


@pytest.mark.parametrize("spec", registry(), ids=lambda spec: spec.name)
def test_fields_make_the_same_spec_again(spec):
    assert spec_from_fields(spec.family, spec.to_fields()) == spec
    texts = {name: str(value) for name, value in spec.to_fields().items()}
    assert spec_from_fields(spec.family, texts) == spec


def test_names_are_unique():
    names = [spec.name for spec in registry()]
    assert len(set(names)) == len(names) >= 20


@pytest.mark.parametrize(
    ("act", "weight", "terms", "width"),
    # Largest sums by hand: 500 * 128 * 8 = 2**18.97; 1024 * 2**14 = 2**24, one more than fits
    # in 25 bits; 3 * 9 = 27 < 2**5; 7 products of -1.
    [
        ("int8", "int4", 500, 20),
        ("int8", "int8", 1024, 26),
        ("int8", "int8", 1023, 25),
        ("uint2", "uint2", 3, 6),
        ("binary", "binary", 7, 4),
        ("binary", "binary", 8, 5),
    ],
)
def test_exact_int_accumulator_is_as_wide_as_the_sum_needs(act, weight, terms, width):
    fields = {"act": act, "weight": weight, "acc": "exact", "terms": terms}
    spec = spec_from_fields("int_mac", fields)
    assert spec.acc == IntFormat(width)
    assert spec.safe_terms >= terms


@pytest.mark.parametrize(
    ("act", "weight", "terms", "width"),
    # In units of the smallest product: e2m1 12**2 * 1820 < 2**18 <= 12**2 * 1821; one e4m3fn
    # product is at most 448**2 * 2**18 = 2**35.6; e5m2 57344**2 * 2**32 = 2**63.6;
    # e4m3fn by int4 448 * 8 * 2**9 = 2**20.8.
    [
        ("e2m1fn", "e2m1fn", 1820, 19),
        ("e2m1fn", "e2m1fn", 1821, 20),
        ("e4m3fn", "e4m3fn", 1, 37),
        ("e5m2", "e5m2", 1, 65),
        ("e4m3fn", "int4", 1, 22),
    ],
)
def test_exact_fixed_accumulator_is_as_wide_as_the_sum_needs(act, weight, terms, width):
    fields = {"act": act, "weight": weight, "terms": terms}
    spec = spec_from_fields("minifloat_mac", fields)
    assert spec.acc == FixedAcc(width)
    assert spec.safe_terms >= terms


@pytest.mark.parametrize(
    ("family", "fields", "error", "message"),
    [
        ("int_mac", {"weight": "e4m3fn"}, TypeError, r"^int_mac weight format must be an integer"),
        ("int_mac", {"act": "int17"}, ValueError, r"^int_mac act format must have 1 to 16 bits"),
        ("int_mac", {"acc": "int15"}, ValueError, r"\(from -16256 to 16384\), not int15$"),
        ("int_mac", {"acc": "uint32"}, ValueError, r"must hold one int8 x int8 product"),
        ("int_mac", {"acc": "e4m3"}, ValueError, r"^Unit acc must be an integer format"),
        ("int_mac", {"terms": "9"}, ValueError, r"must come with accumulator exact, not int32$"),
        ("int_mac", {"acc": "exact", "terms": "0"}, ValueError, r"of at least 1, not 0$"),
        ("int_mac", {"multiplier": "magic"}, ValueError, r"^Unit multiplier must be one of infer"),
        ("int_mac", {"target": "moon"}, ValueError, r"^Unit target must be one of generic"),
        ("int_mac", {"pipeline": "3"}, ValueError, r"^Unit pipeline must be an integer from 0"),
        ("int_mac", {"en": "maybe"}, ValueError, r"^Unit en must be true or false, not 'maybe'$"),
        ("int_mac", {"drop": 1}, ValueError, r"^Field of int_mac must be one of act, .*'drop'$"),
        ("minifloat_mac", {"act": "int8", "weight": "int8"}, TypeError, r"must have a minifloat"),
        ("minifloat_mac", {"acc": "fixed36"}, ValueError, r"at least fixed37, not fixed36$"),
        ("minifloat_mac", {"acc": "int40"}, ValueError, r"^Unit acc must be exact, fixed<bits>"),
        ("minifloat_mac", {"drop": "36"}, ValueError, r"drop must be an integer from 0 to 35"),
        ("minifloat_mac", {"terms": "-1"}, ValueError, r"^Number of terms must be an integer"),
        ("matrix", {}, ValueError, r"^Unit must be one of int_mac, .*, not 'matrix'$"),
    ],
)
def test_refuses(family, fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields(family, fields)


def test_components_take_only_their_spec():
    with pytest.raises(TypeError, match=r"^IntMac takes an IntMacSpec, not 8$"):
        IntMac(8)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^MinifloatMac takes a MinifloatMacSpec, not 8$"):
        MinifloatMac(8)  # type: ignore[arg-type]


def test_ports_are_those_of_the_contract():
    plain = unit_verilog(IntMacSpec())
    assert "rst" not in plain
    assert "input en" not in plain
    full = unit_verilog(MinifloatMacSpec(act=E4M3, weight=E4M3, en=True, rst=True))
    for port in ("input clk", "input rst", "input en", "input clear", "output invalid"):
        assert f"{port};" in full
    assert "invalid" not in unit_verilog(MinifloatMacSpec(act=E2M1, weight=E2M1))
