"""FPGA devices by name and by file."""

import pytest

from macwright.costmodel.technology.devices import DEVICES, find_device
from macwright.dse.cli.main import main
from macwright.hw.errors import RefusedInput


def test_a_file_says_what_is_left(tmp_path):
    path = tmp_path / "board.toml"
    path.write_text('base = "lfe5u-45f"\nluts = 40000\ndsps = 0\n')
    device = find_device(path)
    assert (device.name, device.base, device.family) == ("board", "lfe5u-45f", "ecp5")
    assert device.resources == {"luts": 36000, "ffs": 39463, "block_rams": 104, "dsps": 0}
    assert find_device("lfe5u-45f") is DEVICES["lfe5u-45f"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base = 3", "Field base of device .* must be one of lfe5u-25f, .*, not 3"),
        ("luts = 5", "Field base of device .* not None"),
        ('base = "lfe5u-25f"\nlut = 5', "Fields of device .* must be base, luts, .*, not 'lut'"),
        ('base = "lfe5u-25f"\nluts = 24289', "Field luts .* 0 to the 24288 of lfe5u-25f"),
        ('base = "lfe5u-25f"\nluts = true', "Field luts .* not True"),
        ('base = "lfe5u-25f"\nffs = 1.5', "Field ffs .* not 1.5"),
        ("base = ", "must be a TOML file, not one where"),
    ],
)
def test_what_a_file_must_not_say(tmp_path, text, words):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RefusedInput, match=words):
        find_device(tmp_path / "mine.toml")


def test_devices_that_are_not_there(tmp_path):
    with pytest.raises(RefusedInput, match=r"one of lfe5u-25f, .*\.toml file, not 'xc7z020'"):
        find_device("xc7z020")
    with pytest.raises(FileNotFoundError, match=r"none\.toml is not a file"):
        find_device(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "lfe5u-25f"], "must come with --architecture dataflow"),
        (
            ["--architecture", "temporal", "--types", "2", "--device", "lfe5u-25f"],
            "one unit type of one mode",
        ),
        (["--architecture", "dataflow", "--device", "ice40-up5k"], "on ice40 must be of one array"),
        (
            [*("--architecture", "dataflow", "--device", "lfe5u-25f"), "--technology", "xc7"],
            "Technology must be that of device lfe5u-25f, ecp5, not xc7",
        ),
        (
            ["--architecture", "temporal", "--device", "lfe5u-25f", "--clock-mhz", "50,60"],
            "Clock of one array on a device must be one, not 50, 60 MHz",
        ),
        (
            ["--architecture", "dataflow", "--device", "lfe5u-25f", "--clock-mhz", "50,500"],
            "Clock of a machine on ecp5 must be at most",
        ),
        (
            ["--architecture", "dataflow", "--device", "lfe5u-25f", "--budget", "latency_ms<=1"],
            "Budget column must be one of loss, luts, ffs, block_rams, dsps, frame_ms",
        ),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, words, message):
    assert main(["dse", *words, "-o", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
