"""Minifloats against ml_dtypes, gfloat and NumPy: every code word, and rounding."""

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from macwright.hw.formats import E8M0Format, FloatFormat, parse_format

ML_DTYPES = {
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3": ml_dtypes.float8_e4m3,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e5m2": ml_dtypes.float8_e5m2,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e2m3fn": ml_dtypes.float6_e2m3fn,
    "e3m2fn": ml_dtypes.float6_e3m2fn,
    "e2m1fn": ml_dtypes.float4_e2m1fn,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}
GFLOAT = {
    "e4m3fn": gfloat.formats.format_info_ocp_e4m3,
    "e5m2": gfloat.formats.format_info_ocp_e5m2,
    "e3m2fn": gfloat.formats.format_info_ocp_e3m2,
    "e2m3fn": gfloat.formats.format_info_ocp_e2m3,
    "e2m1fn": gfloat.formats.format_info_ocp_e2m1,
    "fp16": gfloat.formats.format_info_binary16,
    "bf16": gfloat.formats.format_info_bfloat16,
    "e8m0fnu": gfloat.formats.format_info_ocp_e8m0,
    "int8q6": gfloat.formats.format_info_ocp_int8,
}
BITS16 = np.arange(1 << 16, dtype=np.uint16)
SOURCES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def same(got: NDArray, want: NDArray) -> NDArray[np.bool_]:
    """Where two arrays are equal, zeros in their signs too, and NaN equal to NaN."""
    equal = (got == want) & (np.signbit(got) == np.signbit(want))
    return equal | np.isnan(got) & np.isnan(want)


def assert_same(got: NDArray, want: NDArray, inputs: NDArray) -> None:
    wrong = np.flatnonzero(~same(got, want))[:5]
    assert not wrong.size, f"{inputs[wrong]} became {got[wrong]}, not {want[wrong]}"


def cast(values: NDArray, dtype: type) -> NDArray[np.float64]:
    """Values rounded by ml_dtypes or NumPy."""
    with np.errstate(all="ignore"):
        return values.astype(dtype).astype(np.float64)


@pytest.mark.parametrize("name", ML_DTYPES)
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    fmt = parse_format(name)
    codes = np.arange(1 << fmt.width)
    words = codes.astype(np.uint8 if fmt.width <= 8 else np.uint16)
    want = cast(words.view(ML_DTYPES[name]), np.float64)
    assert_same(fmt.decode(codes), want, codes)
    # Back: NaN has many code words, the others one each.
    number = ~np.isnan(want)
    assert np.array_equal(fmt.encode(want, saturate=False)[number], codes[number])


@pytest.mark.parametrize("name", GFLOAT)
def test_every_code_decodes_as_in_gfloat(name: str) -> None:
    fmt, info = parse_format(name), GFLOAT[name]
    codes = np.arange(1 << fmt.width)
    want = np.array([gfloat.decode_float(info, int(code)).fval for code in codes])
    assert_same(fmt.decode(codes), want, codes)
    assert fmt.max == info.max


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ML_DTYPES)
def test_all_16_bit_inputs_round_and_overflow_as_in_ml_dtypes(
    name: str, source: str, dtype: type
) -> None:
    fmt = parse_format(name)
    with np.errstate(all="ignore"):
        values = BITS16.view(SOURCES[source]).astype(dtype)
    want = cast(values, ML_DTYPES[name])
    got = fmt.quantize(values, saturate=False)
    assert got.dtype == dtype
    assert_same(got, want, values)
    codes = fmt.encode(values, saturate=False)
    assert_same(fmt.decode(codes), want, values)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", [name for name in ML_DTYPES if name not in ("fp16", "bf16")])
def test_16_bit_arrays_need_no_cast(name: str, source: str) -> None:
    fmt, values = parse_format(name), BITS16.view(SOURCES[source])
    got = fmt.quantize(values, saturate=False)
    assert got.dtype == (np.float16 if source == "float16" else np.float64)
    want = cast(values, ML_DTYPES[name])
    assert_same(got.astype(np.float64), want, values)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ML_DTYPES)
def test_saturation_changes_only_what_overflows(name: str, source: str) -> None:
    fmt = parse_format(name)
    values = cast(BITS16.view(SOURCES[source]), np.float64)
    want = cast(values, ML_DTYPES[name])
    over = ~np.isnan(values) & ~(np.abs(want) <= fmt.max)
    want[over] = np.copysign(fmt.max, values[over])
    want[np.isnan(values)] = np.nan
    assert_same(fmt.quantize(values), want, values)
    if fmt.has_nan:
        assert_same(fmt.decode(fmt.encode(values)), want, values)


@pytest.mark.parametrize("saturate", [False, True])
@pytest.mark.parametrize("name", ML_DTYPES)
def test_random_float32_words_round_once(name: str, saturate: bool) -> None:
    fmt = parse_format(name)
    words = np.random.default_rng(1).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    values = words.view(np.float32)
    # Half of them near one, where few are out of range.
    values[100_000:] = np.random.default_rng(2).normal(0, fmt.max**0.25, 100_000)
    values = values[~np.isnan(values)]
    want = cast(values, ML_DTYPES[name])
    if saturate:
        over = ~(np.abs(want) <= fmt.max)
        want[over] = np.copysign(fmt.max, values[over])
    assert_same(fmt.quantize(values, saturate=saturate).astype(np.float64), want, values)


def test_fp32_is_float32() -> None:
    fmt = parse_format("fp32")
    words = np.random.default_rng(3).integers(0, 1 << 32, 100_000, dtype=np.uint32)
    values = words.view(np.float32)
    values = values[~np.isnan(values)]
    assert_same(fmt.quantize(values), values, values)
    assert np.array_equal(fmt.encode(values), values.view(np.uint32))
    assert np.array_equal(fmt.decode(values.view(np.uint32)), values)
    wide = np.random.default_rng(4).normal(0, 1, 100_000) * 2.0 ** np.arange(-160, 140, 0.003)
    assert_same(fmt.quantize(wide, saturate=False), cast(wide, np.float32), wide)


@pytest.mark.parametrize("name", [*ML_DTYPES, "e3m0fin", "e4m3wp", "e8m0fin"])
def test_huge_float32_stays_finite_where_it_saturates(name: str) -> None:
    fmt = parse_format(name)
    values = np.array([np.inf, -np.inf, 3.4028235e38, -3.4028235e38], dtype=np.float32)
    got = fmt.quantize(values)
    assert np.isfinite(got).all()
    assert np.array_equal(fmt.quantize(got), got)
    assert np.array_equal(got, np.copysign(got[0], values))


def test_nan_where_there_is_none() -> None:
    fmt = parse_format("e2m1fn")
    assert np.isnan(fmt.quantize(np.nan))
    with pytest.raises(ValueError, match="Values of e2m1fn must be numbers, not NaN"):
        fmt.encode([1.0, np.nan])
    assert fmt.encode([1.0, np.nan], saturate=False).tolist() == [2, 8]


def test_e8m0_agrees_with_ml_dtypes() -> None:
    fmt = E8M0Format()
    codes = np.arange(256)
    want = cast(codes.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu), np.float64)
    assert_same(fmt.decode(codes), want, codes)
    values = cast(BITS16.view(ml_dtypes.bfloat16), np.float64)
    # Below the smallest midpoint ml_dtypes rounds some subnormals of bfloat16 up.
    values = values[~((values > 2.0**-127) & (values < 1.5 * 2.0**-127))]
    with np.errstate(all="ignore"):
        want = cast(values.astype(np.float32), ml_dtypes.float8_e8m0fnu)
    assert_same(fmt.quantize(values, saturate=False), want, values)
    assert_same(fmt.decode(fmt.encode(values, saturate=False)), want, values)


def test_properties_of_a_format() -> None:
    fmt = FloatFormat(4, 3, specials="fn")
    assert (fmt.width, fmt.signed, fmt.min, fmt.max) == (8, True, -448.0, 448.0)
    assert fmt.smallest_positive == 2.0**-9
    assert fmt.bits_per_value == 8.0
    assert fmt.level_count == len(fmt.levels()) == 253


def test_code_words_out_of_range_are_refused() -> None:
    fmt = parse_format("e2m1fn")
    with pytest.raises(ValueError, match="Code words of e2m1fn must be from 0 to 15, not 16"):
        fmt.decode([3, 16])
    with pytest.raises(ValueError, match="Code words of e2m1fn must be from 0 to 15, not -1"):
        fmt.decode([-1])
    with pytest.raises(TypeError, match="Code words must be integers, not float64"):
        fmt.decode([1.0])
    with pytest.raises(ValueError, match="Levels need a format of at most 16 bits, not fp32"):
        parse_format("fp32").levels()
