# amaranth: UnusedElaboratable=no
"""Units with a floating-point accumulator: specs, Verilog against the golden model."""

import re
import shutil

import pytest

from macwright.hw.formats import parse_format
from macwright.hw.pe import FloatMac, MinifloatMac, MinifloatMacSpec, spec_from_fields
from macwright.sim.generate import describe, write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")

SMALL = spec_from_fields("minifloat_mac", {"act": "e3m1", "weight": "e2m1fn", "acc": "e3m3"})
QUICK = ["corners", "pairs", "rounding", "ends"]


@needs_icarus
@pytest.mark.parametrize(
    "fields",
    [
        {"act": "e3m1", "weight": "e2m1fn", "acc": "e3m3"},
        {"act": "e2m2", "weight": "int3", "acc": "e4m3fin", "multiplier": "array", "rst": True},
    ],
    ids=["infer", "array"],
)
def test_verilog_matches_the_golden_model(fields, tmp_path):
    write_unit(spec_from_fields("minifloat_mac", fields), tmp_path)
    result = simulate(tmp_path, simulator="icarus", tests=QUICK)
    assert result.failures == []
    assert result.tests == len(QUICK)


@needs_icarus
@pytest.mark.parametrize("name", ["swap", "becomes_nan"])
def test_wrong_logic_is_caught_and_named(name, tmp_path):
    manifest = write_unit(SMALL, tmp_path)
    path = tmp_path / manifest["verilog"]["file"]
    old = rf"assign {name} = (.*);"
    text, count = re.subn(old, rf"assign {name} = ~(\1);", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["rounding", "pairs"]).failures
    assert re.search(r"acc is \S+, expected 0x[0-9a-f]+, for a=0x\w+ \(.*\) w=0x", failures[0])


def test_ports_and_default_name():
    spec = spec_from_fields("minifloat_mac", {"act": "e5m2", "acc": "fp32"})
    assert spec.name == "minifloat_mac_e5m2_e4m3fn_fp32"
    ports = {port["name"]: port["width"] for port in describe(spec)["ports"]}
    assert ports == {"clk": 1, "a": 8, "w": 8, "clear": 1, "acc": 32}
    flagged = spec_from_fields("minifloat_mac", {"act": "e5m2", "acc": "e5m6fin"})
    assert "invalid" in {port["name"] for port in describe(flagged)["ports"]}
    assert spec.tuned("ecp5").target == "generic"
    assert spec.tuned("asic").target == "asic"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"drop": 3}, r"^minifloat_mac drop must be 0 with a float accumulator, not 3$"),
        (
            {"multiplier": "array", "target": "ecp5"},
            r"^minifloat_mac target must be generic or asic with a float accumulator, not ecp5$",
        ),
        ({"terms": 9}, r"^Number of terms must come with accumulator exact, not fp32$"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        spec_from_fields("minifloat_mac", {"acc": "fp32", **fields})


def test_each_component_takes_only_its_accumulator():
    with pytest.raises(TypeError, match=r"^FloatMac takes a spec with a float accumulator, not f"):
        FloatMac(MinifloatMacSpec())
    with pytest.raises(TypeError, match=r"^MinifloatMac takes a spec with a fixed acc.* not fp16"):
        MinifloatMac(MinifloatMacSpec(acc=parse_format("fp16")))  # type: ignore[arg-type]
