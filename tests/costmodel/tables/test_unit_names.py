"""Units by their names: what ``spec.name`` writes is read back, over all that ship."""

import csv

import pytest
from helpers.paths import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.costmodel.tables import unit_names
from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import spec_from_fields
from macwright.hw.registry import registry


def shipped_names():
    for path in sorted((ROOT / "costmodel" / "tables").glob("*.csv")):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        for row in csv.DictReader(lines):
            # A row of a mode has it behind the name of its unit.
            yield from {row["unit"].split("@")[0], row.get("module") or row["unit"].split("@")[0]}


def test_every_name_of_the_shipped_tables():
    names = set(shipped_names())
    assert len(names) > 500
    assert {unit_of_name(name).name for name in names} == names


@pytest.mark.parametrize("spec", registry(), ids=lambda spec: spec.name)
def test_every_unit_of_the_registry(spec):
    assert unit_of_name(spec.name) == spec


@pytest.mark.parametrize("adder", ["ripple", "sklansky", "carry_save"])
@pytest.mark.parametrize("family", ["int_mac", "minifloat_mac", "dot"])
def test_adders_and_cuts(family, adder):
    fields = {"adder": adder, "pipeline": 1, "cut": "product", "en": True, "target": "asic"}
    if family != "dot":
        fields["multiplier"] = {"int_mac": "booth4", "minifloat_mac": "array"}[family]
    spec = spec_from_fields(family, fields)
    assert "_p1_product" in spec.name
    assert unit_of_name(spec.name).name == spec.name


def test_sums_that_take_turns():
    fields = {"act": "e4m3fn", "weight": "e4m3fn", "acc": "fp32", "window": 12, "sums": 3}
    spec = spec_from_fields("dot", {**fields, "adder": "brent_kung"})
    assert spec.name == "dot16_e4m3fn_e4m3fn_fp32_window12_sums3_brent_kung"
    assert unit_of_name(spec.name) == spec


@pytest.mark.parametrize("more", [{}, {"pipeline": 1, "cut": "product", "adder": "sklansky"}])
def test_groups_of_lanes(more):
    fields = {"act": "mxfp4", "weight": "nvfp4", "lanes": 4, "acc": "fp32", "groups": 4, **more}
    spec = spec_from_fields("dot", fields).tuned("asic")
    assert spec.name.startswith("dot4x4_mxfp4_nvfp4_fp32")
    assert unit_of_name(spec.name) == spec
    with pytest.raises(ValueError, match=r"dot groups must be an integer from 1 to 4 .*, not 5$"):
        unit_of_name("dot4x5_mxfp4_mxfp4_fp32")


@given(
    weight=st.sampled_from(["int2", "int4", "uint3", "binary", "ternary"]),
    act=st.sampled_from(["int8", "uint5", "int8sym"]),
    adder=st.sampled_from(["ripple", "brent_kung", "carry_save"]),
    flags=st.fixed_dictionaries({"en": st.booleans(), "rst": st.booleans()}),
    pipeline=st.integers(0, 2),
    target=st.sampled_from(["generic", "ecp5", "asic"]),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_common_fields(weight, act, adder, flags, pipeline, target):
    fields = {"weight": weight, "act": act, "acc": "exact", "terms": 50, "adder": adder}
    try:
        spec = spec_from_fields(
            "int_mac", {**fields, **flags, "pipeline": pipeline, "target": target}
        )
    except RefusedInput:
        return
    assert unit_of_name(spec.name) == spec


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "Unit must be one of int_mac, .*, or the name of a unit, not 'nonsense'"),
        ("int_mac_int99_int4_int20", "must be one that can be made: Integer width"),
        ("int_mac_int8_int4", "or the name of a unit, not 'int_mac_int8_int4'"),
        ("dot_int8_int8_int32", "or the name of a unit"),
    ],
)
def test_other_names_are_refused(name, words):
    with pytest.raises(RefusedInput, match=words):
        unit_of_name(name)


def test_a_family_whose_names_nobody_reads_is_refused(monkeypatch):
    monkeypatch.delitem(unit_names._PARTS, "requant")
    with pytest.raises(RefusedInput, match=r"must be given as requant with its fields"):
        unit_of_name("requant_int32_uint16_int8_half_even_bias")
