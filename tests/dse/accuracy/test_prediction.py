"""Accuracy predicted from a few measurements."""

import numpy as np
import pytest

from macwright.dse.sensitivity.measure import calibrate_accuracy


def test_power_law_is_found_again():
    losses = np.geomspace(0.01, 10, 10)
    fit = calibrate_accuracy(losses, 90 - 0.8 * losses**1.2, 90)
    assert fit.exponent == pytest.approx(1.2, abs=0.05)
    assert fit.metric(2.0) == pytest.approx(90 - 0.8 * 2**1.2, abs=0.05)
    assert fit.metric(0) == 90
    assert fit.error < 0.1
    assert fit.points == 10


def test_predictions_never_rise_with_the_loss():
    rng = np.random.default_rng(0)
    for _ in range(20):
        losses = np.exp(rng.normal(0, 2, 10))
        metrics = 90 - losses**0.7 + rng.normal(0, 0.3, 10)
        fit = calibrate_accuracy(losses, metrics, 90)
        predicted = [fit.metric(loss) for loss in np.linspace(0, 50, 30)]
        assert np.all(np.diff(predicted) <= 0)
        assert predicted[0] == 90


def test_noise_of_small_drops_does_not_decide():
    losses = np.geomspace(1e-3, 1, 9)
    noise = np.random.default_rng(1).normal(0, 0.1, 9)
    fit = calibrate_accuracy(losses, 92 - 5 * losses + noise, 92)
    assert fit.metric(0.5) == pytest.approx(89.5, abs=0.3)
    assert 0.03 < fit.error < 0.5


def test_error_is_that_of_points_left_out():
    # A point that is off the line is missed by its whole distance, if a fit is without it; the last
    # one counts nothing, as nothing is predicted beyond it.
    losses, metrics = [1, 2, 3, 4, 5, 6], [99, 98, 97, 85, 95, 94]
    fit = calibrate_accuracy(losses, metrics, 100)
    misses = []
    for i in range(5):
        rest = [k for k in range(6) if k != i]
        other = calibrate_accuracy([losses[k] for k in rest], [metrics[k] for k in rest], 100)
        misses.append(abs(other.metric(losses[i]) - metrics[i]))
    assert fit.error == pytest.approx(np.mean(misses))
    assert misses[3] > 5
    rest = calibrate_accuracy(losses[:5], metrics[:5], 100)
    assert fit.error != pytest.approx(np.mean([*misses, abs(rest.metric(6) - 94)]))


def test_perplexity_rises():
    fit = calibrate_accuracy(
        [1, 2, 3, 4, 5], [6.1, 6.2, 6.3, 6.4, 6.5], 6.0, higher_is_better=False
    )
    assert fit.metric(6) == pytest.approx(6.6, abs=0.01)


def test_networks_that_lose_nothing():
    fit = calibrate_accuracy([1, 2, 3, 4, 5], [92] * 5, 92)
    assert fit.metric(1e6) == 92
    better = calibrate_accuracy([1, 2, 3, 4, 5], [93, 93, 94, 93, 93], 92)
    assert better.metric(3) == 92


def test_calibrations_that_are_refused():
    with pytest.raises(ValueError, match=r"at least five different losses .* not 5 and 5"):
        calibrate_accuracy([1, 1, 2, 3, 4], [90] * 5, 91)
    with pytest.raises(ValueError, match=r"at least five different losses .* not 5 and 4"):
        calibrate_accuracy([1, 3, 2, 4, 5], [90] * 4, 91)
    with pytest.raises(ValueError, match="Metrics must be finite"):
        calibrate_accuracy([1, 2, 3, 4, 5], [90, np.nan, 89, 88, 87], 91)
    with pytest.raises(ValueError, match="at least zero, not -1"):
        calibrate_accuracy([1, 2, 3, 4, -1], [90, 89, 88, 87, 92], 91)
