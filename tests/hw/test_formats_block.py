"""Block formats: OCP MX against gfloat; NVFP4 and the rest against an oracle in fractions.

The oracle works on one block after the other with Python's fractions, straight from the texts:
OCP Microscaling Formats v1.0 section 6.3, and NVIDIA's description of NVFP4 (an E4M3 scale for
each 16 values, a float32 scale for the tensor that makes the largest scale representable).
"""

from fractions import Fraction

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from macwright.hw.formats import BlockCodes, BlockFormat, parse_format

GFLOAT = {
    "mxfp8e4m3": gfloat.formats.format_info_mxfp8_e4m3,
    "mxfp8e5m2": gfloat.formats.format_info_mxfp8_e5m2,
    "mxfp6e3m2": gfloat.formats.format_info_mxfp6_e3m2,
    "mxfp6e2m3": gfloat.formats.format_info_mxfp6_e2m3,
    "mxfp4": gfloat.formats.format_info_mxfp4_e2m1,
    "mxint8": gfloat.formats.format_info_mxint8,
}
#: Non-negative element values by code word, and what the largest exponent is.
FP4 = [Fraction(k, 2) for k in (0, 1, 2, 3, 4, 6, 8, 12)]
E4M3 = [
    Fraction((8 if e else 0) + m, 8) * Fraction(2) ** (max(e, 1) - 7)
    for e in range(16)
    for m in range(8)
][:-1]


def block_format(name: str) -> BlockFormat:
    fmt = parse_format(name)
    assert isinstance(fmt, BlockFormat)
    return fmt


def samples(rows: int, block: int, seed: int) -> NDArray[np.float64]:
    """Blocks of widely different sizes, with zeros, ties, small tails and powers of two."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, block)) * rng.choice([0, 1, 1, 1e-2], (rows, block))
    values[1::4] = np.round(values[1::4] * 8) / 16
    values[2::4] = np.exp2(np.round(np.log2(np.abs(values[2::4]) + 1e-9)))
    values *= 2.0 ** rng.integers(-145, 120, (rows, 1))
    values[0] = 0
    return values.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", GFLOAT)
def test_mx_blocks_agree_with_gfloat_bit_for_bit(name: str) -> None:
    fmt, info = block_format(name), GFLOAT[name]
    values = samples(80, 32, 0)
    # One block in which the largest rounds up beyond the largest element.
    values[5] = np.linspace(-1.999, 1.999, 32)
    stored = fmt.encode_blocks(values)
    assert fmt.block == info.k
    assert fmt.bits_per_value == info.element_bits + info.scale_bits / info.k
    for row, codes, scales, got in zip(
        values, stored.codes, stored.scales, fmt.quantize(values), strict=True
    ):
        scale = gfloat.compute_scale_amax(info.etype.emax, row)
        want = list(gfloat.encode_block(info, scale, row / scale))
        assert [*scales, *codes] == want, f"{row} in {name}"
        decoded = np.array(list(gfloat.decode_block(info, want)))
        assert np.array_equal(got, decoded)
        assert np.array_equal(fmt.decode_blocks(BlockCodes(codes, scales, 1.0)), decoded)
    assert stored.tensor_scale == 1.0


def nearest(values: list[Fraction], exact: Fraction) -> Fraction:
    """Nearest of the values by rank, ties to the even rank, no more than the last."""
    size = abs(exact)
    best = min(
        range(len(values)), key=lambda rank: (abs(values[rank] - size), rank % 2)
    )  # rank and code word are one
    return values[best] if exact >= 0 else -values[best]


def nvfp4_oracle(values: NDArray[np.float32], block: int = 16) -> list[Fraction]:
    largest = max(abs(Fraction(float(value))) for value in values)
    tensor_scale = Fraction(float(np.float32(float(largest) / (6 * 448)))) or Fraction(1)
    result = []
    for start in range(0, len(values), block):
        part = [Fraction(float(value)) for value in values[start : start + block]]
        scale = nearest(E4M3, max(map(abs, part)) / 6 / tensor_scale) * tensor_scale
        result += [scale * nearest(FP4, value / scale) if scale else scale for value in part]
    return result


@pytest.mark.parametrize("seed", range(4))
def test_nvfp4_agrees_with_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = np.repeat(2.0 ** rng.integers(-14, 3, 20), 16)
    values = (rng.standard_normal(320) * sizes * 10.0 ** (3 * seed - 5)).astype(np.float32)
    values[40:60] = 0
    values[-1] = 1e-30
    fmt = block_format("nvfp4")
    want = [float(value) for value in nvfp4_oracle(values)]
    got = fmt.quantize(values.astype(np.float64))
    assert got.tolist() == want
    assert np.array_equal(fmt.quantize(values), np.array(want, dtype=np.float32))
    stored = fmt.encode_blocks(values)
    assert np.array_equal(fmt.decode_blocks(stored), got)
    largest = np.abs(values).max()
    assert stored.tensor_scale == np.float32(float(largest) / 2688)
    # The code words themselves, read by ml_dtypes.
    scales = stored.scales.astype(np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64)
    elements = stored.codes.astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float64)
    assert np.array_equal(elements * np.repeat(scales, 16) * stored.tensor_scale, got)
    assert scales.max() == 448


def bfp_oracle(values: NDArray[np.float64], bits: int, block: int) -> list[float]:
    result = []
    for start in range(0, len(values), block):
        part = [Fraction(value) for value in values[start : start + block]]
        largest = max(map(abs, part))
        exponent = -127
        if largest:
            # Where is the leading bit? Python's integers know.
            exponent = largest.numerator.bit_length() - largest.denominator.bit_length()
            exponent -= Fraction(2) ** exponent > largest
        step = Fraction(2) ** (min(max(exponent, -127), 127) - (bits - 2))
        for value in part:
            steps = min(max(round(value / step), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
            result.append(float(steps * step))
    return result


@pytest.mark.parametrize(("bits", "block"), [(2, 4), (3, 16), (4, 16), (8, 32), (9, 7), (16, 64)])
def test_block_floating_point_agrees_with_the_definition(bits: int, block: int) -> None:
    fmt = block_format(f"bfp{bits}x{block}")
    values = samples(40, 2 * block, bits).ravel()
    assert fmt.quantize(values).tolist() == bfp_oracle(values, bits, block)
    assert fmt.bits_per_value == bits + 8 / block


@pytest.mark.parametrize("name", [*GFLOAT, "nvfp4", "bfp5x8", "e3m4finx16", "e2m3fnx24se5m2"])
def test_blocks_lie_along_any_axis_and_the_last_may_be_short(name: str) -> None:
    fmt = block_format(name)
    values = np.random.default_rng(5).standard_normal((3, 50, 4)).astype(np.float32)
    blocks = -(-50 // fmt.block)
    want = np.empty_like(values)
    for i in range(3):
        for j in range(4):
            for start in range(0, 50, fmt.block):
                part = slice(start, start + fmt.block)
                if name in ("nvfp4", "e2m3fnx24se5m2"):
                    # The tensor's scale needs the whole tensor: its largest joins the block's row.
                    row = np.zeros((2, fmt.block), dtype=np.float32)
                    row[0, : len(values[i, part, j])] = values[i, part, j]
                    row[1, 0] = np.abs(values).max()
                    want[i, part, j] = fmt.quantize(row)[0, : len(values[i, part, j])]
                else:
                    want[i, part, j] = fmt.quantize(values[i, part, j])
    got = fmt.quantize(values, axis=1)
    assert got.dtype == np.float32
    assert np.array_equal(got, want)
    stored = fmt.encode_blocks(values, axis=1)
    assert stored.codes.shape == (3, 50, 4)
    assert stored.scales.shape == (3, blocks, 4)
    assert np.array_equal(fmt.decode_blocks(stored, axis=1).astype(np.float32), got)
    assert np.array_equal(fmt.quantize(values, axis=-2), got)


@pytest.mark.parametrize("name", [*GFLOAT, "nvfp4", "bfp5x8"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_a_block_with_a_special_value_is_nan_and_others_are_untouched(
    name: str, special: float
) -> None:
    fmt = block_format(name)
    values = np.random.default_rng(6).uniform(-1, 1, 3 * fmt.block)
    # The largest value is in a block that stays, so that the tensor's scale is the same.
    values[0] = 1.0
    clean = fmt.quantize(values)
    values[fmt.block + 2] = special
    got = fmt.quantize(values)
    assert np.isnan(got[fmt.block : 2 * fmt.block]).all()
    assert np.array_equal(got[: fmt.block], clean[: fmt.block])
    assert np.array_equal(got[2 * fmt.block :], clean[2 * fmt.block :])
    stored = fmt.encode_blocks(values)
    nan = 255 if str(fmt.scale) == "e8m0fnu" else 127
    assert stored.scales[1] == nan
    assert stored.codes[fmt.block : 2 * fmt.block].tolist() == [0] * fmt.block
    assert np.array_equal(fmt.decode_blocks(stored), got, equal_nan=True)


@pytest.mark.parametrize("name", [*GFLOAT, "nvfp4", "bfp5x8"])
def test_roundings_are_of_the_elements(name: str) -> None:
    fmt = block_format(name)
    values = np.random.default_rng(7).standard_normal(20 * fmt.block)
    toward_zero = fmt.quantize(values, rounding="toward_zero")
    assert np.all(np.abs(toward_zero) <= np.abs(values))
    rng, draws = np.random.default_rng(8), 400
    drawn = np.array([fmt.quantize(values, rounding="stochastic", rng=rng) for _ in range(draws)])
    stored = fmt.encode_blocks(values)
    scale = fmt.scale.decode(stored.scales).repeat(fmt.block) * stored.tensor_scale
    levels = fmt.levels()
    exact = np.clip(values / scale, levels[0], levels[-1])
    high = np.searchsorted(levels, exact)
    gap = levels[high] - levels[np.maximum(high - 1, 0)]
    chance = np.where(gap > 0, (levels[high] - exact) / np.where(gap > 0, gap, 1), 0)
    error = np.abs(drawn.mean(axis=0) / scale - exact)
    assert np.all(error <= gap * (6 * np.sqrt(chance * (1 - chance) / draws) + 1 / draws))


def test_largest_and_smallest_scales() -> None:
    fmt = block_format("mxfp4")
    stored = fmt.encode_blocks(np.array([[2.0**140] * 32, [2.0**-140] * 32, [0.0] * 32]))
    assert stored.scales.ravel().tolist() == [254, 0, 0]
    assert stored.codes[:, 0].tolist() == [7, 0, 0]
    # The smallest subnormals of float32.
    tiny = np.full(32, 2.0**-128, dtype=np.float32)
    assert fmt.quantize(tiny).tolist() == [2.0**-128] * 32
    assert np.isfinite(fmt.quantize(np.full(32, 3.4e38, dtype=np.float32))).all()


def test_element_properties_show_through() -> None:
    fmt = block_format("mxint8")
    assert (fmt.width, fmt.signed, fmt.min, fmt.max, fmt.block) == (8, True, -2.0, 127 / 64, 32)
    assert fmt.levels().size == 256
    assert fmt.decode([64]).tolist() == [1.0]
    assert fmt.encode([1.0]).tolist() == [64]
    assert block_format("nvfp4").bits_per_value == 4.5
    assert parse_format("int4").bits_per_value == 4.0
    assert parse_format("int4").block == 1
