"""The laws of number formats, against brute force over all values."""

import pickle
from bisect import bisect_left, bisect_right
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import BlockFormat, E8M0Format, Format, parse_format
from macwright.testing.report import Conformance, ConformanceError, require

__all__ = ["check_format"]

Floats = NDArray[np.float64]
#: Values that are tried at most between neighbours, and widest format that is tried.
MOST_GAPS, WIDEST = 2_000, 16


def check_format(fmt: Format, *, named: bool = True, seed: int = 0) -> Conformance:
    """Check that a format keeps what :class:`macwright.Format` promises.

    Its own code words are the oracle: the nearest value, the even code word of a tie and the
    value next to zero are looked for among all of them in exact fractions.

    Parameters
    ----------
    fmt : Format
        Of at most 16 bits; of blocks, the blocks are checked.
    named : bool
        Whether ``parse_format(str(fmt)) == fmt`` must hold, as it must for formats that come with
        macwright.
    seed : int
        Of the random values.

    Returns
    -------
    Conformance
        Numbers of cases.

    Raises
    ------
    ConformanceError
        If a law is broken; the message names the first input that does.
    ValueError
        If the format is too wide to be walked, or of scales.

    Examples
    --------
    >>> import macwright
    >>> check_format(macwright.parse_format("e2m1fn")).checked["codes"]
    16
    """
    if not isinstance(fmt, Format):
        raise RefusedType(f"Format to check must be a Format, not {fmt!r}")
    if fmt.width > WIDEST:
        raise RefusedInput(f"Format to check must have at most {WIDEST} bits, not {fmt}")
    if isinstance(fmt, E8M0Format):
        raise RefusedInput(f"Format to check must be one of values, not {fmt}, of scales")
    checked = {"values": _value_laws(fmt, named)}
    rng = np.random.default_rng(seed)
    if isinstance(fmt, BlockFormat):
        checked["blocks"] = _block_laws(fmt, rng)
        return Conformance(str(fmt), checked)
    codes, levels = _code_laws(fmt)
    checked["codes"] = codes
    values = _values(fmt, levels, rng)
    checked["nearest"] = _rounding_laws(fmt, levels, values)
    checked["stochastic"] = _stochastic_law(fmt, levels, rng)
    checked["ends"] = _end_laws(fmt, levels)
    checked["shapes"] = _shape_laws(fmt, levels)
    return Conformance(str(fmt), checked)


def _value_laws(fmt: Format, named: bool) -> int:
    """A format is an immutable value with a name."""
    copy = pickle.loads(pickle.dumps(fmt))
    require(copy == fmt and hash(copy) == hash(fmt), f"{fmt}: a copy must be equal, with its hash")
    require(fmt.width >= 1 and fmt.block >= 1, f"{fmt}: width and block must be at least 1")
    require(fmt.min <= fmt.max, f"{fmt}: min must be at most max, not {fmt.min} > {fmt.max}")
    require(
        fmt.signed == (fmt.min < 0), f"{fmt}: signed must say whether min, {fmt.min}, is below 0"
    )
    if named:
        try:
            parsed = parse_format(str(fmt))
        except ValueError as error:
            raise ConformanceError(f"{fmt}: parse_format must know the name: {error}") from None
        require(parsed == fmt, f"{fmt}: parse_format(str(fmt)) must be fmt, not {parsed!r}")
    return 4 + named


def _code_laws(fmt: Format) -> tuple[int, Floats]:
    """Decode and encode undo each other; gives the number of codes and the finite values."""
    codes = np.arange(2**fmt.width)
    values = fmt.decode(codes)
    beyond = np.isfinite(values) & ((values < fmt.min) | (values > fmt.max))
    # Symmetric integers never write their most negative code.
    unused = bool((values[beyond] == fmt.min - 1).all()) and fmt.min == -fmt.max
    require(
        not beyond.any() or unused,
        f"{fmt}: codes must stand for values from min to max, not for {values[beyond]}",
    )
    finite = np.isfinite(values) & ~beyond
    levels = np.unique(values[finite] + 0.0)
    require(levels.size > 0, f"{fmt}: some code must stand for a finite value")
    require(np.array_equal(levels, fmt.levels()), f"{fmt}: levels must be what the codes stand for")
    for name, end, value in (("min", levels[0], fmt.min), ("max", levels[-1], fmt.max)):
        require(end == value, f"{fmt}: {name} must be {end}, not {value}")
    require(fmt.has_nan == np.isnan(values).any(), f"{fmt}: has_nan must say what the codes say")
    require(fmt.has_inf == np.isinf(values).any(), f"{fmt}: has_inf must say what the codes say")
    written = fmt.encode(values[finite])
    require(
        bool(((written >= 0) & (written < 2**fmt.width)).all()), f"{fmt}: encode must give codes"
    )
    for value, back in zip(values[finite], fmt.decode(written), strict=True):
        require(back == value, f"{fmt}: decode(encode({value})) must be {value}, not {back}")
    for wrong in (-1, 2**fmt.width):
        _refuses(fmt, wrong)
    return len(codes), levels


def _refuses(fmt: Format, code: int) -> None:
    try:
        value = fmt.decode(code)
    except ValueError:
        return
    raise ConformanceError(f"{fmt}: decode({code}) must raise ValueError, not give {value}")


def _values(fmt: Format, levels: Floats, rng: np.random.Generator) -> Floats:
    """Values, midpoints, their neighbours in float64, and random numbers beyond both ends."""
    low, high = levels[:-1], levels[1:]
    if len(low) > MOST_GAPS:
        some = np.sort(rng.choice(len(low), MOST_GAPS, replace=False))
        low, high = low[some], high[some]
    middle = low + (high - low) / 2
    near = [np.nextafter(middle, side) for side in (-np.inf, np.inf)]
    span = max(abs(levels[0]), abs(levels[-1]))
    wide = rng.uniform(-1.5 * span, 1.5 * span, 500)
    small = rng.normal(0, span / 50, 500)
    return np.concatenate([levels[:: max(1, len(levels) // 2_000)], middle, *near, wide, small])


def _rounding_laws(fmt: Format, levels: Floats, values: Floats) -> int:
    """Nearest with ties to even codes, and toward zero, of every value; both idempotent."""
    exact = [Fraction(float(level)) for level in levels]
    even = _even(fmt, levels)
    modes: dict[str, Any] = {"nearest": _nearest, "toward_zero": _toward_zero}
    for rounding, oracle in modes.items():
        results = fmt.quantize(values, rounding=rounding)
        again = fmt.quantize(results, rounding=rounding)
        for value, result, twice in zip(values, results, again, strict=True):
            allowed = levels[sorted(oracle(Fraction(float(value)), exact, even))].tolist()
            call = f"{fmt}: quantize({float(value)!r}, rounding={rounding!r})"
            require(result in allowed, f"{call} must be {_words(allowed)}, not {result}")
            require(twice == result, f"{call} again must be {result}, not {twice}")
    encoded = fmt.decode(fmt.encode(values))
    for value, result in zip(values, encoded, strict=True):
        allowed = levels[sorted(_nearest(Fraction(float(value)), exact, even))].tolist()
        call = f"{fmt}: decode(encode({float(value)!r}))"
        require(result in allowed, f"{call} must be {_words(allowed)}, not {result}")
    return len(values)


def _words(allowed: list[float]) -> str:
    return " or ".join(map(str, allowed))


def _even(fmt: Format, levels: Floats) -> list[bool]:
    """Levels that ties go to: of even code, or of even rank where codes rise in another order."""
    codes = fmt.encode(levels[levels >= 0])
    if (np.diff(codes) > 0).all():
        return (fmt.encode(levels) % 2 == 0).tolist()
    return (np.arange(len(levels)) % 2 == np.searchsorted(levels, 0) % 2).tolist()


def _nearest(value: Fraction, exact: list[Fraction], even: list[bool]) -> set[int]:
    """Indices that the nearest level may have: of two the one with the even code word.

    Both where the tie is at zero and zero is no level: there is no rule for the sign of zero.
    """
    right = min(bisect_right(exact, value), len(exact) - 1)
    left = max(right - 1, 0)
    below, above = abs(value - exact[left]), abs(value - exact[right])
    if below == above:
        return {left, right} if value == 0 != exact[left] else {left if even[left] else right}
    return {left if below < above else right}


def _toward_zero(value: Fraction, exact: list[Fraction], even: list[bool]) -> set[int]:
    """Index of the last level between zero and a value; where there is none, of the nearest."""
    right = bisect_right(exact, value)
    index = right - 1 if value >= 0 else bisect_left(exact, value)
    if 0 <= index < len(exact) and 0 <= exact[index] * value and abs(exact[index]) <= abs(value):
        return {index}
    return _nearest(value, exact, even)


def _stochastic_law(fmt: Format, levels: Floats, rng: np.random.Generator) -> int:
    """Stochastic rounding gives a neighbour, with the mean of the value to within 6 sigma."""
    draws, tried = 4_000, 0
    for index in (
        np.unique(np.linspace(0, len(levels) - 2, 8).astype(int)) if levels.size > 1 else ()
    ):
        low, high = levels[index], levels[index + 1]
        value = low + (high - low) * 0.3
        results = fmt.quantize(np.full(draws, value), rounding="stochastic", rng=rng)
        call = f"{fmt}: quantize({value!r}, rounding='stochastic')"
        wrong = results[(results != low) & (results != high)]
        require(not wrong.size, f"{call} must be {low} or {high}, not {wrong[:1]}")
        share = float(np.mean(results == high))
        part = float((value - low) / (high - low))
        bound = 6 * np.sqrt(part * (1 - part) / draws)
        require(
            abs(share - part) < bound,
            f"{call} must be {high} in {part:.3f} of all cases, not in {share:.3f}",
        )
        tried += draws
    return tried


def _end_laws(fmt: Format, levels: Floats) -> int:
    """What is too large, infinite or no number."""
    finite_max = np.finfo(np.float64).max
    for value, wanted in ((np.inf, levels[-1]), (finite_max, levels[-1]), (-np.inf, levels[0])):
        result = float(fmt.quantize(value))
        require(result == wanted, f"{fmt}: quantize({value}) must be {wanted}, not {result}")
    open_end = float(fmt.quantize(np.inf, saturate=False))
    wanted = np.inf if fmt.has_inf else np.nan if fmt.has_nan else levels[-1]
    require(
        np.array_equal(open_end, wanted, equal_nan=True),
        f"{fmt}: quantize(inf, saturate=False) must be {wanted}, not {open_end}",
    )
    nan = float(fmt.quantize(np.nan))
    require(np.isnan(nan), f"{fmt}: quantize(nan) must be nan, not {nan}")
    if fmt.has_nan:
        back = float(fmt.decode(fmt.encode(np.nan)))
        require(np.isnan(back), f"{fmt}: decode(encode(nan)) must be nan, not {back}")
        return 6
    try:
        code = fmt.encode(np.nan)
    except ValueError:
        return 6
    raise ConformanceError(f"{fmt}: encode(nan) must raise ValueError, not give {code}")


def _shape_laws(fmt: Format, levels: Floats) -> int:
    """Shapes and types of arrays, and that inputs stay as they are."""
    for shape in ((), (0,), (3, 0), (2, 3, 4)):
        values = np.full(shape, float(levels[-1]))
        before = values.copy()
        for what, result in (("quantize", fmt.quantize(values)), ("encode", fmt.encode(values))):
            require(
                result.shape == shape,
                f"{fmt}: {what} of shape {shape} must keep it, not {result.shape}",
            )
        require(np.array_equal(before, values), f"{fmt}: quantize must not change its input")
    for dtype in (np.float16, np.float32, np.float64):
        result = fmt.quantize(np.zeros(3, dtype))
        require(result.dtype == dtype, f"{fmt}: quantize of {dtype.__name__} must be of that type")
    _unknown_rounding(fmt)
    return 8


def _unknown_rounding(fmt: Format) -> None:
    for options in ({"rounding": "upwards"}, {"rounding": "stochastic"}):
        try:
            fmt.quantize([1.0], **options)  # type: ignore[arg-type]
        except ValueError:
            continue
        raise ConformanceError(f"{fmt}: quantize([1.0], **{options}) must raise ValueError")


def _block_laws(fmt: BlockFormat, rng: np.random.Generator) -> int:
    """Codes and scales give what quantize gives; blocks along any axis, a short last one too."""
    for _ in range(20):
        values = rng.normal(size=(3, 2 * fmt.block + 1)) * 2.0 ** rng.integers(-20, 20)
        for axis in (1, 0):
            array = values if axis else values.T
            stored = fmt.encode_blocks(array, axis=axis)
            result = fmt.quantize(array, axis=axis)
            decoded = fmt.decode_blocks(stored, axis=axis)
            require(
                np.array_equal(decoded, result),
                f"{fmt}: decode_blocks(encode_blocks(x)) must be quantize(x), x={array.tolist()}",
            )
            scales = fmt.scale.decode(stored.scales) * stored.tensor_scale
            spread = np.repeat(scales, fmt.block, axis=axis).take(range(array.shape[axis]), axis)
            elements = fmt.element.decode(stored.codes)
            require(
                np.array_equal(elements * spread, result),
                f"{fmt}: element times scale must be quantize(x) for x={array.tolist()}",
            )
            nearest = fmt.element.quantize(array / spread)
            require(
                np.array_equal(elements, nearest),
                f"{fmt}: elements must be the nearest to x / scale for x={array.tolist()}",
            )
    return 40
