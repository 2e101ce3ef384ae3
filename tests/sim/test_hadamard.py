# amaranth: UnusedElaboratable=no
"""Hadamard transforms: specs, golden model against NumPy, Verilog against the golden model."""

import re
import shutil

import numpy as np
import pytest

from macwright.hw.pe import Hadamard, spec_from_fields
from macwright.hw.registry import registry
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.runner import simulate
from macwright.testing import check_unit

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
UNITS = [spec for spec in registry() if spec.family == "hadamard"]


def transform(points):
    """Matrix by the rule of Kronecker products, which neither model nor hardware uses."""
    matrix = np.ones((1, 1), int)
    while len(matrix) < points:
        matrix = np.kron(np.array([[1, 1], [1, -1]]), matrix)
    return matrix


@pytest.mark.parametrize("points", [2, 16, 128])
def test_golden_agrees_with_the_product_by_kronecker(points):
    model, rng = golden_model(spec_from_fields("hadamard", {"points": points})), np.random
    for numbers in rng.default_rng(points).integers(-128, 128, (8, points)).tolist():
        assert model.results(numbers) == (transform(points) @ numbers).tolist()


@pytest.mark.parametrize("fields", [{"points": 2, "act": "int2"}, {"points": 4, "act": "int2"}])
def test_no_result_is_too_large_for_its_format_and_some_need_it(fields):
    spec = spec_from_fields("hadamard", fields)
    every = np.stack(np.meshgrid(*[np.arange(-2, 2)] * spec.points), -1).reshape(-1, spec.points)
    results = every @ transform(spec.points)
    assert results.min() == spec.acc.min
    assert spec.acc.min / 2 - 1 < results.max() <= spec.acc.max
    assert results.max() > spec.acc.max // 2


@pytest.mark.parametrize("spec", UNITS, ids=lambda spec: spec.name)
def test_conforms(spec):
    report = check_unit(spec, cycles=200)
    assert report.checked["simulation"] == 200
    assert "bench" in report.checked or "simulator" in report.left_out["bench"]


@needs_icarus
@pytest.mark.parametrize("pipeline", [0, 2])
def test_a_changed_sign_is_caught(pipeline, tmp_path):
    fields = {"act": "int3", "points": 8, "pipeline": pipeline}
    spec = spec_from_fields("hadamard", fields)
    manifest = write_unit(spec, tmp_path)
    assert simulate(tmp_path, simulator="icarus").failures == []
    path = tmp_path / manifest["verilog"]["file"]
    minus = [at.start() for at in re.finditer(r" - ", path.read_text())]
    assert len(minus) >= spec.additions // 2
    text = path.read_text()
    path.write_text(text[: minus[-1]] + " + " + text[minus[-1] + 3 :])
    failures = simulate(tmp_path, simulator="icarus").failures
    assert re.search(r"y is \S+, expected 0x\w+, for a=0x\w+", failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"points": "24"}, ValueError, r"^hadamard points must be a power of two from 2 to 256, n"),
        ({"points": "512"}, ValueError, r"^hadamard points must be a power of two from 2 to 256"),
        ({"act": "uint8"}, ValueError, r"^hadamard act format must be signed, of 2 to 32 bits, no"),
        ({"act": "int8sym"}, ValueError, r"^hadamard act format must be signed, of 2 to 32 bits"),
        ({"act": "e4m3fn"}, TypeError, r"^hadamard act format must be an integer, not e4m3fn$"),
        ({"target": "asic"}, ValueError, r"^hadamard target must be generic, not asic$"),
        ({"pipeline": "4"}, ValueError, r"^Unit pipeline must be an integer from 0 to 3 "),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("hadamard", fields)


def test_component_takes_only_its_spec():
    with pytest.raises(TypeError, match=r"^Hadamard takes a HadamardSpec, not 8$"):
        Hadamard(8)  # type: ignore[arg-type]
