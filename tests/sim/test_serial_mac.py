# amaranth: UnusedElaboratable=no
"""Bit-serial unit: specs, golden model against NumPy, Verilog against the golden model."""

import re
import shutil

import numpy as np
import pytest

from macwright.hw.pe import SerialMac, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")


def run(model, acts, weights, bits):
    """Dot products of shape (terms, lanes), digit by digit from the top."""
    spec = model.spec
    steps = -(-bits // spec.step)
    codes = weights % 2 ** (steps * spec.step)
    for step in range(steps):
        digits = codes >> ((steps - 1 - step) * spec.step) & (2**spec.step - 1)
        for k in range(len(acts)):
            model.step(
                a=sum(int(x) % 2**8 << (8 * i) for i, x in enumerate(acts[k])),
                w=sum(int(d) << (spec.step * i) for i, d in enumerate(digits[k])),
                clear=int(step == k == 0),
                shift=int(k == 0 and step > 0),
                sign=int(step == 0),
            )
    half = 2 ** (spec.acc.width - 1)
    return (model.acc + half) % (2 * half) - half


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 8])
def test_golden_is_the_dot_product(step, bits):
    fields = {"lanes": 3, "step": step, "acc": "exact", "terms": 10}
    spec, rng = spec_from_fields("serial_mac", fields), np.random.default_rng(bits)
    acts = rng.integers(-128, 128, (10, 3))
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (10, 3))
    assert run(golden_model(spec), acts, weights, bits) == int((acts * weights).sum())


def test_exact_accumulator_holds_the_terms_and_no_more():
    fields = {"lanes": 2, "step": 2, "acc": "exact", "terms": 15}
    spec = spec_from_fields("serial_mac", fields)
    # 15 * 2 * 2**14 < 2**19 <= 16 * 2 * 2**14
    assert (str(spec.acc), spec.safe_terms) == ("int20", 15)
    for terms, fits in ((15, True), (16, False)):
        full = np.full((terms, 2), -128)
        assert (run(golden_model(spec), full, full, 8) == terms * 2 * 128**2) == fits


@pytest.mark.slow
@needs_icarus
def test_verilog_matches_the_golden_model_and_a_change_is_caught(tmp_path):
    fields = {"lanes": 2, "act": "uint3", "weight": "int4", "acc": "exact", "rst": True}
    manifest = write_unit(spec_from_fields("serial_mac", fields), tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(r"= shift \? ", "= !shift ? ", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["products"]).failures
    assert re.search(r"acc is \S+, expected 0x\w+, for a=0x\w+ w=0x\w+ sign=0x", failures[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"step": "3"}, r"^serial_mac step must be 1 or 2, not 3$"),
        ({"lanes": "0"}, r"^Number of lanes must be an integer from 1 to 64, not 0$"),
        ({"weight": "uint4"}, r"^serial_mac weight format must be signed, not uint4$"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        spec_from_fields("serial_mac", fields)


def test_component_takes_only_its_spec():
    with pytest.raises(TypeError, match=r"^SerialMac takes a SerialMacSpec, not 8$"):
        SerialMac(8)  # type: ignore[arg-type]
