"""Pages of docs/: their examples run, and the site has every page."""

import re

import pytest
from helpers.paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["how-to/python.md"])
def test_examples_run(page):
    blocks = _PYTHON.findall((DOCS / page).read_text())
    assert len(blocks) >= 3
    space: dict = {}
    for block in blocks:
        exec(compile(block, page, "exec"), space)


def test_the_site_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    assert not [page for page in PAGES if page not in text]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", (DOCS / page).read_text()):
        assert ((DOCS / page).parent / link).exists(), f"{page} links to {link}"
