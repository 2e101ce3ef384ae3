"""What every format promises, whatever its levels are: checked against the list of levels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.hw.formats import FORMAT_NAMES, BlockFormat, E8M0Format, Format, parse_format

SCALARS = [
    *(
        name
        for name in FORMAT_NAMES
        if not isinstance(parse_format(name), BlockFormat | E8M0Format) and name != "fp32"
    ),
    *("int1", "uint1", "int12", "uint16", "int3sym", "int8q6", "uint5q-3", "int4q9"),
    *("pot2", "pot6", "apot3", "apot6", "e1m0fin", "e1m0wp", "e10m1fin"),
]
NAMES = st.sampled_from(SCALARS)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(-9, 9, width=32)


def neighbours(fmt: Format, value: float) -> tuple[float, float]:
    """Largest level not above, and smallest not below, the value clipped to the format."""
    levels = fmt.levels()
    clipped = min(max(value, levels[0]), levels[-1])
    low = levels[np.searchsorted(levels, clipped, "right") - 1]
    return float(low), float(levels[np.searchsorted(levels, clipped, "left")])


@given(NAMES, st.lists(NUMBERS, min_size=1, max_size=20))
def test_nearest_is_a_nearest_level(name: str, numbers: list[float]) -> None:
    fmt = parse_format(name)
    for number, got in zip(numbers, fmt.quantize(numbers), strict=True):
        low, high = neighbours(fmt, number)
        clipped = min(max(number, fmt.min), fmt.max)
        assert float(got) in (low, high)
        assert abs(got - clipped) == min(clipped - low, high - clipped)


@given(NAMES, st.lists(NUMBERS, min_size=1, max_size=20))
def test_toward_zero_is_the_next_level_on_the_side_of_zero(name: str, numbers: list[float]) -> None:
    fmt = parse_format(name)
    for number, got in zip(numbers, fmt.quantize(numbers, rounding="toward_zero"), strict=True):
        low, high = neighbours(fmt, number)
        if name == "binary":
            assert got == (1 if number >= 0 else -1)
        else:
            assert got == (low if number > 0 else high)


@given(NAMES, st.lists(NUMBERS, min_size=1, max_size=20), st.integers(0, 1000))
def test_stochastic_is_one_of_the_two_neighbours(
    name: str, numbers: list[float], seed: int
) -> None:
    fmt, rng = parse_format(name), np.random.default_rng(seed)
    got = fmt.quantize(numbers, rounding="stochastic", rng=rng)
    for number, result in zip(numbers, got, strict=True):
        assert float(result) in neighbours(fmt, number)


@settings(max_examples=40)
@given(NAMES, st.floats(-1, 1), st.sampled_from([np.float32, np.float64]))
def test_stochastic_is_right_on_average(name: str, part: float, dtype: type) -> None:
    fmt = parse_format(name)
    value = dtype(part * min(fmt.max - fmt.min, 1e30))
    low, high = neighbours(fmt, float(value))
    clipped = min(max(float(value), fmt.min), fmt.max)
    rng = np.random.default_rng(0)
    got = fmt.quantize(np.full(4000, value), rounding="stochastic", rng=rng).astype(np.float64)
    chance = (clipped - low) / (high - low) if high > low else 0.0
    # Six standard deviations of the share of those rounded up, and one draw.
    bound = 6 * math.sqrt(chance * (1 - chance) / 4000) + 1 / 4000
    up = np.mean(got == high) if high > low else 0.0
    assert abs(up - chance) <= bound


@pytest.mark.parametrize("name", SCALARS)
def test_levels_are_fixed_points_and_code_words_return(name: str) -> None:
    fmt = parse_format(name)
    levels = fmt.levels()
    assert np.all(np.diff(levels) > 0)
    assert (levels[0], levels[-1]) == (fmt.min, fmt.max)
    assert fmt.level_count == len(levels)
    positive = levels[levels > 0]
    assert fmt.smallest_positive == (positive[0] if positive.size else 0)
    codes = fmt.encode(levels)
    assert codes.dtype == np.int64
    assert codes.min() >= 0
    assert codes.max() < 1 << fmt.width
    assert np.array_equal(fmt.decode(codes), levels)
    for rounding in ("nearest", "toward_zero", "stochastic"):
        rng = np.random.default_rng(0)
        assert np.array_equal(fmt.quantize(levels, rounding=rounding, rng=rng), levels)


@pytest.mark.parametrize("name", SCALARS)
def test_rounding_is_monotone_and_keeps_type_and_shape(name: str) -> None:
    fmt = parse_format(name)
    span = min(fmt.max - fmt.min, 1e37)
    ramp = np.linspace(-span, span, 80_002, dtype=np.float32).reshape(2, 1, -1)
    for rounding in ("nearest", "toward_zero"):
        got = fmt.quantize(ramp, rounding=rounding)
        assert got.dtype == np.float32
        assert got.shape == ramp.shape
        assert np.all(np.diff(got.ravel()) >= 0)
        # The same for a view that is not contiguous, and in another precision.
        assert np.array_equal(fmt.quantize(ramp[:, :, ::-3], rounding=rounding), got[:, :, ::-3])
        assert np.array_equal(fmt.quantize(ramp.astype(np.float64), rounding=rounding), got)


@pytest.mark.parametrize("name", [*SCALARS, "mxfp4", "nvfp4", "e8m0fnu", "fp32"])
def test_empty_and_single_values(name: str) -> None:
    fmt = parse_format(name)
    assert fmt.quantize(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)
    assert fmt.encode([]).shape == fmt.decode([]).shape == (0,)
    assert fmt.quantize(1.0).shape == fmt.encode(1.0).shape == ()
    assert fmt.decode(int(fmt.encode(1.0))) == fmt.quantize(1.0) or name == "nvfp4"


@pytest.mark.parametrize("name", ["int4", "uint4", "int8sym", "ternary", "pot4", "apot5", "int8q6"])
def test_no_specials(name: str) -> None:
    fmt = parse_format(name)
    values = np.array([np.inf, -np.inf, np.nan, -0.0], dtype=np.float32)
    for saturate in (True, False):
        got = fmt.quantize(values, saturate=saturate)
        assert got[0] == fmt.max
        assert got[1] == fmt.min
        assert np.isnan(got[2])
        assert not np.signbit(got[3])
    with pytest.raises(ValueError, match=f"Values of {name} must be numbers, not NaN"):
        fmt.encode(values)


@pytest.mark.parametrize("name", ["int4", "binary", "e4m3fn", "apot4", "mxfp4", "e8m0fnu", "pot4"])
def test_rounding_is_checked(name: str) -> None:
    fmt = parse_format(name)
    with pytest.raises(ValueError, match=r"Rounding must be one of nearest, .*, not 'up'"):
        fmt.quantize([1.0], rounding="up")
    with pytest.raises(ValueError, match="Stochastic rounding must be given a random generator"):
        fmt.encode([1.0], rounding="stochastic")
    with pytest.raises(TypeError, match="Values must be real, not complex128"):
        fmt.quantize([1j])


def test_code_words_are_what_hardware_sees() -> None:
    assert parse_format("int4").encode([-1, -8, 7, 9, -9]).tolist() == [15, 8, 7, 7, 8]
    assert parse_format("int4sym").encode([-8]).tolist() == [9]
    assert parse_format("uint4").encode([-3, 15, 16]).tolist() == [0, 15, 15]
    assert parse_format("ternary").encode([-1, 0, 1]).tolist() == [3, 0, 1]
    assert parse_format("binary").encode([-1, 1, 0, -0.0]).tolist() == [0, 1, 1, 1]
    assert parse_format("int1").encode([-1, 0, 5]).tolist() == [1, 0, 0]
    assert parse_format("int8q6").encode([-2, 1.5]).tolist() == [128, 96]
    assert parse_format("pot4").encode([0, 1, -64, 2]).tolist() == [0, 1, 15, 2]
    # Fields 2 bits of {0, 8, 4, 1} and one of {0, 2}; 10 = 8 + 2.
    assert parse_format("apot4").encode([10, -3, 4]).tolist() == [3, 8 + 7, 4]
    assert parse_format("int4").decode([7, 8, 15]).tolist() == [7, -8, -1]
    assert parse_format("pot4").decode([8]).tolist() == [0]


def test_ties_go_to_the_even_code_word() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    assert parse_format("int4").quantize(halves).tolist() == [0, 2, 2, 0, -2, -2]
    assert parse_format("e2m1fn").quantize([0.25, 2.5, 5.0, 3.5]).tolist() == [0, 2, 4, 4]
    # Codes 1, 2, 3, 4 ... are 1, 2, 4, 8 ...
    assert parse_format("pot4").quantize([0.5, 1.5, 3, 6, 12]).tolist() == [0, 2, 2, 8, 8]


def test_wide_integers() -> None:
    fmt = parse_format("int32")
    values = np.array([2.0**31, -(2.0**31), 2.0**40, -1.0])
    assert fmt.quantize(values).tolist() == [2**31 - 1, -(2**31), 2**31 - 1, -1]
    assert fmt.encode(values).tolist() == [2**31 - 1, 2**31, 2**31 - 1, 2**32 - 1]
    assert fmt.decode(fmt.encode(values)).tolist() == fmt.quantize(values).tolist()
    # float32 has no 2**31 - 1: the nearest below is taken.
    assert fmt.quantize(values.astype(np.float32)).tolist()[0] == 2**31 - 128
    for method in ("encode", "decode"):
        with pytest.raises(ValueError, match=r"coding needs .* 53 bits, not int64"):
            getattr(parse_format("int64"), method)([1])


def test_additive_powers_of_two_are_those_of_the_paper() -> None:
    # Li, Dong and Wang, ICLR 2020, relative to the largest, as its program lists them.
    paper = {
        4: [0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0],
        5: sorted(
            (a + b) / 0.75 for a in (0, 1 / 2, 1 / 8, 1 / 32) for b in (0, 1 / 4, 1 / 16, 1 / 64)
        ),
    }
    for bits, relative in paper.items():
        fmt = parse_format(f"apot{bits}")
        levels = fmt.levels()
        assert levels[levels >= 0] / fmt.max == pytest.approx(relative, rel=1e-12)
    # 5 lies between ranks 4 and 5, 7 between 5 and 6, 0.5 between 0 and 1.
    ties = [5.0, 7.0, 9.0, 0.5, 1.5, -5.0, -7.0]
    assert parse_format("apot4").quantize(ties).tolist() == [4, 8, 8, 0, 2, -4, -8]
