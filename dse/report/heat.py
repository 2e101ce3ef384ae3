"""The heat map of report.html: what each layer loses in each format."""

import math
from html import escape

from macwright.dse.report.axis import human
from macwright.dse.report.data import Run

__all__ = ["heat_html"]

#: Layers that are shown, those of most loss, where there are more.
MOST = 120
#: Decades of loss from no colour to full colour.
DECADES = 4.0


def heat_html(run: Run) -> str:
    """Return a table of layers and formats whose cells are the darker the more is lost.

    Empty where the run has no sensitivities.
    """
    losses: dict[str, dict[tuple[str, str], float]] = {}
    for (layer, tensor, fmt), loss in run.sensitivities.items():
        # A layer reads signed or unsigned numbers; the column is the choice that the user has.
        name = fmt.removeprefix("u") if tensor == "activation" and fmt.startswith("uint") else fmt
        losses.setdefault(layer, {})[tensor, name] = loss
    if not losses:
        return ""
    shown = list(losses)
    if len(shown) > MOST:
        worst = sorted(shown, key=lambda layer: -max(losses[layer].values()))[:MOST]
        shown = [layer for layer in shown if layer in set(worst)]
    totals: dict[tuple[str, str], float] = {}
    for row in losses.values():
        for column, loss in row.items():
            totals[column] = totals.get(column, 0.0) + loss
    # Weights first; in each the formats of most loss first, that is the narrow ones.
    columns = sorted(totals, key=lambda column: (column[0] != "weight", -totals[column], column))
    top = max(max(row.values()) for row in losses.values())
    groups = [tensor for tensor, _ in columns]
    spans = "".join(
        f'<th scope="colgroup" colspan="{groups.count(tensor)}" class="mid">{tensor}s</th>'
        for tensor in dict.fromkeys(groups)
    )
    heads = "".join(f'<th scope="col" class="number">{escape(fmt)}</th>' for _, fmt in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(layer)}</th>'
        + "".join(_cell(losses[layer].get(column), top) for column in columns)
        + "</tr>"
        for layer in shown
    )
    more = f" The {MOST} layers of most loss of {len(losses):,}." if len(losses) > MOST else ""
    return (
        '<section class="card wide" aria-labelledby="heat-title">'
        '<h2 id="heat-title">Sensitivity of each layer</h2>'
        f'<p class="hint">{escape(_what(run))} Colour is logarithmic, over {DECADES:g} decades '
        f"from the largest loss down.{more}</p>"
        '<div class="scroll tall" role="region" aria-labelledby="heat-title" tabindex="0">'
        f'<table class="heat"><thead><tr><th rowspan="2" scope="col">Layer</th>{spans}</tr>'
        f"<tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _what(run: Run) -> str:
    """What the losses are, in a sentence."""
    source = run.info.get("losses")
    what = source.get("what") or source.get("file") if isinstance(source, dict) else None
    return f"Loss of one tensor in one format, all else unquantised: {what or 'as given'}."


def _cell(loss: float | None, top: float) -> str:
    """Cell of a loss; empty where the format is not one of the layer's."""
    if loss is None:
        return "<td></td>"
    share = 0.0
    if loss > 0 and top > 0:
        share = max(0.0, 1 + math.log10(loss / top) / DECADES)
    return f'<td class="number" style="--heat:{share:.2f}">{human(loss)}</td>'
