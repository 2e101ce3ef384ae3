"""Rounding accumulators: the golden model against NumPy, ml_dtypes and exact fractions."""

import random
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from macwright.hw.formats import parse_format
from macwright.hw.pe import spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.golden.rounding import round_to_code

DTYPES = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e4m3": ml_dtypes.float8_e4m3,
    "e5m2": ml_dtypes.float8_e5m2,
    "e3m4": ml_dtypes.float8_e3m4,
    "e2m1fn": ml_dtypes.float4_e2m1fn,
}


def _unsigned(dtype):
    return np.dtype(f"u{np.dtype(dtype).itemsize}")


@pytest.mark.parametrize("name", ["fp16", "bf16", "e4m3fn", "e4m3fnuz", "e4m3", "e5m2", "e3m4"])
def test_rounding_agrees_with_ml_dtypes(name):
    """Every number, every midpoint and its neighbours, beyond the largest number too."""
    fmt, dtype = parse_format(name), DTYPES[name]
    finite = np.unique(np.asarray(fmt.levels(), dtype=np.float64))
    if len(finite) > 2**12:
        finite = np.concatenate([finite[:1200], finite[::97], finite[-1200:]])
        finite = np.unique(finite)
    middle = (finite[1:] + finite[:-1]) / 2
    step = finite[-1] - finite[-2]
    beyond = finite[-1] + step * np.array([0.25, 0.5, 0.75, 1.0, 3.0])
    values = np.concatenate([finite, middle, middle * (1 + 2**-20), middle * (1 - 2**-20)])
    # ml_dtypes rounds float64 twice, by way of float32.
    values = np.concatenate([values, beyond, -beyond])
    with np.errstate(over="ignore"):
        values = values[np.abs(values) < 3e38].astype(np.float32)
    with np.errstate(over="ignore"):
        want = values.astype(dtype).view(_unsigned(dtype)).astype(int)
    for value, code in zip(values, want, strict=True):
        number, den = float(value).as_integer_ratio()
        got = round_to_code(fmt, number, 1 - den.bit_length())
        if np.isnan(np.array(code, _unsigned(dtype)).view(dtype).astype(np.float64)):
            assert np.isnan(fmt.decode([got])[0]), value
        else:
            assert got == code, (value, hex(got), hex(code))


def test_rounding_to_fp32_agrees_with_numpy():
    fmt, rng = parse_format("fp32"), np.random.default_rng(3)
    exponents = rng.uniform(-155, 130, 4_000)
    values = np.exp2(exponents) * rng.choice([-1, 1], 4_000)
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.nextafter(short, np.float32(np.inf))
        ties = (short.astype(np.float64) + near.astype(np.float64)) / 2
        values = np.concatenate([values, ties[np.isfinite(ties)]])
        want = values.astype(np.float32).view(np.uint32)
    for value, code in zip(values, want, strict=True):
        number, den = float(value).as_integer_ratio()
        assert round_to_code(fmt, number, 1 - den.bit_length()) == code, value


CASES = [
    ("e4m3fn", "e4m3fn", "fp16"),
    ("e5m2", "e5m2", "bf16"),
    ("e4m3fn", "e4m3fn", "e4m3fn"),
    ("e5m2", "e4m3fn", "e5m2"),
    ("e4m3", "e2m1fn", "e4m3fnuz"),
    ("e4m3fn", "e4m3fn", "fp32"),
    ("e5m2", "e5m2", "fp32"),
]


def _to_odd(before, product):
    """Sum in float64; of two neighbours the odd one, from which any narrower format rounds right.

    (Boldo and Melquiond, 2008.)
    """
    total = before + product
    if not np.isfinite(total):
        return total
    left = Fraction(before) + Fraction(product) - Fraction(total)
    if left and np.float64(total).view(np.int64) % 2 == 0:
        total = np.nextafter(total, np.inf if left > 0 else -np.inf)
    return total


def _odd_float32(value):
    """The same in float32, which ml_dtypes goes through."""
    short = np.float32(value)
    if np.isfinite(short) and float(short) != value and short.view(np.int32) % 2 == 0:
        short = np.nextafter(short, np.float32(np.inf if value > short else -np.inf))
    return short


@pytest.mark.parametrize(("act", "weight", "acc"), CASES)
def test_sums_are_those_of_exact_arithmetic_rounded_by_numpy(act, weight, acc):
    """Signed zeros, infinities and NaN included."""
    spec = spec_from_fields("minifloat_mac", {"act": act, "weight": weight, "acc": acc})
    model, rng, dtype = golden_model(spec), random.Random(5), DTYPES[acc]
    tables = [
        np.arange(2 ** parse_format(n).width, dtype=np.uint8).view(DTYPES[n]).astype(np.float64)
        for n in (act, weight)
    ]
    total = 0.0
    for step in range(1_500):
        a, w = (rng.randrange(len(table)) for table in tables)
        if not np.isfinite(tables[0][a]) and rng.random() < 0.9:
            a = 0
        if not np.isfinite(tables[1][w]) and rng.random() < 0.9:
            w = 0
        clear = step == 0 or rng.random() < 0.05 or not np.isfinite(total)
        model.step(a=a, w=w, clear=int(clear))
        before = 0.0 if clear else total
        with np.errstate(all="ignore"):
            product = tables[0][a] * tables[1][w]
            exact = _to_odd(before, product)
            if dtype not in (np.float32, np.float16):
                exact = _odd_float32(exact)
            rounded = np.array(exact).astype(dtype)
        want = int(rounded.view(_unsigned(dtype)))
        total = float(rounded.astype(np.float64))
        assert model.acc is not None
        got = float(parse_format(acc).decode([model.acc])[0])
        if np.isnan(total):
            assert np.isnan(got), (step, a, w)
        else:
            assert model.acc == want, (step, hex(a), hex(w), exact)


def test_format_without_nan_flags_and_saturates():
    spec = spec_from_fields("minifloat_mac", {"act": "e5m2", "weight": "e5m2", "acc": "e5m6fin"})
    model = golden_model(spec)
    found = []
    for a, clear in ((0x7B, 1), (0x7C, 0), (0x7B, 0), (0xFB, 1)):
        model.step(a=a, w=0x7B, clear=clear)
        found.append((model.acc, model.invalid))
    assert found == [(0x7FF, 0), (None, 1), (None, 1), (0xFFF, 0)]
