"""Shots of commands are of the commands of today."""

import importlib.util
import re

import pytest
from helpers.paths import ROOT

from macwright.hw.errors import ToolError
from macwright.sim.simulators import find_simulator


@pytest.fixture
def script():
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("shots", ROOT / ".ci" / "shots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shots_show_what_the_commands_print_in_80_columns(script):
    try:
        find_simulator("icarus")
    except ToolError as error:
        pytest.skip(str(error))
    text = (ROOT / "docs" / "terminal.md").read_text()
    blocks = re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)
    assert len(blocks) == len(script.COMMANDS) == 5
    assert all(len(line) <= 80 for block in blocks for line in block.splitlines())
    assert script.shots() == "\n".join(f"```text\n{block}\n```\n" for block in blocks)
