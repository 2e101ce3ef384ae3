"""Progress: what is shown on a terminal, in a pipe, and on request."""

import argparse
import sys

import pytest

from macwright.dse.cli import main as cli
from macwright.dse.cli import progress
from macwright.dse.cli.progress import TerminalProgress


def shown(capsys, monkeypatch, *, terminal, **chosen):
    """What three states of a stage and one of the next leave on stderr."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(progress, "BETWEEN_STATES", 0.0)
    line = TerminalProgress(argparse.Namespace(**{"quiet": False, "verbose": False} | chosen))
    for done in (0, 1, 2):
        line("synthesis", done, 2)
    line("search", 0, 9)
    line.close()
    return capsys.readouterr().err


def test_a_line_is_rewritten_on_a_terminal_only(capsys, monkeypatch):
    text = shown(capsys, monkeypatch, terminal=True)
    assert "\n" not in text
    assert [part.split(",")[0].strip() for part in text.split("\r") if part.strip()] == [
        "synthesis 0/2", "synthesis 1/2", "synthesis 2/2", "search 0/9",
    ]  # fmt: skip
    assert text.endswith("\r")
    assert shown(capsys, monkeypatch, terminal=False) == ""


def test_verbose_writes_lines_when_a_stage_begins_and_ends(capsys, monkeypatch):
    for terminal in (True, False):
        text = shown(capsys, monkeypatch, terminal=terminal, verbose=True)
        assert text.splitlines() == ["synthesis 0/2", "synthesis 2/2", "search 0/9"]
        assert "\r" not in text


def test_quiet_is_silent_on_a_terminal(capsys, monkeypatch):
    assert shown(capsys, monkeypatch, terminal=True, quiet=True) == ""


def test_commands_take_them_and_results_stay(tmp_path, capsys, monkeypatch):
    words = ["characterize", "int_mac", "--weight", "int3", "--activation", "int3"]
    results = []
    for number, (more, said) in enumerate(
        (((), ""), (("--quiet",), ""), (("--verbose",), "synthesis for gates 1/1\n"))
    ):
        monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / str(number)))
        assert cli.main([*words, *more]) == 0
        output = capsys.readouterr()
        assert output.err.endswith(said)
        assert bool(output.err) == bool(said)
        results.append(output.out)
    assert len(set(results)) == 1
    with pytest.raises(SystemExit) as stop:
        cli.main([*words, "-q", "-v"])
    assert stop.value.code == 2


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_that_shows_progress_has_the_options(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert ("--verbose" in capsys.readouterr().out) == (command in cli.LONG)
