"""Command line: usage, help, and refusals of one line."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from macwright.dse.cli import main as cli
from macwright.dse.cli.arguments.unit import FAMILY_HELP
from macwright.hw.arith.multipliers import MULTIPLIERS
from macwright.hw.arith.target import TARGETS
from macwright.hw.pe import FAMILIES, spec_from_fields


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with no terminal."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from macwright.dse.cli.main import main; raise SystemExit(main())",
            *argv,
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb", **env},
        check=False,
    )


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"example: macwright {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_fits_and_has_groups(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    options = len(re.findall(r"^  (?:-\w \w*, )?--\w", text, re.MULTILINE))
    groups = re.findall(
        r"^(?!positional|options|example|usage|famil)[a-z, ]+:$", text, re.MULTILINE
    )
    assert groups or options <= 6


def _example(command: str) -> list[str]:
    module = importlib.import_module(f"macwright.dse.cli.{command}")
    first, *words = shlex.split(module.EXAMPLE.replace("\\\n", ""))
    assert first == "macwright"
    return words


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_examples_are_commands(command):
    args = cli._parser(cli.COMMANDS).parse_args(_example(command))
    assert args.command == command


@pytest.mark.slow
def test_examples_run_one_after_the_other(tmp_path, monkeypatch):
    """Each takes what those before it wrote."""
    monkeypatch.chdir(tmp_path)
    for command in ("formats", "generate", "simulate", "characterize", "dse", *cli.COMMANDS[5:]):
        assert cli.main(_example(command)) == 0, command
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"w4a8", "run", "chip", "qonnx", "front.svg"}


def test_help_knows_every_family_multiplier_and_target(capsys):
    assert tuple(FAMILY_HELP) == tuple(FAMILIES)
    for family, (_, name) in FAMILY_HELP.items():
        assert spec_from_fields(family, {}).name == name
    for command in ("generate", "characterize"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        words = re.findall(r"\w+", capsys.readouterr().out)
        multipliers = {type(spec_from_fields(family, {})).multiplier for family in FAMILIES}
        assert {*multipliers, *MULTIPLIERS, "rows", *TARGETS, *FAMILIES} <= set(words)


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["dse", "--no-such-option"]])
def test_wrong_usage_is_status_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage: macwright" in capsys.readouterr().err


REFUSED = {
    "unknown format": (["generate", "int_mac", "--weight", "int99", "-o", "x"], "not 99"),
    "unknown family": (["generate", "warp_drive", "-o", "x"], "warp_drive"),
    "no such model": (["dse", "nowhere.onnx"], "nowhere.onnx"),
    "no such folder": (["simulate", "nowhere"], "nowhere"),
    "no such table": (["solve", "nowhere.csv"], "nowhere.csv"),
    "no such run": (["report", "nowhere"], "nowhere"),
    "unknown technology": (["dse", "--technology", "tsmc2"], "tsmc2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_is_one_line_and_status_1(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv, named = REFUSED[case]
    try:
        status = cli.main(argv)
    except SystemExit as stop:  # argparse may refuse a choice as wrong usage
        status = stop.code
    error = capsys.readouterr().err
    assert status in (1, 2)
    assert named in error
    assert "Traceback" not in error
    if status == 1:
        assert error.startswith("macwright: error: ")
        assert error.count("\n") == 1
    assert not list(Path(tmp_path).iterdir()), "a refused command left something behind"


@pytest.mark.parametrize("error", [KeyError("lut_mac"), ValueError("of a library")])
def test_defects_are_tracebacks_to_report(error, monkeypatch, capsys):
    def broken(args):
        raise error

    monkeypatch.setattr("macwright.dse.cli.formats.run", broken)
    assert cli.main(["formats"]) == 70
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert "please report it" in text.splitlines()[-1]
    assert "macwright: error" not in text


def test_commands_do_not_import_what_they_do_not_need():
    code = (
        "import sys; from macwright.dse.cli.main import main; main(['formats', 'int4']); "
        "heavy = {'ortools', 'onnxruntime', 'amaranth', 'cocotb'} & set(sys.modules); "
        "raise SystemExit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_terminal_means_no_progress_line():
    done = run("formats", "e4m3fn")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\r" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("shell", cli.SHELLS)
def test_completion_scripts_name_every_command(shell, capsys):
    pytest.importorskip("shtab", reason="needs shtab ([completion])")
    with pytest.raises(SystemExit) as stop:
        cli.main(["--completion", shell])
    assert not stop.value.code
    script = capsys.readouterr().out
    assert all(command in script for command in cli.COMMANDS)


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as stop:
        cli.main(["--completion", "bash"])
    assert stop.value.code == 1
    assert "macwright[completion]" in capsys.readouterr().err
