"""The sentences at the head of report.html: what the page shows, and what it rests on."""

from html import escape

from macwright.dse.report.data import Run
from macwright.dse.report.words import cost_label, metric_label

__all__ = ["lead_html"]


def lead_html(run: Run) -> str:
    """Return what the page shows."""
    machine = run.info.get("stands_for")
    first = f"{escape(machine)} " if isinstance(machine, str) else ""
    return (
        f"{first}{len(run.points)} allocations of number formats to {len(run.layers)} layers, each "
        f"with the least predicted loss at its {escape(cost_label(run, run.objective))}. "
        f"They are figures of generated, synthesised Verilog{_clocks(run)}."
        f"{_fixed_formats(run)}{_losses(run)}{_prediction(run)}{_ranking(run)}"
        f"{_errors(run)}"
    )


def _clocks(run: Run) -> str:
    """Return at which clocks costs hold, if they know one."""
    clocks = run.info.get("clocks")
    if not clocks:
        return ""
    rates = [f"{c['clock_mhz']:g}" for c in clocks if c["points"]]
    if clocks[0]["assumed"]:
        return f", times are those at {' or '.join(rates)} MHz, which is assumed and not proved"
    margin = clocks[0]["margin"]
    text = f" at the clock of each point ({' or '.join(rates)} MHz), which every unit meets with "
    text += f"{margin:.0%} to spare"
    fewer = [c for c in clocks if c["too_fast_for"]]
    if fewer:
        said = [f"{len(c['too_fast_for'])} at {c['clock_mhz']:g} MHz" for c in fewer]
        text += f"; pairs of formats that are left out as their units are slower: {', '.join(said)}"
    return text


def _fixed_formats(run: Run) -> str:
    """Return how many layers have formats that the model prescribes, if any."""
    fixed = run.info.get("fixed_formats")
    return f" The model prescribes formats of {len(fixed)} layers." if fixed else ""


def _losses(run: Run) -> str:
    """Return what the losses are, if not the usual ones."""
    source = run.info.get("losses")
    if not source or source.get("metric") == "logit_mse":
        return ""
    if "file" in source:
        return f" Losses are those of the user's table {escape(str(source['file']))}."
    return f" Losses are the {escape(str(source.get('what')))}."


def _prediction(run: Run) -> str:
    """Return where predicted accuracy comes from and how far off it is, if there is any."""
    fit = run.info.get("prediction")
    if not fit or "error" not in fit:
        return ""
    return (
        f" Predicted {escape(metric_label(run))} is a power law of the predicted loss through "
        f"{escape(str(fit.get('points')))} measured points; one left out, between others, is "
        f"missed by {fit['error']:.2f} on average."
    )


def _errors(run: Run) -> str:
    """Return what the figures behind measured ones are, if standard errors are known."""
    if not any(point.standard_error is not None for point in run.points):
        return ""
    return (
        f" After a measured {escape(metric_label(run))} stands its standard error from so many "
        "samples; figures that differ by no more than that of their difference are called so."
    )


def _ranking(run: Run) -> str:
    """Return how well the losses rank random allocations, if that was measured."""
    ranking = run.info.get("ranking")
    if not ranking:
        return ""
    names = {"logit_mse": "squared change of the outputs", "kl": "KL divergence"}
    names["accuracy"] = metric_label(run)
    correlations = [
        f"{rank:.3f} with the {escape(names.get(name) or name)}"
        for name, rank in ranking["spearman"].items()
        if rank is not None
    ]
    if not correlations:
        return ""
    return (
        f" Predicted loss ranks {ranking['allocations']} random allocations as they were measured "
        f"with a Spearman correlation of {', '.join(correlations)}."
    )
