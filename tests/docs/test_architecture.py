"""The picture of the rooms is what is imported."""

import subprocess
import sys

import pytest
from helpers.paths import ROOT

PAGE = ROOT / "docs" / "architecture.md"


def rooms(*arguments) -> subprocess.CompletedProcess[str]:
    """Run the script in a process that has not imported macwright from elsewhere."""
    pytest.importorskip("grimp", reason="needs grimp ([test])")
    command = [sys.executable, ROOT / ".ci" / "rooms.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_picture_is_true():
    result = rooms()
    assert result.returncode == 0, result.stdout + result.stderr


def test_another_picture_is_noticed_and_drawn_anew(tmp_path):
    page, text = tmp_path / "architecture.md", PAGE.read_text()
    arrow = next(line for line in text.splitlines(keepends=True) if " --> " in line)
    page.write_text(text.replace(arrow, "", 1))
    assert rooms(page).returncode == 1
    assert rooms("--write", page).returncode == 0
    assert page.read_text() == text
