"""Snippets for CI services do what they say: their commands run, one after the other."""

import re
import shlex

import pytest
from helpers.paths import ROOT

from macwright.dse.cli.main import main
from macwright.sim.simulators import find_simulator

TEXT = (ROOT / "docs" / "how-to" / "scripts.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["github", "gitlab"])
def test_commands_of_a_snippet(snippet, tmp_path, monkeypatch):
    find_simulator("icarus")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\s+- (?:run: )?macwright (.*)$", snippet, re.MULTILINE)
    assert [line.split()[0] for line in commands] == ["generate", "simulate"]
    for line in commands:
        assert main(shlex.split(line)) == 0
    (results,) = re.findall(r"[\w/]+/results\.xml", snippet)
    assert "<testcase" in (tmp_path / results).read_text()
