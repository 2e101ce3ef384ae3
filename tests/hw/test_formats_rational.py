"""Minifloats against an oracle in exact fractions that knows only the definition.

The oracle spells code words as strings of bits, lists every value as a fraction and finds the
nearest by bisection. It covers what no other implementation has: the plain (`fin`) and the
whitepaper (`wp`) minifloats, and both overflow modes and all roundings.
"""

import math
from bisect import bisect_right
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from macwright.hw.formats import parse_format

#: Every fin, wp and IEEE-like format of up to 7 bits, all of 8 bits, and a few larger ones.
SMALL = [
    f"e{e}m{m}{suffix}"
    for e, m, suffix in product(range(1, 8), range(7), ("", "fin", "wp"))
    if e + m <= 7 and (m or suffix)
]
LARGE = ["e1m14fin", "e8m7fin", "e8m7wp", "e5m10fin", "e10m5", "e10m5fin", "e9m0fin", "e10m0wp"]
LARGE += ["e6m5wp", "e4m8fin", "e4m3b-3fin", "e4m3b30fin", "e3m3b140wp", "e8m2b64fin"]


@cache
def definition(name: str) -> tuple[list[Fraction], int, str]:
    """Non-negative values by code word, and one more; how many of them exist; the specials."""
    digits, rest = name[1:].split("m")
    suffix = rest.lstrip("0123456789b-")
    rest = rest.removesuffix(suffix)
    trailing_text, _, bias_text = rest.partition("b")
    exp_bits, man_bits = int(digits), int(trailing_text)
    bias = 2 ** (exp_bits - 1) - (0 if suffix == "wp" else 1)
    bias = int(bias_text) if bias_text else bias
    values = []
    for code in range(2 ** (exp_bits + man_bits) + 1):
        word = format(code, f"0{exp_bits + man_bits}b")
        field, trailing = word[: len(word) - man_bits], word[len(word) - man_bits :]
        hidden = "1" if "1" in field else "0"
        significand = Fraction(int(hidden + trailing, 2), 2**man_bits)
        values.append(significand * Fraction(2) ** (max(int(field, 2), 1) - bias))
    count = 2 ** (exp_bits + man_bits) - (0 if suffix else 2**man_bits)
    return values[: count + 1], count, suffix


def oracle(name: str, value: float, rounding: str, saturate: bool) -> float:
    """Value of the format that `value` becomes."""
    values, count, suffix = definition(name)
    if math.isnan(value):
        return math.copysign(0, -value) if suffix == "fin" and not saturate else math.nan
    special = {"": math.inf, "fin": float(values[count - 1]), "wp": math.nan}[suffix]
    if math.isinf(value):
        size = float(values[count - 1]) if saturate else special
    else:
        exact = abs(Fraction(value))
        low = min(bisect_right(values, exact) - 1, count)
        rank = low
        if rounding == "nearest" and low < count:
            twice = 2 * exact - values[low] - values[low + 1]
            rank = low + int(twice > 0 or (twice == 0 and low % 2 == 1))
        if rank == count:
            finite = saturate or rounding == "toward_zero"
            size = float(values[count - 1]) if finite else special
        else:
            size = float(values[rank])
    size = math.copysign(size, value)
    return abs(size) if size == 0 and suffix == "wp" else size


def telling_inputs(name: str, dtype: type) -> NDArray:
    """Values of the format, what lies halfway between, and the numbers next to all of these."""
    values, count, _ = definition(name)
    chosen = np.unique(np.linspace(0, count, min(count + 1, 72)).astype(int))
    points = [values[rank] for rank in chosen]
    points += [(values[rank] + values[rank + 1]) / 2 for rank in chosen[:-1]]
    points += [values[count] * 2, values[1] / 4]
    limits = np.finfo(dtype)
    fit = [float(p) for p in points if p <= Fraction(float(limits.max))]
    exact = np.array(fit, dtype=dtype)
    with np.errstate(over="ignore", under="ignore"):
        near = np.concatenate(
            [exact, np.nextafter(exact, dtype(np.inf)), np.nextafter(exact, dtype(0))]
        )
    extremes = [limits.max, limits.tiny, limits.smallest_subnormal, np.inf, np.nan]
    near = np.concatenate([near, np.array(extremes, dtype=dtype)])
    return np.concatenate([near, -near])


def check(name: str, dtype: type, rounding: str, saturate: bool) -> None:
    inputs = telling_inputs(name, dtype)
    want = np.array([oracle(name, float(value), rounding, saturate) for value in inputs])
    # An array type with less range than the format saturates at its own largest level.
    fits = np.isnan(want) | np.isinf(want) | (np.abs(want) <= float(np.finfo(dtype).max))
    inputs, want = inputs[fits], want[fits].astype(dtype)
    got = parse_format(name).quantize(inputs, rounding=rounding, saturate=saturate)
    same = (got == want) & (np.signbit(got) == np.signbit(want)) | np.isnan(got) & np.isnan(want)
    wrong = np.flatnonzero(~same)[:5]
    assert not wrong.size, f"{name}: {inputs[wrong]} became {got[wrong]}, not {want[wrong]}"


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_every_code_has_the_value_of_the_definition(name: str) -> None:
    values, count, suffix = definition(name)
    fmt = parse_format(name)
    half = 1 << (fmt.width - 1)
    positive = fmt.decode(np.arange(half))
    assert positive[:count].tolist() == [float(value) for value in values[:count]]
    negative = fmt.decode(np.arange(half, 2 * half))
    assert negative[1:count].tolist() == (-positive[1:count]).tolist()
    if suffix == "wp":
        assert np.isnan(negative[0])
    else:
        assert negative[0] == 0
        assert np.signbit(negative[0])
    assert fmt.max == -fmt.min == float(values[count - 1])
    assert fmt.smallest_positive == float(values[1])
    assert fmt.level_count == len(fmt.levels()) == 2 * count - 1
    codes = np.concatenate([np.arange(count), half + np.arange(1, count)])
    assert np.array_equal(fmt.encode(fmt.decode(codes)), codes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SMALL)
def test_small_formats_round_as_the_definition_says(name: str, dtype: type) -> None:
    for rounding, saturate in product(("nearest", "toward_zero"), (False, True)):
        check(name, dtype, rounding, saturate)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LARGE)
def test_large_and_odd_formats_round_as_the_definition_says(name: str, dtype: type) -> None:
    for rounding, saturate in product(("nearest", "toward_zero"), (False, True)):
        check(name, dtype, rounding, saturate)
