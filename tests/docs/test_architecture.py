"""The picture of the rooms is what is imported."""

import importlib.util
import subprocess
import sys

import pytest
from helpers.paths import ROOT

SCRIPT = ROOT / ".ci" / "rooms.py"


@pytest.fixture
def rooms():
    pytest.importorskip("grimp", reason="needs grimp ([test])")
    spec = importlib.util.spec_from_file_location("rooms", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_picture_is_true(rooms):
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_another_import_changes_the_picture(rooms, tmp_path, monkeypatch):
    page = tmp_path / "architecture.md"
    text = rooms.PAGE.read_text()
    page.write_text(text.replace("  dse.solver --> dse.csv_file\n", "", 1))
    assert page.read_text() != text
    monkeypatch.setattr(rooms, "PAGE", page)
    assert rooms.main() == 1
    assert rooms.main("--write") == 0
    assert page.read_text() == text
