"""How the front of energy differs from that of bit operations, and why, in report.html."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from macwright.dse.report.axis import human
from macwright.dse.solver import OptionTable, front

__all__ = ["Difference", "EnergyFronts", "energy_fronts", "energy_html"]

#: Losses, evenly spaced in the logarithm, at which the two fronts are compared.
LOSSES = 6


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Allocations of least bit operations and of least energy at the same loss at most; uJ."""

    loss: float
    by_bops_uj: float
    least_uj: float
    layers: int


@dataclass(frozen=True, kw_only=True)
class EnergyFronts:
    """Where two fronts differ.

    `gone` and `come` are the pairs of formats that bit operations choose most often where energy
    chooses others, and those others; each with its energy per bit operation over the median of all
    pairs, dimensionless.
    """

    differences: list[Difference]
    n_layers: int
    gone: Mapping[str, float]
    come: Mapping[str, float]


def energy_fronts(table: OptionTable) -> EnergyFronts:
    """Compare the fronts of loss against ``bops`` and against ``energy_uj``, without limits.

    Parameters
    ----------
    table : OptionTable
        Options named ``weight/activation``, with the columns ``loss``, ``bops`` and ``energy_uj``.
    """
    by_bops, by_energy = (front(table, cost=name) for name in ("bops", "energy_uj"))
    names = np.asarray(table.options, object).astype(str)
    per_bop = {
        name: float(table.values["energy_uj"][rows].sum() / table.values["bops"][rows].sum())
        for name in np.unique(names).tolist()
        for rows in [np.flatnonzero(names == name)]
    }
    median = float(np.median(list(per_bop.values())))
    gone: Counter[str] = Counter()
    come: Counter[str] = Counter()
    differences = []
    low, high = (float(by_bops.objectives[i]) for i in (-1, 0))
    low = max(low, high * 1e-6)
    losses = np.geomspace(high / 4, low * 4, LOSSES).tolist() if low * 16 < high else []
    for loss in losses:
        bits, other = (
            points[int(np.searchsorted(-points.objectives, -loss))]
            for points in (by_bops, by_energy)
        )
        differ = [
            name for name in bits.allocation if bits.allocation[name] != other.allocation[name]
        ]
        gone.update(bits.allocation[name] for name in differ)
        come.update(other.allocation[name] for name in differ)
        differences.append(
            Difference(
                loss=loss,
                by_bops_uj=bits.totals["energy_uj"],
                least_uj=other.totals["energy_uj"],
                layers=len(differ),
            )
        )
    common = {name: count - come[name] for name, count in gone.items()}
    more, fewer = Counter(common), Counter({n: c - gone[n] for n, c in come.items()})
    return EnergyFronts(
        differences=differences,
        n_layers=len(table.layers),
        gone={name: per_bop[name] / median for name, c in more.most_common(4) if c > 0},
        come={name: per_bop[name] / median for name, c in fewer.most_common(4) if c > 0},
    )


def energy_html(run_dir: Path) -> str:
    """Return the section, or nothing where options.csv has no energy to compare."""
    path = run_dir / "options.csv"
    if not path.is_file():
        return ""
    table = OptionTable.from_csv(path)
    if not {"loss", "bops", "energy_uj"} <= set(table.values):
        return ""
    fronts = energy_fronts(table)
    if not fronts.differences:
        return ""
    rows = "".join(
        f'<tr><th scope="row" class="number">{human(d.loss)}</th>'
        f'<td class="number">{human(d.by_bops_uj)}</td><td class="number">{human(d.least_uj)}</td>'
        f'<td class="number">{d.by_bops_uj / d.least_uj - 1:.0%}</td>'
        f'<td class="number">{d.layers} of {fronts.n_layers}</td></tr>'
        for d in fronts.differences
        if d.least_uj > 0
    )
    heads = ("Loss at most", "Energy by bit operations, µJ", "Least energy, µJ", "More", "Layers")
    head = "".join(f'<th scope="col" class="number">{text}</th>' for text in heads)
    return (
        '<section class="card wide" aria-labelledby="energy-title">'
        '<h2 id="energy-title">Energy is not bit operations</h2>'
        "<p>All options of this run without other limits: the allocation of fewest bit operations "
        "and that of least energy of the products, at the same loss, and the layers in which they "
        f"differ. {escape(why(fronts))}</p>"
        '<div class="scroll tall" role="region" aria-labelledby="energy-title" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def why(fronts: EnergyFronts) -> str:
    """Return one sentence that explains the difference."""

    def named(pairs: Mapping[str, float]) -> str:
        return ", ".join(f"{pair} ({value:.2f})" for pair, value in pairs.items())

    if not fronts.gone or not fronts.come:
        return "They hardly differ: a bit operation costs about the same in all formats used."
    return (
        "A bit operation does not cost the same in all formats: with the energy of one over the "
        f"median of all pairs in brackets, bit operations choose {named(fronts.gone)} where energy "
        f"chooses {named(fronts.come)}."
    )
