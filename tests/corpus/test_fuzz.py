"""The Liberty reader and the ONNX loader under atheris; what it once met is kept in `files/`."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
from helpers.paths import ROOT, SMALL_LIBERTY
from helpers.tiny import write_tiny_model

SEEDS = ROOT / "tests" / "corpus" / "files"
#: Seconds of fuzzing, and most bytes of an input.
SECONDS, LONGEST = 30, 8192


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris, for Python up to 3.13")
@pytest.mark.parametrize("reader", ["library", "network"])
def test_coverage_guided_inputs(reader, tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    for path in SEEDS.glob(f"{reader}--*"):
        shutil.copy(path, folder)
    if reader == "library":
        shutil.copy(SMALL_LIBERTY, folder)
    else:
        write_tiny_model(tmp_path)
        shutil.copy(tmp_path / "tiny.onnx", folder)
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "tests" / "helpers" / "fuzz.py"), reader),
            *(f"-max_total_time={SECONDS}", f"-max_len={LONGEST}", "-rss_limit_mb=3072"),
            *("-timeout=10", f"-artifact_prefix={tmp_path}/", str(folder)),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "MACWRIGHT_MEMORY": "100000000"},
        timeout=10 * SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
