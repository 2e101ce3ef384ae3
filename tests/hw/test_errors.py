"""Errors: one tree, and no other exception is raised on purpose where a user can see it."""

import ast
import pickle

import pytest
from helpers.paths import ROOT

from macwright.hw import errors
from macwright.hw.errors import MacwrightError, RefusedInput, RefusedType, ToolError
from macwright.hw.formats import parse_format
from macwright.hw.pe import IntMacSpec
from macwright.sim.families import golden_model
from macwright.sim.golden import decode


def test_docstring_draws_the_tree():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, MacwrightError)
        assert f" {name}" in str(errors.__doc__) or str(errors.__doc__).count(name) == 1
        assert isinstance(pickle.loads(pickle.dumps(kind("text"))), kind)


def test_builtin_classes_are_bases_of_ours():
    assert issubclass(RefusedInput, ValueError)
    assert issubclass(RefusedType, TypeError)
    assert issubclass(ToolError, RuntimeError)
    with pytest.raises(RefusedInput, match=r"^Unit pipeline must be"):
        IntMacSpec(pipeline=9)
    with pytest.raises(RefusedType, match=r"^int_mac act format must be"):
        IntMacSpec(act=parse_format("e4m3"))  # type: ignore[arg-type]


def test_refusals_are_ours():
    """A ValueError or TypeError of the library would be shown as a defect."""
    places = []
    for package in ("hw", "sim", "costmodel", "dse"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                    continue
                name = node.exc.func
                if isinstance(name, ast.Name) and name.id in ("ValueError", "TypeError"):
                    places.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    # The kernel's exports are no user's business.
    assert [place.rpartition(":")[0] for place in places] == ["costmodel/power/glitch.py"], places


@pytest.mark.parametrize("name", ["pot4", "apot4", "mxint8", "nvfp4"])
def test_golden_models_decode_no_format_that_they_do_not_know(name):
    with pytest.raises(TypeError, match=f"must be an integer or a minifloat, not {name}"):
        decode(parse_format(name), 0b1001)


def test_units_that_have_no_golden_model_are_refused():
    class Other:
        family = "other"

    with pytest.raises(RefusedType, match=r"family int_mac, .*, not 'other'"):
        golden_model(Other())
