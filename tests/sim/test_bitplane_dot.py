# amaranth: UnusedElaboratable=no
"""Dot product by bit planes: specs, golden model against NumPy, Verilog against both."""

import re
import shutil

import numpy as np
import pytest

from macwright.hw.pe import BitplaneDot, BitplaneDotSpec, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
SMALL = {"lanes": 2, "act": "int4", "weight": "int4", "acc": "exact", "terms": 50, "en": True}


@pytest.mark.parametrize("act", ["int8", "uint8"])
@pytest.mark.parametrize("mode", range(4))
def test_golden_is_the_matrix_product(act, mode):
    spec = spec_from_fields("bitplane_dot", {"act": act, "lanes": 5, "acc": "exact"})
    model, rng, bits = golden_model(spec), np.random.default_rng(mode), 8 >> mode
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if bits > 1 else (0, 2)
    least = -128 if act == "int8" else 0
    total = 0
    for cycle in range(20):
        weights = rng.integers(low, high, 5 << mode)
        acts = rng.integers(least, least + 256, 5 << mode)
        word = sum(int(w) % 2**bits << (k * bits) for k, w in enumerate(weights))
        planes = sum(int(a) % 256 << (8 * p) for p, a in enumerate(np.repeat(acts, bits)))
        model.step(a=planes, w=word, mode=mode, clear=int(cycle == 0))
        total += int(weights @ acts)
        assert model.acc == total % 2**spec.acc.width


def test_exact_accumulator_holds_the_terms_and_no_more():
    spec = spec_from_fields("bitplane_dot", SMALL)
    # By hand, W4 and unlike planes: a lane gives from 7 * -8 - 8 * 7 = -112 to 7 * 7 + 8 * 8 = 113;
    # 50 * 226 = 11300 < 2**14 <= 73 * 226.
    assert (str(spec.acc), spec.safe_terms, spec.sum_range) == ("int15", 72, (-224, 226))
    model = golden_model(spec)
    sums = [model.cycle_sum(**vector) for vector in model.extremes()]
    assert (min(sums), max(sums)) == spec.sum_range


@pytest.mark.slow
@needs_icarus
def test_verilog_matches_the_golden_model_and_a_change_is_caught(tmp_path):
    manifest = write_unit(spec_from_fields("bitplane_dot", SMALL), tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(r"assign mode_1 = mode ==", "assign mode_1 = mode !=", path.read_text())
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["corners"]).failures
    assert re.search(r"acc is \S+, expected 0x\w+, for a=0x\w+ w=0x\w+ mode=0x\w", failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"weight": "int3"}, ValueError, r"weight format must be int2, int4, int8 or int16, not i"),
        ({"weight": "uint4"}, ValueError, r"^bitplane_dot weight format must be signed, not uint4"),
        ({"act": "e4m3"}, TypeError, r"^bitplane_dot act format must be a full-range integer, not"),
        ({"lanes": "65"}, ValueError, r"^Number of lanes must be an integer from 1 to 64, not 65$"),
        ({"acc": "int8"}, ValueError, r"^bitplane_dot accumulator must hold the sum of one cycle"),
        ({"acc": "uint32"}, TypeError, r"accumulator must be a signed integer format, not uint32$"),
        ({"target": "xc7"}, ValueError, r"target must be generic, asic or asic_inverting, not xc7"),
        ({"terms": "4"}, ValueError, r"^Number of terms must come with accumulator exact, not int"),
        ({"acc": "exact", "terms": 0}, ValueError, r"^Number of terms must be an integer of at l"),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("bitplane_dot", fields)


def test_modes_and_targets():
    spec = BitplaneDotSpec(lanes=32)
    assert spec.modes == {"w8": 32, "w4": 64, "w2": 128, "w1": 256}
    assert spec.tuned("asic").target == "asic"
    assert spec.tuned("asic_inverting").target == "asic_inverting"
    assert spec.tuned("ecp5") == spec
    with pytest.raises(TypeError, match=r"^BitplaneDot takes a BitplaneDotSpec, not 8$"):
        BitplaneDot(8)  # type: ignore[arg-type]
