"""Pictures of fronts, with matplotlib where it is installed."""

from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["plot_front"]


def plot_front(
    front: Any,
    *,
    cost: str | None = None,
    value: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw a front: one cost against the loss, or against the accuracy that was measured.

    Parameters
    ----------
    front : Front or Run
        What :func:`macwright.front` gives, or a run folder.
    cost : str, optional
        Column of the horizontal axis; by default what the front was traded for.
    value : str, optional
        Column of the vertical axis; by default the objective of a `Front`, and of a run
        `measured_accuracy`, or `predicted_loss` where nothing was measured.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no such column, or no point with a value.

    Examples
    --------
    >>> import macwright
    >>> table = macwright.OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> axes = macwright.plot_front(macwright.front(table))  # doctest: +SKIP
    """
    from macwright.dse.solver.front import Front

    frame = front.to_frame() if isinstance(front, Front) else front.front
    if isinstance(front, Front):
        cost, value = cost or front.cost, value or front.objective
    else:
        measured = bool(frame["measured_accuracy"].notna().any())
        cost = cost or str(front.info["objective"])
        value = value or ("measured_accuracy" if measured else "predicted_loss")
    for column in (cost, value):
        if column not in frame:
            raise RefusedInput(f"Column must be one of {', '.join(frame)}, not {column!r}")
    points: Any = frame[[cost, value]].dropna()
    if points.empty:
        raise RefusedInput(f"Column {value!r} must have a number for one point or more, not none")
    axes = _new_axes() if ax is None else ax
    points = points.sort_values(by=cost)
    axes.plot(points[cost], points[value], marker="o", markersize=3, linewidth=1)
    axes.set_xlabel(cost)
    axes.set_ylabel(value)
    return axes


def _new_axes() -> Any:
    try:
        from matplotlib import pyplot  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError(
            "Pictures need matplotlib: install it with pip install 'macwright[plot]'"
        ) from None
    return pyplot.subplots()[1]
