"""Every family has a golden model, a bench, and tests that are there."""

import ast

import pytest
from helpers.paths import ROOT

from macwright.hw.pe import FAMILIES
from macwright.hw.registry import registry
from macwright.sim.families import FAMILIES as ROWS
from macwright.sim.families import verification


def test_every_family_has_a_row():
    assert {name.partition(",")[0] for name in ROWS} == set(FAMILIES)


@pytest.mark.parametrize("name", ROWS)
def test_tests_of_a_row_are_functions_of_its_bench(name):
    row = ROWS[name]
    tree = ast.parse((ROOT / "sim" / "bench" / f"{row.bench}.py").read_text())
    names = {
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    names |= {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    specs = [spec for spec in registry() if verification(spec) is row]
    assert specs
    assert {test for spec in specs for test in row.tests_of(spec)} <= names
