"""Names of formats: what they mean, how they print, and what is refused with which words."""

import re

import pytest

from macwright.hw.formats import (
    ALIASES,
    FORMAT_NAMES,
    ApotFormat,
    BinaryFormat,
    BlockFormat,
    E8M0Format,
    FixedFormat,
    FloatFormat,
    IntFormat,
    PotFormat,
    TernaryFormat,
    aliases,
    parse_format,
)

INTEGERS = [f"{sign}int{width}" for sign in ("", "u") for width in (*range(1, 17), 24, 32, 48, 64)]
MINIFLOATS = [
    f"e{e}m{m}{suffix}"
    for e in range(1, 11)
    for m in range(16 - e)
    for suffix in ("", "fin", "wp")
    if m or suffix
]


@pytest.mark.parametrize("name", [*FORMAT_NAMES, *INTEGERS, "int2sym", "int16sym"])
def test_canonical_name_prints_as_itself(name: str) -> None:
    fmt = parse_format(name)
    assert str(fmt) == name
    assert parse_format(name) is fmt


def test_every_minifloat_name_is_understood_and_printed_canonically() -> None:
    seen = {}
    for name in MINIFLOATS:
        fmt = parse_format(name)
        printed = str(fmt)
        assert parse_format(printed) == fmt
        assert hash(parse_format(printed)) == hash(fmt)
        assert fmt.width == 1 + int(name[1 : name.index("m")]) + int(re.findall(r"m(\d+)", name)[0])
        assert printed == ALIASES.get(name, name)
        assert seen.setdefault(printed, fmt) == fmt


def test_two_names_are_one_format_only_where_all_fields_agree() -> None:
    assert parse_format("e2m1fin") == parse_format("e2m1fn")
    assert parse_format("e4m3b7fin") == parse_format("e4m3fin")
    assert parse_format("bfp8x32") == parse_format("mxint8")
    assert parse_format("e4m3wp") != parse_format("e4m3fnuz")
    assert parse_format("e4m3fin") != parse_format("e4m3fn") != parse_format("e4m3")
    assert parse_format("int8sym") != parse_format("int8") != parse_format("uint8")
    assert len({parse_format(name) for name in FORMAT_NAMES}) == len(FORMAT_NAMES)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_alias_prints_as_the_name(alias: str, name: str) -> None:
    assert str(parse_format(alias)) == name
    assert alias in aliases(parse_format(name))


@pytest.mark.parametrize(
    ("name", "fmt"),
    [
        ("int8", IntFormat(8)),
        ("uint3", IntFormat(3, signed=False)),
        ("int4sym", IntFormat(4, symmetric=True)),
        ("int8q6", FixedFormat(IntFormat(8), 6)),
        ("uint5q-3", FixedFormat(IntFormat(5, signed=False), -3)),
        ("binary", BinaryFormat()),
        ("ternary", TernaryFormat()),
        ("pot4", PotFormat(4)),
        ("apot5", ApotFormat(5)),
        ("e5m2", FloatFormat(5, 2, 15, "ieee")),
        ("e4m3fn", FloatFormat(4, 3, 7, "fn")),
        ("e4m3fnuz", FloatFormat(4, 3, 8, "fnuz")),
        ("e4m3b11fnuz", FloatFormat(4, 3, 11, "fnuz")),
        ("e2m3fn", FloatFormat(2, 3, 1, "none")),
        ("e1m2fin", FloatFormat(1, 2, 0, "none")),
        ("e4m3wp", FloatFormat(4, 3, 8, "wp")),
        ("e4m3b-2fin", FloatFormat(4, 3, -2, "none")),
        ("fp16", FloatFormat(5, 10)),
        ("bf16", FloatFormat(8, 7)),
        ("fp32", FloatFormat(8, 23)),
        ("e8m0fnu", E8M0Format()),
        ("mxfp4", BlockFormat(FloatFormat(2, 1, 1, "none"), 32)),
        ("nvfp4", BlockFormat(FloatFormat(2, 1, 1, "none"), 16, FloatFormat(4, 3, 7, "fn"))),
        ("bfp5x8", BlockFormat(FixedFormat(IntFormat(5), 3), 8)),
        ("e3m4finx16", BlockFormat(FloatFormat(3, 4, 3, "none"), 16)),
        ("int6symq4x16", BlockFormat(FixedFormat(IntFormat(6, symmetric=True), 4), 16)),
        (
            "e2m3fnx16se5m2",
            BlockFormat(FloatFormat(2, 3, 1, "none"), 16, FloatFormat(5, 2)),
        ),
    ],
)
def test_name_means_these_fields(name: str, fmt: object) -> None:
    assert parse_format(name) == fmt
    assert str(fmt) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("e3m3fn", "Format 'e3m3fn' is defined by no standard; write 'e3m3fin' for a minifloat"),
        ("e5m2fn", "Format 'e5m2fn' is defined by no standard; write 'e5m2fin'"),
        ("e5m3fnuz", "Format 'e5m3fnuz' is defined by no standard; write 'e5m3wp' for a NaN"),
        ("e4m0", "Format 'e4m0' must have a significand .*write 'e4m0fin'"),
        ("e0m3", "Exponent width must be from 1 to 10 bits, .*, not 0"),
        ("e11m4fin", "Exponent width must be from 1 to 10 bits, .*, not 11"),
        ("e8m8", "Minifloats must be at most 16 bits wide, not 17"),
        ("e4m3b2000fin", "Exponent bias must be from -1006 to 900, not 2000"),
        ("int0", "Integer width must be from 1 to 64 bits, not 0"),
        ("int65", "Integer width must be from 1 to 64 bits, not 65"),
        ("uint8sym", "A symmetric integer must be signed, not uint8"),
        ("int1sym", "A symmetric integer must have at least 2 bits, not 1"),
        ("int8q99", "Fraction bits must be from -64 to 64, not 99"),
        ("int20q4", "Fixed point must have at most 16 bits, not 20"),
        ("pot9", "Power-of-two formats must have 2 to 6 bits, not 9"),
        ("apot2", "Additive power-of-two formats must have 3 to 7 bits, not 2"),
        ("int4x8", "Blocks of signed integers must be written 'bfp4x8', not 'int4x8'"),
        ("ternaryx8", "Block elements must be minifloats or fixed point, not ternary"),
        ("e2m1fnx16sint8", "Block scales must be minifloats or e8m0fnu, not int8"),
        ("e2m1fnx16se4m3fin", "Block scales must have at most 16 bits and a NaN, not be e4m3fin"),
        ("bfp1x8", "Block elements must be signed and of 2 to 16 bits, not int1q-1"),
        ("bfp8x1", "Blocks must be of 2 to 4096 elements, not 1"),
        ("INT8", "Format must be one .*, perhaps int8, not 'INT8'"),
        ("e4m3 fn", "perhaps e4m3fn, not 'e4m3 fn'"),
        ("int08", "perhaps int8, not 'int08'"),
        ("fp8", "perhaps e4m3fn or e5m2, not 'fp8'"),
        ("mxfp8", "perhaps mxfp8e4m3 or mxfp8e5m2, not 'mxfp8'"),
        ("float9_e4m3fn", "perhaps float8_e4m3fn, not 'float9_e4m3fn'"),
        ("int\uff18", "not 'int\uff18'"),
        ("int99999999", "not 'int99999999'"),
        ("", "such as int8, .*, not ''"),
        ("posit8es1", "Format must be one that `macwright formats` explains, .*not 'posit8es1'$"),
        (8, "Format name must be a string, not 8"),
        (["int8"], r"Format name must be a string, not \['int8'\]"),
    ],
)
def test_refused_name_says_what_would_be_right(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_format(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["e3m3fn", "e4m3b9fnuz", "fp8", "ternaryx8"])
def test_suggestion_is_itself_understood(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be|defined") as caught:
        parse_format(name)
    for suggestion in re.findall(r"'([a-z0-9]+)'|perhaps (\w+)", str(caught.value)):
        text = next(filter(None, suggestion))
        if text != name:
            assert parse_format(text)


def test_fields_are_checked_where_the_format_is_made() -> None:
    with pytest.raises(ValueError, match=r"Specials must be one of ieee, fn, .*, not 'inf'"):
        FloatFormat(4, 3, specials="inf")
    with pytest.raises(ValueError, match=r"Significand width of 'ieee' formats .* 1, not 0"):
        FloatFormat(4, 0)
    with pytest.raises(ValueError, match="Format 'e4m3b9fn' is defined by no standard"):
        FloatFormat(4, 3, 9, "fn")
    with pytest.raises(TypeError, match=r"Fixed point must be made of an IntFormat, not .*ternary"):
        FixedFormat(TernaryFormat(), 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Block elements must be a FloatFormat or FixedFormat"):
        BlockFormat(IntFormat(8))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Block scales must be E8M0 or a FloatFormat"):
        BlockFormat(FloatFormat(2, 1), 32, IntFormat(8))  # pyright: ignore[reportArgumentType]
