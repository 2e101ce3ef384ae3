"""Estimates of what units cost, fitted to characterised ones, with their error beside them.

For sieving large spaces only: whatever ends on a front is characterised.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import FloatFormat

__all__ = ["RelativeRegressor", "UnitEstimator", "unit_features"]

_FAMILIES = ("int_mac", "minifloat_mac")


class RelativeRegressor:
    """Linear model of least relative squared error, in the conventions of scikit-learn.

    The coefficients minimise ``sum(((X @ coef - y) / y)**2) + ridge * sum((coef * s)**2)`` with s
    the root mean square of each column of X / y. The leave-one-out error is exact, by the
    diagonal of the hat matrix; no model is fitted anew.

    Parameters
    ----------
    ridge : float
        Weight of the penalty; it settles columns that say the same.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
    n_features_in_ : int
    loo_mape_ : float
        Mean absolute relative error of each row as the others predict it.

    Examples
    --------
    >>> model = RelativeRegressor().fit([[1, 1], [1, 2], [1, 4], [1, 8]], [3, 5, 9, 17])
    >>> np.round(model.predict([[1, 16]]), 2), model.loo_mape_ < 1e-4
    (array([33.]), True)
    """

    def __init__(self, ridge: float = 1e-6) -> None:
        self.ridge = ridge

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name."""
        return {"ridge": self.ridge}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        for name, value in params.items():
            if name not in self.get_params():
                raise RefusedInput(f"Parameter must be ridge, not {name!r}")
            setattr(self, name, value)
        return self

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to rows of features.

        Parameters
        ----------
        X : array of float, shape (n_units, n_features)
            What the targets are linear in.
        y : array of float, shape (n_units,)
            Positive.

        Raises
        ------
        ValueError
            If the shapes do not fit, a number is not finite or a target not positive, or there
            are no more rows than features.
        """
        rows, targets = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        if rows.ndim != 2 or targets.shape != rows.shape[:1]:
            raise RefusedInput(
                f"Features and targets must have shapes (n, f) and (n,), "
                f"not {rows.shape} and {targets.shape}"
            )
        if len(rows) <= rows.shape[1]:
            raise RefusedInput(
                f"Units to fit must be more than the {rows.shape[1]} features, not {len(rows)}"
            )
        if not (np.isfinite(rows).all() and np.isfinite(targets).all() and (targets > 0).all()):
            raise RefusedInput("Features must be finite and targets positive")
        scaled = rows / targets[:, None]
        size = np.sqrt((scaled**2).mean(axis=0))
        size[size == 0] = 1.0
        scaled = scaled / size
        penalty = self.ridge * np.eye(rows.shape[1])
        solve = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T)
        weights = solve.sum(axis=1)
        leverage = np.einsum("ij,ji->i", scaled, solve)
        residual = (scaled @ weights - 1) / np.maximum(1 - leverage, 1e-9)
        self.coef_: NDArray[np.float64] = weights / size
        self.n_features_in_ = rows.shape[1]
        self.loo_mape_ = float(np.abs(residual).mean())
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict targets, shape (n_units,).

        Raises
        ------
        ValueError
            If the model is not fitted, or the features are not as many.
        """
        if not hasattr(self, "coef_"):
            raise RefusedInput("Model must be fitted before it predicts")
        rows = np.asarray(X, dtype=float)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:
            raise RefusedInput(
                f"Features must have shape (n, {self.n_features_in_}), not {rows.shape}"
            )
        return rows @ self.coef_


class UnitEstimator:
    """Estimator of one figure of the units of one family.

    Parameters
    ----------
    ridge : float
        As for `RelativeRegressor`.

    Attributes
    ----------
    family_ : str
    loo_mape_ : float
        Leave-one-out error, to be stated beside every estimate.
    """

    def __init__(self, ridge: float = 1e-6) -> None:
        self.ridge = ridge

    def fit(self, specs: Sequence[Any], y: ArrayLike) -> Self:
        """Fit to characterised units of one family, such as their areas.

        Raises
        ------
        ValueError
            If the units are of several families, or as `RelativeRegressor.fit`.
        """
        families = sorted({spec.family for spec in specs})
        if len(families) != 1:
            raise RefusedInput(f"Units must be of one family, not {families}")
        self.family_ = families[0]
        self.model_ = RelativeRegressor(self.ridge).fit([unit_features(s) for s in specs], y)
        self.loo_mape_ = self.model_.loo_mape_
        return self

    def predict(self, specs: Sequence[Any]) -> NDArray[np.float64]:
        """Estimate the figure, shape (n_units,); `loo_mape_` says how well.

        Raises
        ------
        ValueError
            If nothing is fitted, or a unit is of another family.
        """
        if not hasattr(self, "model_"):
            raise RefusedInput("Model must be fitted before it predicts")
        if others := {spec.family for spec in specs} - {self.family_}:
            raise RefusedInput(f"Units must be of family {self.family_}, not {sorted(others)}")
        return self.model_.predict([unit_features(spec) for spec in specs])


def unit_features(spec: Any) -> NDArray[np.float64]:
    """Numbers that the cost of a MAC unit is about linear in.

    They are: 1; products of significand bits; their sum; accumulator bits and their logarithm;
    places that a product can be shifted to, times the product's width, by level of the shifter;
    bits of the exponents; whether each operand is signed; longer and shorter operand.

    Parameters
    ----------
    spec : unit spec
        With `act`, `weight` and `acc` of scalar formats and a fixed-point accumulator.

    Returns
    -------
    ndarray of float64, shape (n_features,)

    Raises
    ------
    TypeError
        If the unit is not such a MAC.
    """
    if spec.family not in _FAMILIES or isinstance(spec.acc, FloatFormat):
        raise RefusedType(
            f"Unit to estimate must be one of {', '.join(_FAMILIES)} with a fixed-point "
            f"accumulator, not {spec.name}"
        )
    parts = [_parts(fmt) for fmt in (spec.act, spec.weight)]
    (act_bits, act_exp, act_range, _), (weight_bits, weight_exp, weight_range, _) = parts
    places = act_range + weight_range
    product = act_bits + weight_bits
    levels = np.log2(places + 1)
    acc = spec.acc.width
    return np.array(
        [
            1.0,
            act_bits * weight_bits,
            product,
            acc,
            np.log2(acc),
            levels * product,
            levels * (product + places),
            places,
            act_exp + weight_exp,
            sum(not signed for *_, signed in parts),
            min(act_bits, weight_bits),
            min(act_bits, weight_bits) ** 2,
        ]
    )


def _parts(fmt: Any) -> tuple[int, int, int, bool]:
    """Bits of the significand and exponent, places that it is shifted over, and whether signed."""
    if isinstance(fmt, FloatFormat):
        return fmt.man_bits + 1, fmt.exp_bits, max(0, (1 << fmt.exp_bits) - 2), fmt.signed
    return fmt.width, 0, 0, fmt.signed
