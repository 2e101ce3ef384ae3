"""Guides: following one on a copy of the tree gives what it says, in the files that it names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

GUIDES = ROOT / "docs" / "guides"
#: What a block says after its language: a file, and where in it the text goes.
_BLOCK = re.compile(
    r'^```python title="(?P<file>[^"]+)"(?: (?P<where>after|before)="(?P<line>[^"]+)")?'
    r'(?: inline="(?P<inline>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
PACKAGES = ("hw", "sim", "costmodel", "dse")


@pytest.fixture
def tree(tmp_path) -> Path:
    """Copy of the packages, imported as `macwright` through links, and of the tests' helpers."""
    links = tmp_path / "links" / "macwright"
    links.mkdir(parents=True)
    for name in (*PACKAGES, "tests/helpers", "tests/costmodel/small.lib", "pyproject.toml"):
        target = tmp_path / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", ROOT / name, target], check=True)
    for path in (
        *(tmp_path / "tree" / p for p in PACKAGES),
        *(tmp_path / "tree/dse/public").iterdir(),
    ):
        (links / path.name).symlink_to(path)
    return tmp_path / "tree"


def follow(guide: Path, tree: Path) -> set[str]:
    """Put the blocks of a guide into the files that they name."""
    files = set()
    for block in _BLOCK.finditer(guide.read_text()):
        path = tree / block["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        files.add(block["file"])
        if block["where"] is None:
            assert not path.exists(), f"{guide.name} makes {block['file']}, which is there"
            path.write_text(block["text"])
            continue
        lines = path.read_text().splitlines(keepends=True)
        places = [i for i, line in enumerate(lines) if block["line"] in line]
        assert len(places) == 1, f"{guide.name}: {block['line']!r} is {len(places)} times there"
        if block["inline"]:
            lines[places[0]] = lines[places[0]].replace(
                block["line"], block["line"] + block["inline"]
            )
        else:
            lines.insert(places[0] + (block["where"] == "after"), block["text"])
        path.write_text("".join(lines))
    return files


def contents(tree: Path) -> dict[str, bytes]:
    """Files of the copy but what Python and pytest keep."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache"} & set(path.parts)
    }


def run_pytest(tree: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, whose packages come before ours."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree.parent / "links"),
        "MACWRIGHT_CACHE": str(tree.parent / "cache"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *files]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_following_a_guide_adds_its_example(guide, tree):
    tests = sorted(m["file"] for m in _BLOCK.finditer(guide.read_text()) if "tests/" in m["file"])
    assert tests
    for block in _BLOCK.finditer(guide.read_text()):
        if block["file"] in tests:  # the tests alone: what they test is not there yet
            (tree / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            (tree / block["file"]).write_text(block["text"])
    before = run_pytest(tree, *tests)
    assert before.returncode == 1, f"without the example: {before.stdout}{before.stderr}"
    for name in tests:
        (tree / name).unlink()
    was = contents(tree)
    files = follow(guide, tree)
    now = contents(tree)
    # In the files that it names and no others, none of which goes.
    assert {name for name in now if now[name] != was.get(name)} == files
    assert set(was) <= set(now)
    said = guide.read_text()
    assert all(f'"{name}"' in said for name in files)
    result = run_pytest(tree, *tests)
    assert result.returncode == 0, result.stdout[-3000:]
    assert str(tree.parent) in subprocess.check_output(
        [sys.executable, "-c", "import macwright; print(macwright.__file__)"],
        env={**os.environ, "PYTHONPATH": str(tree.parent / "links")},
        cwd=tree,
        text=True,
    )


@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_places_that_a_guide_names_are_there(guide):
    blocks = list(_BLOCK.finditer(guide.read_text()))
    assert blocks
    for block in blocks:
        path = ROOT / block["file"]
        assert path.is_file() == (block["where"] is not None), block["file"]
        if block["line"]:
            lines = [line for line in path.read_text().splitlines() if block["line"] in line]
            assert len(lines) == 1, f"{block['line']!r} is {len(lines)} times in {block['file']}"
