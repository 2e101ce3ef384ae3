# amaranth: UnusedElaboratable=no
"""Shift-add unit: specs, golden model against dequantisation in NumPy, Verilog against both."""

import re
import shutil
from fractions import Fraction

import numpy as np
import pytest

from macwright.hw.formats import parse_format
from macwright.hw.pe import ShiftAddMac, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
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


def test_golden_of_fp16_is_exact_dequantisation():
    """Against NumPy's float16 and fractions; NaN flags the group and the total."""
    fields = {"act": "fp16", "weight": "int3", "zero": "uint3", "group": 5, "rst": True}
    spec, rng = spec_from_fields("shift_add_mac", fields), np.random.default_rng(8)
    assert (str(spec.total), spec.acc_exponent) == ("int64", -24)
    model, codes = golden_model(spec), rng.integers(0, 2**16, (6, 5)).astype(np.uint16)
    codes[np.isnan(codes.view(np.float16)) | np.isinf(codes.view(np.float16))] = 1
    weights = rng.integers(-4, 4, (6, 5))
    scales, zeros = rng.integers(0, 256, 6).tolist(), rng.integers(0, 8, 6).tolist()
    total = Fraction(0)
    model.step(a=0, w=0, clear=1, rst=1, take=0, start=0, scale=0, zero=0)
    for k in range(6):
        for i in range(5):
            number = int(codes[k, i])
            flags = {"take": int(i == 0), "start": 0, "scale": scales[k - 1], "zero": zeros[k - 1]}
            model.step(a=number, w=int(weights[k, i]) % 8, clear=int(i == 0), **flags)
            if i == 0:
                assert model.total == total * 2**24 % 2**64
        values = [Fraction(float(x)) for x in codes[k].view(np.float16)]
        pairs = list(zip(values, weights[k].tolist(), strict=True))
        assert model.acc == sum(x * w for x, w in pairs) * 2**24 % 2**spec.acc.width
        total += sum(scales[k] * x * (w - zeros[k]) for x, w in pairs)
    found = []
    for a, take, start in ((0x7C00, 1, 0), (0, 1, 0), (0, 1, 1), (0x7E01, 0, 0), (0, 1, 0)):
        model.step(a=a, w=1, clear=1, take=take, start=start, scale=1, zero=0)
        found.append((model.invalid, model.total_invalid))
    assert found == [(1, 0), (0, 1), (0, 0), (1, 0), (0, 1)]


@needs_icarus
@pytest.mark.parametrize("weight", ["int2", "pot2"])
def test_verilog_of_float_activations(weight, tmp_path):
    fields = {"act": "e3m2", "weight": weight, "group": 3, "scale": "uint2", "total": "int20"}
    spec = spec_from_fields("shift_add_mac", {**fields, "zero": "int2", "en": True})
    manifest = write_unit(spec, tmp_path)
    assert manifest["bench"]["tests"][-2:] == ["totals", "specials"]
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(r"assign (\S+) += & a\[4:2\];", r"assign \1 = a[4];", path.read_text())
    assert count >= 1
    path.write_text(text)
    assert simulate(tmp_path, simulator="icarus").failures != []


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
        ({"act": "bf16"}, ValueError, r"must be small enough for a 64-bit accumulator, not 128$"),
        ({"act": "pot4"}, TypeError, r"^shift_add_mac act format must be a full-range integer, no"),
        ({"act": "fp16", "total": "int50"}, ValueError, r"\(at least int59\), not int50$"),
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
