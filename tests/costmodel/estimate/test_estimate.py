"""Estimators: exact on what is linear, honest errors, close on the shipped tables."""

import numpy as np
import pytest

from macwright.costmodel.estimate.regression import RelativeRegressor, UnitEstimator, unit_features
from macwright.costmodel.tables.default_units import default_units
from macwright.costmodel.tables.lookup import load_table
from macwright.hw.formats import parse_format
from macwright.hw.pe import IntMacSpec, MinifloatMacSpec


def test_leave_one_out_error_is_that_of_models_fitted_without_the_row():
    rng = np.random.default_rng(1)
    rows = np.column_stack([np.ones(25), rng.uniform(1, 9, (25, 3))])
    targets = rows @ [3, 1, 4, 1.5] * rng.uniform(0.8, 1.2, 25)
    model = RelativeRegressor(ridge=0.0).fit(rows, targets)
    errors = []
    for left in range(25):
        kept = np.arange(25) != left
        scaled = rows[kept] / targets[kept, None]
        coef = np.linalg.lstsq(scaled, np.ones(24), rcond=None)[0]
        errors.append(abs(rows[left] @ coef / targets[left] - 1))
    assert model.loo_mape_ == pytest.approx(np.mean(errors), rel=1e-9)
    assert 0.03 < model.loo_mape_ < 0.2


@pytest.mark.parametrize("family", ["int_mac", "minifloat_mac"])
@pytest.mark.parametrize(
    ("technology", "figure", "most"),
    [
        ("gates", "area", 0.06),
        ("gates", "depth", 0.06),
        ("nangate45", "area", 0.06),
        ("nangate45", "delay_ns", 0.06),
        ("nangate45", "energy_fj_per_mac", 0.2),
    ],
)
def test_shipped_table_is_estimated_as_well_as_promised(family, technology, figure, most):
    rows = load_table(technology).set_index("unit")[figure].astype(float)
    specs = [s for s in default_units(technology) if s.family == family and s.name in rows.index]
    assert len(specs) > 40
    targets = rows[[spec.name for spec in specs]].to_numpy()  # pyright: ignore
    model = UnitEstimator().fit(specs, targets)
    assert model.loo_mape_ < most
    # Half of the units say what the other half cost, as well as the stated error promises.
    half = UnitEstimator().fit(specs[::2], targets[::2])
    errors = np.abs(half.predict(specs[1::2]) / targets[1::2] - 1)
    assert errors.mean() < most
    assert errors.mean() < 2 * half.loo_mape_


def test_conventions_of_scikit_learn():
    model = RelativeRegressor(ridge=0.5)
    assert type(model)(**model.get_params()).get_params() == {"ridge": 0.5}
    assert model.set_params(ridge=0.0) is model
    assert model.fit([[1], [2]], [3, 6]) is model
    assert model.predict([[5]]) == pytest.approx([15])
    assert (model.n_features_in_, model.loo_mape_) == (1, pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.fit([[1, 2], [2, 3]], [1, 2]), "^Units to fit must be more than the 2 feat"),
        (lambda m: m.fit([[1], [2]], [1, 0]), "^Features must be finite and targets positive$"),
        (lambda m: m.fit([1, 2], [1, 2]), r"^Features and targets must have shapes"),
        (lambda m: m.predict([[1]]), "^Model must be fitted before it predicts$"),
        (lambda m: m.fit([[1], [2]], [1, 2]).predict([[1, 2]]), r"^Features must have shape \(n"),
        (lambda m: m.set_params(alpha=1), "^Parameter must be ridge, not 'alpha'$"),
        (
            lambda _: UnitEstimator().fit([IntMacSpec(), MinifloatMacSpec()], [1, 2]),
            "^Units must be of one family, not ",
        ),
        (
            lambda _: UnitEstimator().predict([IntMacSpec()]),
            "^Model must be fitted before it predicts$",
        ),
    ],
)
def test_what_will_not_do_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call(RelativeRegressor())


def test_unit_of_another_kind_is_refused():
    spec = MinifloatMacSpec(acc=parse_format("fp16"))  # pyright: ignore
    with pytest.raises(TypeError, match=r"with a fixed-point accumulator, not minifloat_mac_"):
        unit_features(spec)
