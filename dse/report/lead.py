"""The sentences at the head of report.html: what the page shows, and what it rests on."""

from html import escape

from macwright.dse.report.data import Run
from macwright.dse.report.words import cost_label, metric_label

__all__ = ["lead_html"]


def lead_html(run: Run) -> str:
    """Return what the page shows."""
    return (
        f"{len(run.points)} allocations of number formats to {len(run.layers)} layers, each with "
        f"the least predicted loss at its {escape(cost_label(run, run.objective))}. "
        "Costs are those of generated, synthesised Verilog."
        f"{_fixed_formats(run)}{_losses(run)}{_prediction(run)}{_ranking(run)}"
    )


def _fixed_formats(run: Run) -> str:
    """Return how many layers have formats that the model prescribes, if any."""
    fixed = run.info.get("fixed_formats")
    return f" The model prescribes formats of {len(fixed)} layers." if fixed else ""


def _losses(run: Run) -> str:
    """Return what the losses are, if not the usual ones."""
    source = run.info.get("losses")
    if not isinstance(source, dict) or source.get("metric") == "logit_mse":
        return ""
    if "file" in source:
        return f" Losses are those of the user's table {escape(str(source['file']))}."
    return f" Losses are the {escape(str(source.get('what')))}."


def _prediction(run: Run) -> str:
    """Return where predicted accuracy comes from and how far off it is, if there is any."""
    fit = run.info.get("prediction")
    if not isinstance(fit, dict) or not isinstance(fit.get("error"), int | float):
        return ""
    return (
        f" Predicted {escape(metric_label(run))} is a power law of the predicted loss through "
        f"{escape(str(fit.get('points')))} measured points; one left out of it is missed by "
        f"{fit['error']:.2f} on average."
    )


def _ranking(run: Run) -> str:
    """Return how well the losses rank random allocations, if that was measured."""
    ranking = run.info.get("ranking")
    if not isinstance(ranking, dict):
        return ""
    names = {"logit_mse": "squared change of the outputs", "kl": "KL divergence"}
    names["accuracy"] = metric_label(run)
    found = [
        f"{rank:.3f} with the {escape(names[name])}"
        for name, rank in ranking["spearman"].items()
        if rank is not None
    ]
    if not found:
        return ""
    return (
        f" Predicted loss ranks {ranking['allocations']} random allocations as they were measured "
        f"with a Spearman correlation of {', '.join(found)}."
    )
