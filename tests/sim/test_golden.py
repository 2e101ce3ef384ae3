"""Golden models against ml_dtypes and exact fractions."""

import random
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from macwright.hw.formats import parse_format
from macwright.hw.pe import IntMacSpec, spec_from_fields
from macwright.sim.golden import IntMacModel, MinifloatMacModel, decode, legal_codes

DTYPES = {
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2": ml_dtypes.float8_e5m2,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e3m4": ml_dtypes.float8_e3m4,
    "e2m1fn": ml_dtypes.float4_e2m1fn,
    "e3m2fn": ml_dtypes.float6_e3m2fn,
    "e2m3fn": ml_dtypes.float6_e2m3fn,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
}


@pytest.mark.parametrize("name", DTYPES)
def test_decode_agrees_with_ml_dtypes_on_every_code(name):
    fmt, dtype = parse_format(name), np.dtype(DTYPES[name])
    codes = np.arange(2**fmt.width).astype(np.uint16 if dtype.itemsize == 2 else np.uint8)
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = codes.view(dtype).astype(np.float64)
    for code, want in enumerate(values):
        got = decode(fmt, code)
        if isinstance(got, str):
            assert float(got) == want or (got == "nan" and np.isnan(want)), hex(code)
        else:
            assert int(got[0]) * 2.0 ** int(got[1]) == want, hex(code)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("binary", {0: -1, 1: 1}),
        ("ternary", {0: 0, 1: 1, 3: -1}),
        ("uint2", {0: 0, 1: 1, 2: 2, 3: 3}),
        ("int2", {0: 0, 1: 1, 2: -2, 3: -1}),
        ("int3sym", {0: 0, 1: 1, 2: 2, 3: 3, 5: -3, 6: -2, 7: -1}),
        ("e1m1fin", {0: 0, 1: 1, 2: 2, 3: 3, 4: 0, 5: -1, 6: -2, 7: -3}),
        ("e2m0wp", {0: 0, 1: Fraction(1, 2), 2: 1, 3: 2, 5: Fraction(-1, 2), 6: -1, 7: -2}),
    ],
)
def test_decode_by_hand(name, values):
    fmt = parse_format(name)
    found = {code: decode(fmt, code) for code in legal_codes(fmt)}
    numbers = {c: v[0] * Fraction(2) ** v[1] for c, v in found.items() if not isinstance(v, str)}
    assert numbers == values


@pytest.mark.parametrize(
    ("act", "weight", "drop"),
    [
        ("e4m3fn", "e4m3fn", 0),
        ("e5m2", "e2m1fn", 0),
        ("int8", "e4m3fnuz", 0),
        ("e3m4", "e3m4", 0),
        ("e5m2", "e5m2", 20),
        ("e4m3fn", "e4m3fn", 9),
    ],
)
def test_minifloat_sums_are_exact(act, weight, drop):
    fields = {"act": act, "weight": weight, "drop": drop, "terms": 2_000}
    spec = spec_from_fields("minifloat_mac", fields)
    model, rng = MinifloatMacModel(spec), random.Random(1)
    floats = [_values(fmt) for fmt in (act, weight)]
    unit = Fraction(2) ** spec.acc_exponent
    total = Fraction(0)
    for step in range(2_000):
        a, w = (rng.choice(list(table)) for table in floats)
        model.step(a=a, w=w, clear=int(step == 0))
        product = Fraction(floats[0][a]) * Fraction(floats[1][w]) / unit
        assert drop or product.denominator == 1
        total += int(product)  # toward zero
        half = 2 ** (spec.acc.width - 1)
        assert -half <= total < half, "the exact accumulator is too narrow"
        assert model.acc == total % (2 * half)


def _values(name: str) -> dict[int, float]:
    """Finite values of a format by code, from NumPy and ml_dtypes."""
    dtype = np.dtype(np.int8 if name == "int8" else DTYPES[name])
    codes = np.arange(2 ** parse_format(name).width, dtype=np.uint8)
    table = codes.view(dtype).astype(np.float64)
    return {int(c): float(v) for c, v in zip(codes, table, strict=True) if np.isfinite(v)}


def test_int_sum_wraps_at_the_width():
    model = IntMacModel(IntMacSpec(acc=parse_format("int16")))  # type: ignore[arg-type]
    rng, total = random.Random(2), 0
    for step in range(3_000):
        a, w = rng.randint(-128, 127), rng.randint(-128, 127)
        model.step(a=a % 256, w=w % 256, clear=int(step == 0))
        total += a * w
        assert model.acc == total % 65536


def test_nothing_is_promised_before_the_first_sum_but_after_reset():
    model = IntMacModel(IntMacSpec(rst=True, en=True))
    model.step(a=1, w=1, clear=0)
    assert model.acc is None
    model.step(a=1, w=1, clear=0, rst=1)
    assert model.acc == 0
    model.step(a=2, w=3, clear=0, en=0)
    assert model.acc == 0
    model.step(a=2, w=3, clear=0)
    assert model.acc == 6


def test_pipeline_delays_and_holds_without_enable():
    model = IntMacModel(IntMacSpec(pipeline=2, en=True))
    model.step(a=2, w=3, clear=1)
    model.step(a=1, w=1, clear=0)
    assert model.acc is None
    model.step(a=9, w=9, clear=0, en=0)
    assert model.acc is None
    model.step(a=4, w=4, clear=0)
    assert model.acc == 6
    model.step(a=0, w=0, clear=0)
    assert model.acc == 7


def test_invalid_stays_until_a_sum_without_specials():
    model = MinifloatMacModel(spec_from_fields("minifloat_mac", {"act": "e5m2", "rst": True}))
    found = []
    for a, w, clear in ((0x3C, 0x38, 1), (0x7C, 0, 0), (0x3C, 0x38, 0), (0, 0x7F, 1), (0, 0, 1)):
        model.step(a=a, w=w, clear=clear)
        found.append(model.invalid)
    assert found == [0, 1, 1, 1, 0]
