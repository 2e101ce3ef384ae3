"""``macwright formats``: table, JSON and refusals, as a user types them."""

import json
import subprocess
import sys

import pytest

from macwright.dse.cli.main import main
from macwright.hw.formats import FORMAT_NAMES, parse_format


def test_table_shows_every_named_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    out, err = capsys.readouterr()
    assert not err
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(FORMAT_NAMES)
    assert max(map(len, lines)) <= 120
    assert all(line == line.rstrip() for line in lines)


def test_table_of_chosen_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "e2m1fin", "mxfp4", "e5m2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name    bits  levels     min    max  smallest > 0  specials    bits/value  also",
        "e2m1fn     4      15      -6      6           0.5  -0                   4  "
        "e2m1fin float4_e2m1fn",
        "mxfp4      4      15      -6      6           0.5  -0                4.25",
        "e5m2       8     247  -57344  57344    1.5259e-05  inf nan -0           8  float8_e5m2",
    ]


def test_json_has_the_properties_of_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(FORMAT_NAMES)
    for row in rows:
        fmt = parse_format(row["name"])
        assert row["bits"] == fmt.width
        assert row["max"] == fmt.max
        assert row["bits_per_value"] == fmt.bits_per_value
        assert row["block"] == fmt.block
        if fmt.width <= 16:
            assert row["levels"] == fmt.levels().size
        assert all(parse_format(alias) == fmt for alias in row["aliases"])
    specials = {row["name"]: row["specials"] for row in rows}
    assert specials["e5m2"] == ["inf", "nan", "-0"]
    assert specials["e4m3fnuz"] == ["nan"]
    assert specials["e3m3fin"] == ["-0"]
    assert specials["mxint8"] == specials["int8"] == []


def test_refusal_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "int8", "e3m3fn"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("macwright: error: Format 'e3m3fn' is defined by no standard; write ")
    assert err.count("\n") == 1


def test_formats_need_numpy_alone() -> None:
    code = (
        "import sys, macwright.hw.formats\n"
        "heavy = {'amaranth', 'pandas', 'ortools', 'cocotb', 'onnx', 'ml_dtypes'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
