"""Damaged files of every reader: answered or refused in a sentence."""

import sys
from collections import Counter

import pytest
from helpers.paths import ROOT


@pytest.fixture
def robustness(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    import robustness  # type: ignore[import-not-found]

    monkeypatch.chdir(tmp_path)
    robustness.prepare(tmp_path)
    yield robustness
    for name in ("robustness", "section"):
        sys.modules.pop(name, None)


def try_all(robustness, readers, count, folder):
    for reader in readers:
        found: Counter[str] = robustness.try_reader(reader, count, 1)
        assert found.total() == count
        assert not set(found) - {"answered", "refused"}, (reader, found)


def test_damaged_files_of_all_readers(robustness, tmp_path):
    try_all(robustness, robustness.READERS, 8, tmp_path)


@pytest.mark.slow
def test_many_damaged_files_of_all_readers(robustness, tmp_path):
    try_all(robustness, robustness.READERS, 2500, tmp_path)


def test_the_judge_sees_what_falls(robustness, monkeypatch):
    from macwright.dse.cli import formats

    def fall(args):
        raise KeyError("QN")

    monkeypatch.setattr(formats, "run", fall)
    assert robustness.verdict(["formats"]).startswith("traceback: KeyError")
