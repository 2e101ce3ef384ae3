"""Results of benchmarks: one file each, all in the index, written where `--write` says."""

import re
import sys

import pytest
from helpers.paths import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def section(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import section  # type: ignore[import-not-found]

    yield section
    sys.modules.pop("section")


def test_the_index_has_every_file_and_no_other():
    index = (BENCHMARKS / "results" / "README.md").read_text()
    listed = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert listed == {path.name for path in (BENCHMARKS / "results").glob("*.md")} - {"README.md"}


def test_each_file_was_written_by_a_script_that_is_there():
    for path in (BENCHMARKS / "results").glob("[!R]*.md"):
        script = re.search(r"^`python benchmarks/(\w+\.py)", path.read_text(), re.MULTILINE)
        assert script, f"{path.name} does not say its command"
        assert (BENCHMARKS / script[1]).is_file()


def test_results_replace_those_of_their_name_alone(section, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("[a](one_part.md) [b](other.md)")
    (tmp_path / "other.md").write_text("stays")
    (tmp_path / "one_part.md").write_text("old")
    monkeypatch.setattr(section, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/some.py", "--write"])
    section.write_section("one part", "One: part", "| a |\n")
    text = (tmp_path / "one_part.md").read_text()
    assert text.startswith("# One: part\n\n`python benchmarks/some.py --write`\n")
    assert text.endswith("\n\n| a |\n")
    assert (tmp_path / "other.md").read_text() == "stays"
    with pytest.raises(ValueError, match=r"results/README.md, not unknown\.md$"):
        section.write_section("unknown", "Unknown", "x")
