"""The report's section on energy against bit operations, on options where the answer is known."""

import csv
from itertools import product
from pathlib import Path

import pytest

from macwright.dse.report.energy import energy_fronts, energy_html, why
from macwright.dse.solver import OptionTable

#: Loss, bit operations and energy of each pair: that of fewest bits for its loss costs most energy.
PAIRS = {
    "int2/int2": (90.0, 4, 1.0),
    "e2m1fn/int4": (10.0, 16, 40.0),
    "int5/int4": (9.5, 20, 10.0),
    "int8/int8": (0.1, 64, 90.0),
}
LAYERS = ("a", "b", "c")


def write_options(folder: Path, energy: bool = True) -> Path:
    with (folder / "options.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["layer", "option", "unit", "loss", "bops", *["energy_uj"] * energy])
        for layer, (pair, (loss, bops, cost)) in product(LAYERS, PAIRS.items()):
            writer.writerow([layer, pair, f"u {pair}", loss, bops, *[cost] * energy])
    return folder / "options.csv"


def test_differences_are_those_of_all_allocations(tmp_path):
    found = energy_fronts(OptionTable.from_csv(write_options(tmp_path)))
    assert len(found.differences) == 6
    every = [
        tuple(sum(PAIRS[pair][i] for pair in pairs) for i in range(3))
        for pairs in product(PAIRS, repeat=len(LAYERS))
    ]
    for difference in found.differences:
        inside = [total for total in every if total[0] <= difference.loss * (1 + 1e-12)]
        assert difference.least_uj == pytest.approx(min(energy for _, _, energy in inside))
        fewest = min(bops for _, bops, _ in inside)
        assert any(
            bops == fewest and energy == pytest.approx(difference.by_bops_uj)
            for _, bops, energy in inside
        )
        assert (difference.layers > 0) == (difference.by_bops_uj != difference.least_uj)
    # Energy for each bit operation: 0.25, 2.5, 0.5 and 1.40625; their median is 0.953125.
    assert found.gone == pytest.approx({"e2m1fn/int4": 2.5 / 0.953125})
    assert found.come == pytest.approx({"int5/int4": 0.5 / 0.953125})
    assert "choose e2m1fn/int4 (2.62) where energy chooses int5/int4 (0.52)" in why(found)


def test_section_is_there_only_with_an_energy(tmp_path):
    assert energy_html(tmp_path) == ""
    write_options(tmp_path, energy=False)
    assert energy_html(tmp_path) == ""
    write_options(tmp_path)
    page = energy_html(tmp_path)
    assert page.count("<tr>") == 7
    assert "e2m1fn/int4 (2.62)" in page
