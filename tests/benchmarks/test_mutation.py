# amaranth: UnusedElaboratable=no
"""The mutation check's own parts: what a mutant is, and what counts as equivalent."""

import importlib
import sys

import pytest
from helpers.paths import ROOT

from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog

BENCHMARKS = str(ROOT / "benchmarks")
TERNARY = spec_from_fields("int_mac", {"act": "int4", "weight": "ternary", "acc": "int9"})
FLOAT = spec_from_fields("minifloat_mac", {"act": "e3m2", "weight": "e2m1fn", "terms": 9})


@pytest.fixture
def script(monkeypatch):
    """Import a module of the folder of benchmarks, as its scripts do."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in ("mutants", "equivalence"):
        sys.modules.pop(name, None)


def test_mutants_change_one_place_and_are_the_same_every_time(script):
    mutants, text = script("mutants").mutants, unit_verilog(FLOAT)
    found = mutants(text, count=10, seed="a")
    assert [str(m) for m in found] == [str(m) for m in mutants(text, count=10, seed="a")]
    assert [str(m) for m in found] != [str(m) for m in mutants(text, count=10, seed="b")]
    for mutant in found:
        pairs = zip(text.splitlines(), mutant.text.splitlines(), strict=True)
        assert sum(old != new for old, new in pairs) == 1
        assert not mutant.before.lstrip().startswith(("wire", "reg", "input", "output", "module"))


def test_every_operator_and_constant_is_a_place(script):
    text = "  wire x;\n  assign y = s ? ~ (b << 2'h1) : - (a + 4'h3);\n    if (en) begin\n"
    changes = {str(m) for m in script("mutants").mutants(text, count=99, seed="a")}
    assert len(changes) == 8
    assert "line 3: if (en) begin -> if (!(en)) begin" in changes


@pytest.mark.parametrize(
    ("spec", "old", "new", "same"),
    [
        # Code 2 of ternary is not promised anything.
        (TERNARY, "$signed(a) * $signed(w)", "$signed(a) * $signed({w[1], w[1] | w[0]})", True),
        (TERNARY, "$signed(a) * $signed(w)", "$signed(a) * $signed({w[0], w[0]})", False),
        (TERNARY, "clear ?", "1'h0 ?", False),
        # The sum is open while `invalid` is up, but the flag is not.
        (FLOAT, "+ $signed(term)", "+ $signed(special ? 4'h5 : term)", True),
        (FLOAT, "special | \\$", "special & \\$", False),
    ],
)
def test_equivalence_is_that_of_the_contract(script, spec, old, new, same):
    text = unit_verilog(spec)
    assert text.count(old) == 1, text
    assert script("equivalence").equivalent(spec, text, text.replace(old, new)) is same
