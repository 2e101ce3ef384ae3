# amaranth: UnusedElaboratable=no
"""Requantiser: specs, golden model against NumPy, Verilog against the golden model."""

import re
import shutil

import ml_dtypes
import numpy as np
import pytest

from macwright.hw.pe import Requant, spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")


@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
def test_golden_agrees_with_numpy(rounding):
    fields = {"rounding": rounding, "zero": True, "weight": "uint8", "act": "int16"}
    spec, rng = spec_from_fields("requant", fields), np.random.default_rng(3)
    model = golden_model(spec)
    x, bias = rng.integers(-(2**9), 2**9, (2, 2000))
    scale, shift, zero = rng.integers(0, 256, 2000), rng.integers(6, 14, 2000), rng.integers(-9, 9)
    exact = (x + bias) * scale / 2.0**shift  # exact in float64: 10 + 8 bits
    rounded = np.rint(exact) if rounding == "half_even" else np.floor(exact + 0.5)
    want = np.clip(rounded + zero, -128, 127).astype(int).tolist()
    rows = np.stack([x % 2**16, bias % 2**16, scale, shift], axis=1).tolist()
    names = ("x", "bias", "scale", "shift")
    got = [model.result(**dict(zip(names, row, strict=True)), zero=int(zero) % 256) for row in rows]
    assert got == want
    assert (exact % 1 == 0.5).sum() > 5


@pytest.mark.parametrize("name", ["bf16", "e5m2"])
def test_golden_float_scale_agrees_with_ml_dtypes(name):
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bf16" else ml_dtypes.float8_e5m2)
    fields = {"weight": name, "bias": False, "acc": "int16"}
    model, rng = golden_model(spec_from_fields("requant", fields)), np.random.default_rng(4)
    scales = (2.0 ** rng.uniform(-12, 3, 500)).astype(dtype)
    codes = scales.view(np.uint16 if name == "bf16" else np.uint8).tolist()
    xs = rng.integers(-(2**15), 2**15, 500).tolist()
    want = np.clip(np.rint(xs * scales.astype(np.float64)), -(2**15), 2**15 - 1).astype(int)
    got = [model.result(x=x % 2**32, scale=code) for x, code in zip(xs, codes, strict=True)]
    assert got == want.tolist()


@needs_icarus
@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [
        pytest.param(
            {"weight": "uint5", "shift_bits": 3, "zero": True},
            r"sticky = (.*);",
            r"sticky = 1'h1;",
            marks=pytest.mark.slow,
        ),
        ({"weight": "e4m3fn", "bias": False, "pipeline": 1}, r"sticky = (.*);", r"sticky = 1'h0;"),
    ],
    ids=["dyadic", "float"],
)
def test_verilog_matches_the_golden_model_and_a_change_is_caught(fields, old, new, tmp_path):
    spec = spec_from_fields("requant", {"act": "int12", "acc": "int6", **fields})
    manifest = write_unit(spec, tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(old, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["ties", "numbers"]).failures
    assert re.search(r"y is \S+, expected 0x\w+, for x=0x\w+", failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"rounding": "down"}, ValueError, r"^requant rounding must be half_even or half_up, not"),
        ({"weight": "int8"}, ValueError, r"^requant weight format must be unsigned, of 1 to 32 bi"),
        ({"weight": "ternary"}, TypeError, r"^requant weight format must be an integer or a float"),
        ({"act": "uint8"}, ValueError, r"^requant act format must be signed, not uint8$"),
        ({"acc": "int33"}, ValueError, r"^requant acc format must have 1 to 32 bits, not int33$"),
        ({"shift_bits": "7"}, ValueError, r"^requant shift_bits must be an integer from 1 to 6, n"),
        ({"target": "asic"}, ValueError, r"^requant target must be generic, not asic$"),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("requant", fields)


def test_component_takes_only_its_spec():
    with pytest.raises(TypeError, match=r"^Requant takes a RequantSpec, not 8$"):
        Requant(8)  # type: ignore[arg-type]
