"""FPGA units mapped for depth and for area: the smaller one is kept, and the flow says which."""

import pytest

from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.fpga import smallest_mapping
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog

FIELDS = {"act": "e2m1fn", "weight": "e2m1fn", "acc": "fp16"}


def mapped(spec, technology):
    """Figures of a unit, not cached."""
    verilog = unit_verilog(spec)
    return synthesize(verilog, top=spec.name, technology=technology, yosys=find_yosys())


def test_smaller_mapping_of_a_minifloat_unit_is_kept_and_named():
    technology = find_technology("ecp5")
    spec = spec_from_fields("minifloat_mac", FIELDS).tuned("ecp5")
    depth, best = mapped(spec, technology), mapped(spec, smallest_mapping(technology))
    assert best["area"] < depth["area"]
    assert best["depth"] > depth["depth"]
    assert best["flow"].startswith("smallest of least_depth, least_area: scratchpad -set abc9.D")
    assert best["flow"].endswith(depth["flow"])


def test_unit_without_a_choice_has_the_figures_of_the_plain_flow():
    technology = find_technology("ecp5")
    spec = spec_from_fields("int_mac", {"act": "int2", "weight": "int2", "acc": "int6"})
    spec = spec.tuned("ecp5")  # instantiates primitives of the family
    assert smallest_mapping(technology).mappable
    plain, best = mapped(spec, technology), mapped(spec, smallest_mapping(technology))
    assert best.pop("flow").endswith(f"least_depth, least_area: {plain.pop('flow')}")
    assert best == plain


def test_other_technologies_are_refused():
    with pytest.raises(ValueError, match=r"^Technology must be an FPGA, not gates$"):
        smallest_mapping(find_technology("gates"))
