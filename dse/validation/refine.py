"""Sensitivities corrected by what allocations near the front really lose, and data kept back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from macwright.dse.data.recipe import Dataset
from macwright.dse.search.result import SearchResult
from macwright.dse.search.selection import points_to_refine
from macwright.dse.settings import Settings
from macwright.hw.errors import RefusedInput

__all__ = ["Correction", "corrected", "fit_correction", "refined", "split_held_out"]

#: Strengths with which factors are held at one; the best one for points left out is taken.
STRENGTHS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 1e6)
#: Factors of single layers are within these.
LEAST, MOST = 0.5, 2.0
#: Share of its error that a fit must save on points left out, or factors are not applied.
SAVED = 0.2
#: Points of the front that are measured each time.
POINTS = 12


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Factors of the losses of each layer.

    Parameters
    ----------
    factors : mapping from str to float
        By layer; all of them 1 where those that were fitted do not pay.
    before, after : float
        Mean error of the logarithm of the loss of a measured point that was left out of the fit:
        with one common factor, and with factors of layers.
    points : int
        Points that were measured.
    """

    factors: Mapping[str, float]
    before: float
    after: float
    points: int

    @property
    def applied(self) -> bool:
        """Whether any factor is other than 1."""
        return any(factor != 1 for factor in self.factors.values())


def fit_correction(
    options: pd.DataFrame, points: Sequence[tuple[Mapping[str, str], float]]
) -> Correction:
    """Factors of layers with which the additive loss is in proportion to measured ones.

    Ridge regression of the relative error towards one common factor, whose strength is chosen by
    leaving out one point after the other. The common factor, which changes no choice, is left out.
    Where points that are left out are not missed by a fifth less, there is no correction: what is
    fitted to a few points of a front, and does not hold for others, makes the next front worse.

    Parameters
    ----------
    options : DataFrame
        Columns ``layer, option, loss``.
    points : sequence of (allocation, float)
        Option of each layer and the measured mean squared change of the outputs.

    Raises
    ------
    ValueError
        With fewer than three points of positive losses.
    """
    layers = list(dict.fromkeys(options["layer"]))
    loss = {
        (layer, option): float(value)
        for layer, option, value in zip(
            options["layer"], options["option"], options["loss"], strict=True
        )
    }
    parts = np.array([[loss[name, pairs[name]] for name in layers] for pairs, _ in points])
    measured = np.array([value for _, value in points], np.float64)
    good = (parts.sum(axis=1) > 0) & (measured > 0) if len(points) else np.zeros(0, bool)
    if good.sum() < 3:
        raise RefusedInput(
            f"Corrections must be fitted to three measured points or more, not {good.sum()}"
        )
    parts, measured = parts[good], measured[good]
    errors = {strength: _left_out(parts, measured, strength) for strength in STRENGTHS}
    strength = min(errors, key=lambda key: (errors[key], -key))
    before, after = errors[STRENGTHS[-1]], errors[strength]
    factors = np.ones(len(layers))
    if after <= (1 - SAVED) * before:
        factors = _fit(parts, measured, strength)[1]
    return Correction(
        factors=dict(zip(layers, factors.tolist(), strict=True)),
        before=before,
        after=after,
        points=len(measured),
    )


def _fit(parts: np.ndarray, measured: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
    """Common factor, and those of the layers relative to it."""
    common = float(np.exp(np.mean(np.log(measured / parts.sum(axis=1)))))
    shares = common * parts / measured[:, None]
    normal = shares.T @ shares + strength * np.eye(shares.shape[1])
    change = np.linalg.solve(normal, shares.T @ (1 - shares.sum(axis=1)))
    return common, np.clip(1 + change, LEAST, MOST)


def _left_out(parts: np.ndarray, measured: np.ndarray, strength: float) -> float:
    errors = []
    for index in range(len(measured)):
        rest = np.arange(len(measured)) != index
        common, factors = _fit(parts[rest], measured[rest], strength)
        predicted = common * float(parts[index] @ factors)
        errors.append(abs(np.log(predicted / measured[index])))
    return float(np.mean(errors))


def corrected(options: pd.DataFrame, correction: Correction) -> pd.DataFrame:
    """Options whose losses are multiplied by the factors of their layers."""
    factors = np.array([correction.factors[name] for name in options["layer"]])
    return options.assign(loss=options["loss"] * factors)


def refined(
    single: pd.DataFrame,
    settings: Settings,
    searched: Callable[[pd.DataFrame], SearchResult],
    measured: Callable[[Sequence[Mapping[str, str]]], list[float]],
) -> tuple[pd.DataFrame, SearchResult, list[Correction]]:
    """Points, searched for again so often with losses corrected by measured ones, if that pays.

    Parameters
    ----------
    single : DataFrame
        Options with the losses of single tensors.
    settings : Settings
        How often, and which points are measured.
    searched : callable
        Points of options.
    measured : callable
        Losses of allocations.

    Returns
    -------
    DataFrame, SearchResult, list of Correction
        Options with the losses that the points are of, the points, and all corrections.
    """
    options, search = single, searched(single)
    corrections: list[Correction] = []
    seen: dict[str, tuple[Mapping[str, str], float]] = {}
    for _ in range(settings.refine):
        chosen = [point.pairs for point in points_to_refine(search.front, settings, POINTS)]
        for pairs, loss in zip(chosen, measured(chosen), strict=True):
            seen[str(sorted(pairs.items()))] = (pairs, loss)
        # The losses of single tensors are what is corrected, each time by all that is known.
        corrections.append(fit_correction(single, list(seen.values())))
        if not corrections[-1].applied:
            return single, searched(single) if options is not single else search, corrections
        options = corrected(single, corrections[-1])
        search = searched(options)
    return options, search, corrections


def split_held_out(dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """Evaluation data in two: to choose by, and every so many samples kept back.

    Raises
    ------
    ValueError
        If the share is not between 0 and 0.5, or one part would be empty.
    """
    if not 0 < share <= 0.5:
        raise RefusedInput(f"Share held out must be above 0 and at most 0.5, not {share}")
    count = len(dataset.y_eval)
    back = np.zeros(count, bool)
    back[:: max(2, round(1 / share))] = True
    if count < 4:
        raise RefusedInput(f"Evaluation data to hold out must be 4 samples or more, not {count}")

    def part(mask: np.ndarray) -> Dataset:
        parts = dataset.rules.parts
        x_eval = {
            name: np.concatenate([half[mask] for half in np.split(values, parts)])
            for name, values in dataset.x_eval.items()
        }
        return replace(dataset, x_eval=x_eval, y_eval=dataset.y_eval[mask])

    return part(~back), part(back)
