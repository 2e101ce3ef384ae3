"""Recipes whose task does not fit the labels or the network are refused, with the remedy."""

import re

import numpy as np
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.data.recipe import load_recipe
from macwright.dse.data.task_fit import check_outputs
from macwright.dse.workload.load import load_workload

REGRESSION = 'if they are values to predict, the recipe needs task = "regression"'


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Model with three logits, and the arrays of its data."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    model, data = networks.write(tmp_path, networks.cnn())
    return model, dict(np.load(data))


def measured(model, arrays, task):
    """Accuracy of the float network with such a recipe."""
    np.savez(model.with_name("raw.npz"), **arrays)
    model.with_suffix(".toml").write_text(f'data = "raw.npz"\ntask = "{task}"')
    return evaluate(load_workload(model), load_recipe(model), None, jobs=1).metric


def refusal(model, arrays, task):
    """The one sentence."""
    with pytest.raises(ValueError, match=r"\w") as error:
        measured(model, arrays, task)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_data_of_a_classifier_fit_a_classifier(files):
    model, arrays = files
    assert 0 <= measured(model, arrays, "classification") <= 100


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_regression_on_a_classifier_is_refused(files, dtype):
    model, arrays = files
    arrays["y_eval"] = arrays["y_eval"].astype(dtype)
    text = refusal(model, arrays, "regression")
    assert re.match(r"Labels must be \d numbers for each sample, one for each output", text)
    assert 'the recipe has task = "regression", not 1' in text
    assert text.endswith('looks like a classifier, whose recipe needs task = "classification"')


def test_regression_with_values_of_another_size_is_no_classifier(files):
    model, arrays = files
    arrays["y_eval"] = np.full((96, 2), 0.5)
    text = refusal(model, arrays, "regression")
    assert text.endswith("not 2; check the labels, or name another output of the network")


def test_regression_with_a_value_for_each_output_is_measured(files):
    model, arrays = files
    outputs = load_workload(model).model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    arrays["y_eval"] = np.zeros((96, outputs), np.float32)
    assert measured(model, arrays, "regression") > 0


def test_similarity_on_a_classifier_is_refused(files):
    model, arrays = files
    text = refusal(model, arrays, "similarity")
    assert text.startswith('Recipe with task = "similarity" must name the model\'s inputs and pair')
    assert text.endswith('needs task = "classification" or "regression"')


def test_scores_of_pairs_are_one_each():
    with pytest.raises(ValueError, match=r"must be one score for each pair, not of shape \(2, 1\)"):
        check_outputs("similarity", np.zeros((4, 3)), np.zeros((2, 1)))


def test_tokens_beyond_the_vocabulary_are_refused():
    check_outputs("language-model", np.zeros((2, 5, 4)), np.full((2, 5), 3))
    with pytest.raises(ValueError, match=r"Tokens must be from 0 to 3, .* vocabulary, not 4$"):
        check_outputs("language-model", np.zeros((2, 5, 4)), np.full((2, 5), 4))


def test_outputs_with_axes_of_size_one_are_no_logits():
    with pytest.raises(ValueError, match=r"not \(2, 3, 1, 1\) and \(2,\)"):
        check_outputs("classification", np.zeros((2, 3, 1, 1)), np.zeros(2, int))


def test_fractions_are_no_classes(files):
    model, arrays = files
    arrays["y_eval"] = np.linspace(0, 1, 96)
    text = refusal(model, arrays, "classification")
    assert text.startswith("Labels of raw.npz must be integers from 0, not float64; " + REGRESSION)


def test_labels_beyond_the_classes_are_refused(files):
    model, arrays = files
    arrays["y_eval"][5] = 77
    text = refusal(model, arrays, "classification")
    assert re.match(
        r"Labels must be from 0 to \d, the model's classes, not 77; " + REGRESSION, text
    )


def test_one_hot_labels_are_refused(files):
    model, arrays = files
    arrays["y_eval"] = np.eye(80, dtype=int)[arrays["y_eval"]]
    text = refusal(model, arrays, "classification")
    assert text.startswith(
        "Outputs must be of shape (samples, classes) and labels of shape (samples,) where the "
        'recipe has task = "classification", not (96, '
    )
