"""Standard errors of metrics, against what many samples scatter by."""

import numpy as np
import pytest

from macwright.dse.data.task import TASKS


def draw(task, rng, count):
    """Outputs and labels of one sample of so many."""
    if task == "classification":
        labels = rng.integers(0, 4, count)
        return np.eye(4)[labels] + rng.normal(0, 0.8, (count, 4)), labels
    if task == "similarity":
        left = rng.normal(size=(count, 3))
        right = left + rng.normal(0, 1, (count, 3))
        cosine = (left * right).sum(1) / np.linalg.norm(left, axis=1)
        return np.concatenate([left, right]), cosine + rng.normal(0, 0.7, count)
    if task == "language-model":
        return rng.normal(0, 1, (count, 6, 5)), rng.integers(0, 5, (count, 6))
    return rng.normal(size=(count, 2)), rng.normal(size=(count, 2))


@pytest.mark.parametrize("name", TASKS)
def test_standard_error_is_the_scatter_of_many_samples(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    samples = [draw(name, rng, 200) for _ in range(400)]
    scatter = np.std([task.metric(*sample) for sample in samples])
    errors = [task.standard_error(*sample) for sample in samples]
    assert np.mean(np.asarray(errors, np.float64)) == pytest.approx(scatter, rel=0.15)


@pytest.mark.parametrize("name", TASKS)
def test_one_sample_has_no_standard_error(name):
    assert TASKS[name].standard_error(*draw(name, np.random.default_rng(1), 1)) is None
