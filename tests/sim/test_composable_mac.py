# amaranth: UnusedElaboratable=no
"""Composable unit: specs, golden model against NumPy, Verilog against both."""

import re
import shutil

import numpy as np
import pytest

from macwright.hw.pe import ComposableMac, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
SMALL = {"act": "int4", "weight": "int4", "acc": "exact", "terms": 9, "en": True}


def pack(values, width):
    """Word with the values side by side, the first lowest."""
    return sum(int(v) % 2**width << (k * width) for k, v in enumerate(values))


def digits_for_leaves(acts, weights, a_bits, w_bits, leaf, count):
    """Ports of the fusion variant: each operand copied to the leaves of its products."""
    across = count * leaf // w_bits
    a = w = 0
    for i in range(count):
        for j in range(count):
            product = (i * leaf // a_bits) * across + j * leaf // w_bits
            x = int(acts[product]) % 2**a_bits >> (i * leaf % a_bits) & (2**leaf - 1)
            y = int(weights[product]) % 2**w_bits >> (j * leaf % w_bits) & (2**leaf - 1)
            a |= x << (i * count + j) * leaf
            w |= y << (i * count + j) * leaf
    return a, w


@pytest.mark.parametrize(
    ("variant", "leaf"), [("sum_together", 2), ("fusion", 2), ("fusion", 4)], ids=str
)
def test_golden_is_the_sum_of_the_products(variant, leaf):
    fields = {"variant": variant, "leaf": leaf}
    spec, rng = spec_from_fields("composable_mac", fields), np.random.default_rng(leaf)
    model = golden_model(spec)
    for mode, (name, count) in enumerate(spec.modes.items()):
        a_bits, w_bits = map(int, name.split("x"))
        for _ in range(50):
            acts = rng.integers(-(2 ** (a_bits - 1)), 2 ** (a_bits - 1), count)
            weights = rng.integers(-(2 ** (w_bits - 1)), 2 ** (w_bits - 1), count)
            if variant == "fusion":
                a, w = digits_for_leaves(acts, weights, a_bits, w_bits, leaf, 8 // leaf)
            else:
                a, w = pack(acts, a_bits), pack(weights, w_bits)
            assert model.cycle_sum(a=a, w=w, mode=mode) == int(acts @ weights)


@pytest.mark.parametrize("variant", ["sum_together", "fusion"])
def test_claimed_range_is_reached_and_not_left(variant):
    spec = spec_from_fields("composable_mac", {"variant": variant, "acc": "exact"})
    model = golden_model(spec)
    sums = [model.cycle_sum(**vector) for vector in model.extremes()]
    assert (min(sums), max(sums)) == spec.sum_range
    assert spec.safe_terms >= 1024
    assert (spec.safe_terms + 1) * max(sums) >= 2 ** (spec.acc.width - 1)


@needs_icarus
@pytest.mark.parametrize(
    "variant", [pytest.param("sum_together", marks=pytest.mark.slow), "fusion"]
)
def test_verilog_matches_the_golden_model_and_a_change_is_caught(variant, tmp_path):
    fields = {**SMALL, "variant": variant}
    manifest = write_unit(spec_from_fields("composable_mac", fields), tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(r"mode_0 = (.*);", r"mode_0 = ~(\1);", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["corners"]).failures
    assert re.search(r"acc is \S+, expected 0x\w+, for a=0x\w+ w=0x\w+ mode=0x\w", failures[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"act": "int4"},
            r"^composable_mac formats must both be int4, int8 or int16, not int4 and",
        ),
        ({"variant": "magic"}, r"^composable_mac variant must be sum_together or fusion, not 'mag"),
        ({"leaf": "8"}, r"^composable_mac leaf must be 2, 4 or 8 bits and less than 8, not 8$"),
        ({"leaf": "3"}, r"^composable_mac leaf must be 2, 4 or 8 bits and less than 8, not 3$"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        spec_from_fields("composable_mac", fields)


def test_component_takes_only_its_spec():
    with pytest.raises(TypeError, match=r"^ComposableMac takes a ComposableMacSpec, not 8$"):
        ComposableMac(8)  # type: ignore[arg-type]
