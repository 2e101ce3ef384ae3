# amaranth: UnusedElaboratable=no
"""Shift-add unit: specs, golden model against dequantisation in NumPy, Verilog against both."""

import re
import shutil

import numpy as np
import pytest

from macwright.hw.formats import parse_format
from macwright.hw.pe import ShiftAddMac, spec_from_fields
from macwright.sim.generate import write_unit
from macwright.sim.golden import golden_model
from macwright.sim.golden.shift_add_mac import weight_value
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
SMALL = {"act": "int4", "weight": "apot4", "group": 4, "scale": "uint3", "zero": "int2"}
SMALL |= {"total": "int20", "rst": True}


@pytest.mark.parametrize("name", ["int4", "uint3", "pot2", "pot4", "pot6", "apot3", "apot7"])
def test_weights_are_those_of_the_format(name):
    fmt = parse_format(name)
    values = fmt.decode(np.arange(2**fmt.width))
    assert [weight_value(fmt, code) for code in range(2**fmt.width)] == values.tolist()


@pytest.mark.parametrize("weight", ["int4", "pot3", "ternary"])
def test_golden_is_dequantisation_in_the_loop(weight):
    fields = {"weight": weight, "zero": "int3", "group": 6, "total": "int40", "act": "uint8"}
    spec = spec_from_fields("shift_add_mac", fields)
    model, rng = golden_model(spec), np.random.default_rng(1)
    codes = np.array([0, 1, 3] if weight == "ternary" else range(2**spec.weight.width))
    values = np.array([weight_value(spec.weight, int(c)) for c in codes])
    acts, picks = rng.integers(0, 256, (9, 6)), rng.integers(0, len(codes), (9, 6))
    scales, zeros = rng.integers(0, 256, 9), rng.integers(-4, 4, 9)
    for k in range(9):
        for i in range(6):
            model.step(
                a=int(acts[k, i]),
                w=int(codes[picks[k, i]]),
                clear=int(i == 0),
                take=int(i == 0 and k > 0),
                start=int(k == 1),
                scale=int(scales[k - 1]),
                zero=int(zeros[k - 1]) % 8,
            )
        assert model.acc == int(acts[k] @ values[picks[k]]) % 2**spec.acc.width
    weights = scales[:, None] * (values[picks] - zeros[:, None])
    assert model.total == int((acts * weights)[:8].sum()) % 2**40


@needs_icarus
def test_verilog_matches_the_golden_model_and_a_change_is_caught(tmp_path):
    manifest = write_unit(spec_from_fields("shift_add_mac", SMALL), tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(r"row_0 = (\d+)'h00;", r"row_0 = \1'h01;", path.read_text())
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["groups"]).failures
    assert re.search(r"acc is \S+, expected 0x\w+, for a=0x\w+ w=0x\w+ scale=0x", failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"weight": "int5"}, ValueError, r"^shift_add_mac weight format must have 1 to 4 bits, no"),
        ({"weight": "e2m1fn"}, TypeError, r"an integer of 1 to 4 bits, ternary, pot or apot, not"),
        ({"group": "0"}, ValueError, r"^Group must be an integer from 1 to 65536, not 0$"),
        ({"acc": "int18"}, ValueError, r"^shift_add_mac accumulator must hold a group of 128, not"),
        (
            {"total": "int20"},
            ValueError,
            r"must hold one group of 128 \(at least int26\), not",
        ),
        ({"scale": "int8"}, ValueError, r"^shift_add_mac scale format must be unsigned, not int8$"),
        (
            {"scale": "none", "zero": "int4"},
            ValueError,
            r"zero must be none without a scale",
        ),
        ({"pipeline": "2"}, ValueError, r"^Unit pipeline must be an integer from 0 to 1 "),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("shift_add_mac", fields)


def test_component_takes_only_its_spec():
    with pytest.raises(TypeError, match=r"^ShiftAddMac takes a ShiftAddMacSpec, not 8$"):
        ShiftAddMac(8)  # type: ignore[arg-type]
