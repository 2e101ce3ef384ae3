# amaranth: UnusedElaboratable=no
"""Units that share one multiplication: specs, golden model against NumPy, Verilog against both."""

import re
import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from macwright.costmodel.power.unit import unit_streams
from macwright.hw.formats import parse_format
from macwright.hw.pe import PackedMac, PackedMacSpec, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.golden.layer_numpy import layer_sums
from macwright.sim.golden.packed_mac import LaneCodes
from macwright.sim.golden.ports import fields as fields_of
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
SMALL = {"act": "int4", "weight": "int3", "acc": "exact", "terms": 50, "en": True, "rst": True}
UNITS = [
    {},
    {"products": 3, "act": "int4", "weight": "int4sym"},
    {"products": 2, "weight": "int8", "acc": "int16"},
    {"products": 4, "act": "uint5", "weight": "uint3", "acc": "exact"},
]


@pytest.mark.parametrize("fields", UNITS)
def test_golden_and_twin_are_the_matrix_product(fields):
    """Columns of the weights beside each other, as many as there are products."""
    spec, rng = spec_from_fields("packed_mac", fields), np.random.default_rng(3)
    acts, weights = (
        rng.integers(int(f.min), int(f.max) + 1, shape)
        for f, shape in ((spec.act, (2, 30)), (spec.weight, (30, spec.products)))
    )
    want = (acts @ weights) % 2**spec.acc.width
    codes = acts % 2**spec.act.width, weights % 2**spec.weight.width
    assert layer_sums(spec, *codes).tolist() == want.tolist()
    for row in range(2):
        model = golden_model(spec)
        for k in range(30):
            word = sum(int(c) << (i * spec.weight.width) for i, c in enumerate(codes[1][k]))
            model.step(a=int(codes[0][row, k]), w=word, clear=int(k == 0))
        assert model.acc is not None
        assert fields_of(model.acc, spec.acc.width, spec.products) == want[row].tolist()


def test_exact_accumulator_holds_the_terms_and_no_more():
    spec = spec_from_fields("packed_mac", SMALL)
    # By hand: products from -28 to 32; 50 * 32 = 1600 < 2**11 <= 64 * 32.
    assert (str(spec.acc), spec.safe_terms, spec.product_range) == ("int12", 63, (-28, 32))
    model = golden_model(spec)
    assert [model.cycle_sum(**vector) for vector in model.extremes()] == [32, -28]


def test_lane_codes_are_those_of_the_format():
    codes = LaneCodes(parse_format("int3sym"), 2)
    want = [x + 8 * y for y in range(8) for x in range(8) if 4 not in (x, y)]
    assert sorted(codes) == sorted(want)
    assert [code for code in range(70) if code in codes] == sorted(want)
    assert codes[1:3] == [codes[1], codes[2]]
    assert -1 not in codes


#: What gives a borrow of the product back: the carry into the second accumulator.
CARRY = dict.fromkeys(["ecp5", "xc7", "ice40"], r"(\.(?:A0|I0|CYINIT)\()\\\$26 +\[6\](\))")
CARRY["generic"] = r"(, )1'h1( \})"
#: What takes a borrow from the second weight.
BORROW = r"(w\[3\] \^ )digit_0\[2\](;)"


@needs_icarus
@pytest.mark.parametrize(
    "target",
    ["generic", "ecp5", *(pytest.param(t, marks=pytest.mark.slow) for t in ("ice40", "xc7"))],
)
def test_verilog_matches_the_golden_model_and_a_change_is_caught(target, tmp_path):
    manifest = write_unit(spec_from_fields("packed_mac", {**SMALL, "target": target}), tmp_path)
    assert simulate(tmp_path, simulator="icarus", tests=["lanes", "controls"]).failures == []
    path = tmp_path / manifest["verilog"]["file"]
    whole = path.read_text()
    for change in (CARRY[target], BORROW):
        text, count = re.subn(change, r"\g<1>1'h0\g<2>", whole)
        assert count == 1
        path.write_text(text)
        failures = simulate(tmp_path, simulator="icarus", tests=["lanes"]).failures
        assert re.search(r"acc is \S+, expected 0x\w+, for a=0x\w+ w=0x\w+", failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"weight": "ternary"}, TypeError, r"weight format must be an integer format, not ternary"),
        ({"act": "int17"}, ValueError, r"^packed_mac act format must have 1 to 16 bits, not int17"),
        ({"products": "9"}, ValueError, r"^Number of products must be an integer from 1 to 8, not"),
        ({"multiplier": "booth4"}, ValueError, r"^Unit multiplier must be one of infer, not 'boot"),
        ({"pipeline": "3"}, ValueError, r"^Unit pipeline must be an integer from 0 to 2 "),
        ({"target": "asic"}, ValueError, r"must be one of generic, ecp5, ice40, xc7, not asic$"),
        ({"weight": "int8", "target": "ecp5"}, ValueError, r"^2 packed products must fit the 18 x"),
        ({"acc": "uint32"}, TypeError, r"accumulator must be a signed integer format, not uint32$"),
        ({"acc": "int11"}, ValueError, r"must hold one int8 x int4 product \(from -1016 to 1024\)"),
        ({"terms": "4"}, ValueError, r"^Number of terms must come with accumulator exact, not int"),
        ({"acc": "exact", "terms": 0}, ValueError, r"^Number of terms must be an integer of at l"),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("packed_mac", fields)


def test_targets_and_throughput():
    spec = PackedMacSpec()
    assert (spec.macs_per_cycle, spec.latency) == (2, 1)
    assert spec.tuned("ecp5").target == "ecp5"
    assert spec.tuned("asic") == spec.tuned("generic") == spec
    with pytest.raises(ValueError, match=r"^2 packed products must fit the 16 x 16 bits of one SB"):
        spec.tuned("ice40")
    with pytest.raises(TypeError, match=r"^PackedMac takes a PackedMacSpec, not 8$"):
        PackedMac(8)  # type: ignore[arg-type]


def test_streams_have_one_activation_for_all_weights():
    """For energy and activity: what is drawn fits the ports and uses all their bits."""
    spec = spec_from_fields("packed_mac", {"products": 3, "act": "int4", "weight": "int4sym"})
    widths = {"a": 4, "w": 12, "clear": 1}
    ports = {n: SimpleNamespace(direction="input", nets=range(k)) for n, k in widths.items()}
    netlist: Any = SimpleNamespace(ports=ports)
    streams = unit_streams(netlist, spec, "uniform")
    assert streams is not None
    for name, width in widths.items():
        assert streams[name].shape == streams["clear"].shape
        assert int(streams[name].max()).bit_length() == width
