"""The operator tests of the `onnx` wheel: equal to their outputs, or refused in one sentence."""

import warnings
from collections import Counter
from itertools import chain

import pytest
from helpers.onnx_corpus import files, nodes, verdict

GOOD = {"equal", "as onnxruntime", "refused"}


def test_some_models_of_the_wheel():
    results = {case.name: verdict(case) for case in list(files())[::5]}
    assert {name: x for name, x in results.items() if x[0] not in GOOD} == {}
    counts = Counter(result for result, _ in results.values())
    assert counts["equal"] >= 0.8 * len(results)


@pytest.mark.slow
def test_all_models_of_the_wheel():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = {case.name: verdict(case) for case in chain(files(), nodes())}
    assert {name: x for name, x in results.items() if x[0] not in GOOD} == {}
    counts = Counter(result for result, _ in results.values())
    assert counts["equal"] >= 0.8 * len(results)
    assert counts["as onnxruntime"] <= 5
