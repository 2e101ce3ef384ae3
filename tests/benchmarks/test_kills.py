"""What the benchmark of killed commands takes for damage."""

import hashlib
import json
import sys

import pytest
from helpers.paths import ROOT

from macwright.costmodel.cache import Cache


@pytest.fixture
def kills(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    import kills  # type: ignore[import-not-found]

    yield kills
    for name in ("kills", "section"):
        sys.modules.pop(name, None)


def test_damage_is_seen(kills, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert kills.damage(out) is None
    for name in ("front.csv", "layers.csv", "costs.csv", "options.csv", "report.html"):
        (out / name).write_text("a\n")
    (out / "run.json").write_text("{}\n")
    assert kills.damage(out) is None
    (out / "layers.csv").write_text("a")
    assert kills.damage(out) == "layers.csv is cut"
    (out / "layers.csv").unlink()
    assert kills.damage(out).startswith("FileNotFoundError")
    (out / "run.json").unlink()
    (out / "a.v").write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    (out / "build.json").write_text(json.dumps({"files_sha256": {"a.v": digest}}))
    assert kills.damage(out) is None
    (out / "a.v").write_text("y")
    assert kills.damage(out) == "a.v is not of this machine"
    (out / "build.json").unlink()
    (out / "table.csv").write_text("a\n")
    assert kills.damage(out) == "table.csv is cut"
    (out / "table.csv").unlink()
    Cache("unit").put("a" * 64, 1)
    assert kills.damage(out) is None
    Cache("unit").path("a" * 64).write_text("{}")
    assert kills.damage(out).startswith("cache entry")
