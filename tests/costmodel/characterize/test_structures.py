"""Structures for speed compute what the unit does: the benches of their families pass on them."""

import shutil
from dataclasses import replace

import pytest

from macwright.costmodel.characterize.structures import built_spec, has_one_sum, structures
from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

CUT = {"pipeline": 1, "cut": "product"}
UNITS = {
    "int_mac": {"act": "int4", "weight": "int4", "acc": "exact", "terms": 9},
    "minifloat_mac": {"act": "e2m1fn", "weight": "e3m2fn", "terms": 9},
    "minifloat_mac specials": {"act": "e5m2", "weight": "e4m3fn", "acc": "fixed60"},
    "dot": {"act": "int4", "weight": "int4", "lanes": 2, "terms": 8},
    "dot floats": {"act": "e2m1fn", "weight": "e2m1fn", "lanes": 4, "acc": "fixed16"},
    "dot window": {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 2, "window": 12, "acc": "fp16"},
    "dot blocks": {"act": "mxfp4", "weight": "mxfp4", "lanes": 4, "acc": "fp32"},
}
QUICK = ("int_mac-carry_save", "minifloat_mac-sklansky-cut", "dot blocks-brent_kung-cut")


def _structures():
    found = []
    for name, fields in UNITS.items():
        unit = spec_from_fields(name.split()[0], fields).tuned("asic")
        adders = ["brent_kung", "sklansky", "carry_save"]
        for adder in adders[: 2 if fields.get("acc", "").startswith("fp") else 3]:
            for cut in ({}, CUT):
                label = f"{name}-{adder}" + ("-cut" if cut else "")
                marks = () if label in QUICK else pytest.mark.slow
                spec = replace(unit, adder=adder, **cut)
                found.append(pytest.param(spec, id=label, marks=marks))
        if fields.get("acc", "").startswith("fp"):
            turns = replace(unit, adder="brent_kung", sums=4, **CUT)
            found.append(pytest.param(turns, id=f"{name}-sums", marks=pytest.mark.slow))
    return found


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
@pytest.mark.parametrize("spec", _structures())
def test_bench_passes(spec, simulator, tmp_path):
    try:
        find_simulator(simulator)
    except ToolError as error:
        pytest.skip(str(error))
    write_unit(spec, tmp_path)
    assert simulate(tmp_path, simulator=simulator).failures == []


@pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
def test_a_register_that_the_model_does_not_have_is_seen(tmp_path):
    unit = spec_from_fields("int_mac", UNITS["int_mac"]).tuned("asic")
    late = replace(unit, **CUT)
    manifest = write_unit(unit, tmp_path / "unit")
    other = write_unit(late, tmp_path / "late")["verilog"]["file"]
    text = (tmp_path / "late" / other).read_text().replace(late.name, unit.name)
    (tmp_path / "unit" / manifest["verilog"]["file"]).write_text(text)
    assert simulate(tmp_path / "unit", simulator="icarus", tests=["corners"]).failures != []


def test_structures_of_cells_and_of_fpgas():
    floats = spec_from_fields("minifloat_mac", {}).tuned("asic")
    labels = structures(floats, "nangate45")
    assert list(labels) == [
        "",
        "adder=brent_kung",
        "adder=carry_save",
        "adder=brent_kung cut=product",
        "adder=sklansky cut=product",
    ]
    assert [label for label in labels if not has_one_sum(label)] == ["adder=carry_save"]
    assert labels["adder=sklansky cut=product"].latency == 2
    module = labels["adder=brent_kung"].name
    assert built_spec(floats, module, "nangate45") == replace(floats, adder="brent_kung")
    several = "adder=brent_kung cut=product sums=4"
    for name in ("mxfp4", "mxint8"):
        fields = {**UNITS["dot blocks"], "act": name, "weight": name}
        blocks = structures(spec_from_fields("dot", fields).tuned("asic"), "nangate45")
        assert [label for label in blocks if not has_one_sum(label)] == [several]
        assert blocks[several].latency == 6
    groups = spec_from_fields("dot", {**UNITS["dot blocks"], "groups": 4}).tuned("asic")
    made_of = structures(groups, "nangate45")
    assert list(made_of) == [
        *("", "adder=brent_kung", "adder=brent_kung cut=product", "adder=sklansky cut=product")
    ]
    assert {(each.groups, each.turns) for each in made_of.values()} == {(4, 4)}
    chained = spec_from_fields("minifloat_mac", {}).tuned("ecp5")
    assert list(structures(chained, "ecp5")) == ["", "pipeline=2"]
    powers = spec_from_fields("shift_add_mac", {"scale": "none"}).tuned("asic")
    assert not any("adder" in label for label in structures(powers, "nangate45"))
