"""What the standard errors of a run allow to be said of its points."""

from macwright.dse.accuracy.standard_error import first_alike, predicted_decimals, within_error
from macwright.dse.report.data import ReportedPoint, Run, Uniform

__all__ = ["alike", "alike_text", "fp32_accuracy", "fp32_error", "predicted_text"]


def fp32_accuracy(run: Run) -> float | None:
    """Return the metric of the float network, if it was measured."""
    return _number(run.info.get("fp32_accuracy"))


def fp32_error(run: Run) -> float | None:
    """Return its standard error, if that is known."""
    return _number(run.info.get("fp32_standard_error"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def alike(run: Run, point: ReportedPoint | Uniform) -> list[str]:
    """Return what the measured metric of a point is within the standard error of.

    That is ``FP32``, and of the cheaper points of the front the cheapest.
    """
    if point.accuracy is None:
        return []
    mine = point.accuracy, point.standard_error
    base, names = fp32_accuracy(run), []
    if base is not None and within_error(*mine, base, fp32_error(run)):
        names.append("FP32")
    # Where no error is known, nothing is alike, and long fronts need not be looked through.
    if isinstance(point, ReportedPoint) and point.standard_error is not None:
        cost = point.costs[run.objective]
        before = [other for other in run.measured if other.costs[run.objective] < cost]
        figures = [(other.accuracy, other.standard_error) for other in before]
        first = first_alike([*figures, mine], len(before))
        if first is not None:
            names.append(f"the cheaper point {before[first].number}")
    return names


def alike_text(run: Run, point: ReportedPoint | Uniform) -> str:
    """Return the same as words, empty where there is nothing to say."""
    names = alike(run, point)
    return f"within the standard error of {' and of '.join(names)}" if names else ""


def predicted_text(
    run: Run, value: float | None, point: ReportedPoint | Uniform | None = None
) -> str:
    """Return a predicted metric with no more digits than its error allows, empty without one.

    The error is the largest of those known: the mean one of a measured point left out of the
    prediction, and the standard errors of the point and of the float network.
    """
    if value is None:
        return ""
    fit = run.info.get("prediction")
    errors = [
        _number(fit.get("error")) if isinstance(fit, dict) else None,
        fp32_error(run),
        point.standard_error if point else None,
    ]
    return f"{value:.{predicted_decimals(*errors)}f}"
