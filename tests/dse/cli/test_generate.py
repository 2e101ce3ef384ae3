# amaranth: UnusedElaboratable=no
"""``macwright generate`` and ``macwright simulate``."""

import json
import shutil

import pytest

from macwright.dse.cli.main import main
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.hw.pe import IntMacSpec

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")


@needs_icarus
def test_generate_then_simulate_then_break(tmp_path, capfd):
    folder = tmp_path / "w2a3"
    options = ["--weight", "int2", "--activation", "int3", "--accumulator", "int8", "-o"]
    assert main(["generate", "int_mac", *options, str(folder)]) == 0
    assert main(["simulate", str(folder)]) == 0
    printed = capfd.readouterr()
    assert "passed: 5 tests on icarus" in printed.out
    assert "cocotb" not in printed.out + printed.err, "simulator output on the terminal"
    source = folder / "int_mac_int3_int2_int8.v"
    source.write_text(source.read_text().replace(" * ", " - "))
    assert main(["simulate", str(folder), "--json"]) == 1
    result = json.loads(capfd.readouterr().out)
    assert not result["passed"]
    assert result["changed"] == [source.name]
    assert "for a=0x" in result["failures"][0]


def test_manifest_says_what_the_unit_is(tmp_path, capsys):
    options = ["--act", "e4m3fn", "--weight", "e2m1fn", "--terms", "9", "--rst", "--set", "drop=2"]
    assert main(["generate", "minifloat_mac", *options, "-o", str(tmp_path), "--json"]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == json.loads(capsys.readouterr().out)
    name = "minifloat_mac_e4m3fn_e2m1fn_fixed24_drop2_rst"
    assert manifest["top"] == name
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"bench_{name}.py",
        "manifest.json",
        f"{name}.core",
        f"{name}.v",
    ]
    assert manifest["latency"] == 1
    ports = {port["name"]: port for port in manifest["ports"]}
    assert sorted(ports) == ["a", "acc", "clear", "clk", "invalid", "rst", "w"]
    acc, w = ports["acc"], ports["w"]
    assert (acc["direction"], acc["width"], acc["signed"]) == ("output", 24, True)
    assert (w["direction"], w["width"], w["signed"]) == ("input", 4, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["int_mac", "--weight", "int99"], "Integer width must be from 1 to 64 bits, not 99"),
        (["foo"], "Unit must be one of int_mac, "),
        (["int_mac", "--set", "drop"], "--set must be given FIELD=VALUE, not 'drop'"),
    ],
)
def test_generate_refuses_in_one_line(arguments, message, tmp_path, capsys):
    assert main(["generate", *arguments, "-o", str(tmp_path / "x")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"macwright: error: {message}")
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_simulate_without_simulator_is_one_line(tmp_path, capsys, monkeypatch):
    assert main(["generate", "int_mac", "-o", str(tmp_path)]) == 0
    monkeypatch.setenv("PATH", "")
    assert main(["simulate", str(tmp_path)]) == 1
    assert "must be installed: `apt-get install iverilog` or" in capsys.readouterr().err


def test_names_points_and_used_folders(tmp_path, capsys):
    name = "minifloat_mac_uint8_e2m3fn_fixed27_array"
    assert main(["generate", name, "-o", str(tmp_path / "unit")]) == 0
    assert (tmp_path / "unit" / f"{name}.v").is_file()
    # The same again, and another unit into its folder.
    assert main(["generate", name, "-o", str(tmp_path / "unit")]) == 0
    assert main(["generate", "int_mac", "-o", str(tmp_path / "unit")]) == 1
    assert f"must be new, or of the same unit, and has {name}.v" in capsys.readouterr().err
    assert main(["generate", name, "--en", "-o", str(tmp_path / "enabled")]) == 0
    assert (tmp_path / "enabled" / f"{name}_en.v").is_file()

    spec = IntMacSpec()
    choice = LayerChoice(weight="int8", activation="int8", unit=spec.name)
    allocation = Allocation(
        point=0,
        model_sha256="0" * 64,
        technology="gates",
        layers={"fc": choice},
        units={spec.name: spec},
    )
    file = tmp_path / "run" / "allocations" / "0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(allocation.to_fields()))
    run, out = str(tmp_path / "run"), str(tmp_path / "units")
    assert main(["generate", run, "--point", "0", "-o", out]) == 0
    assert [path.name for path in (tmp_path / "units").iterdir()] == [spec.name]
    capsys.readouterr()
    for words, said in (
        ([run], "Option --point must say which point"),
        ([run, "--point", "1"], "has no allocations/1.json"),
        ([run, "--point", "0", "--en"], "Field 'en' must come with a unit, not with --point"),
        ([run, "--point", "0", "--technology", "ecp5"], "must come with a unit: a point has its"),
    ):
        assert main(["generate", *words]) == 1
        assert said in capsys.readouterr().err


def test_a_technology_chooses_what_tuning_chooses(tmp_path, capsys):
    words = ["int_mac", "--weight", "int4", "--terms", "9", "--technology"]
    for technology, name in (
        ("ecp5", "int_mac_int8_int4_int15_rows_ecp5"),
        ("nangate45", "int_mac_int8_int4_int15_booth4_asic"),
    ):
        folder = tmp_path / technology
        # Twice: the primitives beside the unit are the unit's own.
        for _ in range(2):
            assert main(["generate", *words, technology, "-o", str(folder)]) == 0
        assert json.loads((folder / "manifest.json").read_text())["top"] == name
        assert f"macwright characterize {name} --technology {technology}" in capsys.readouterr().out
    for command, option in (("generate", ["--technology", "ecp5"]), ("characterize", ["--tuned"])):
        asked = [command, "int_mac", "--multiplier", "infer", "--technology", "ecp5", *option]
        assert main(asked) == 1
        said = f"Field 'multiplier' must be left out with {option[0]}, which chooses rows, not"
        assert said in capsys.readouterr().err
    assert main(["generate", "int_mac", "--technology", "ecp", "-o", str(tmp_path / "no")]) == 1
    assert "Technology must be one of gates, ecp5, " in capsys.readouterr().err
    assert main(["generate", "int_mac", "--technology", "ecp5", "-o", str(tmp_path / "ecp5")]) == 1
    assert "must be new, or of the same unit, and has int_mac_" in capsys.readouterr().err


@needs_icarus
def test_wrapped_unit_from_the_command_line(tmp_path, capsys):
    words = ["generate", "int_mac", "--weight", "int4", "--wrap", "axis", "-o", str(tmp_path)]
    assert main(words) == 0
    assert "int_mac_int8_int4_int32_en_axis: " in capsys.readouterr().out
    # The same again is no refusal: the folder has files of its own.
    assert main(words) == 0
    capsys.readouterr()
    assert main(["simulate", str(tmp_path)]) == 0
    assert "passed: 4 tests on icarus" in capsys.readouterr().out


def test_no_wrapper_of_other_families(tmp_path, capsys):
    folder = tmp_path / "packed"
    assert main(["generate", "packed_mac", "--wrap", "axis", "-o", str(folder)]) == 1
    assert "with an AXI4-Stream wrapper, not packed_mac" in capsys.readouterr().err
    assert not folder.exists()
