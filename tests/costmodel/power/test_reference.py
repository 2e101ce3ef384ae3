"""The acceptance script on the reference cases."""

import subprocess
import sys

import pytest
from helpers.paths import ROOT, SHARED


def run(folder):
    script = ROOT / "benchmarks" / "energy_accuracy.py"
    command = [sys.executable, script, folder, "--liberty-dir", SHARED / "pdk"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_reference_cases_are_within_the_limits():
    done = run(SHARED / "reference" / "energy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 cases within the limits" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reference.json", '"min_period_ns": 1.092018', '"min_period_ns": 1.094'),
        ("reference.json", '"total": 897.4', '"total": 997.4'),
        ("outputs.csv", "\n5,", "\n5,1"),
    ],
)
def test_deviations_are_noticed(tmp_path, file, old, new):
    case = tmp_path / "case"
    case.mkdir()
    for path in (SHARED / "reference" / "energy" / "nangate45-i4x4_16-gauss").iterdir():
        text = path.read_text()
        if path.name == file:
            assert old in text
            text = text.replace(old, new)
        (case / path.name).write_text(text)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "BEYOND A LIMIT" in done.stdout
