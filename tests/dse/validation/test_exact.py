"""Exact accuracy of measured points, and why a point has none."""

import dataclasses

import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.bitexact import evaluate_exact
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer.quantise import Allocation
from macwright.dse.search.front import SearchResult
from macwright.dse.search.points import Point
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import Settings
from macwright.dse.validation.exact import measure_exact
from macwright.dse.workload import load_workload


def test_measured_points_are_measured_as_integers_or_say_why_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    path, data = networks.write(tmp_path, networks.cnn())
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    pairs = {
        "0": {layer.name: "int4/int6" for layer in workload.layers},
        "1": {layer.name: "mxint8/mxint8" for layer in workload.layers},
        "2": {layer.name: "int8/int8" for layer in workload.layers},
    }
    points = [Point(name=name, pairs=pair, totals={}, accuracy=1.0) for name, pair in pairs.items()]
    empty = {field.name: None for field in dataclasses.fields(SearchResult)}
    found = SearchResult(**{**empty, "front": points, "measured": {"0", "1"}})
    calls = []
    found, reasons = measure_exact(
        workload, dataset, found, Rotations(), Settings(jobs=2), lambda *done: calls.append(done)
    )
    exact = [point.exact for point in found.front]
    formats: Allocation = {name: ("int4", "int6") for name in pairs["0"]}
    assert exact == [evaluate_exact(workload, dataset, formats).metric, None, None]
    assert exact[0] == pytest.approx(evaluate(workload, dataset, formats).metric, abs=8)
    assert list(reasons) == ["1"]
    assert "not mxint8" in reasons["1"]
    assert calls[-1] == ("exact evaluation", 2, 2)
