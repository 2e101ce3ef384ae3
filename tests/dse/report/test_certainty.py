"""What the report says of differences that samples do not tell, and how many digits it prints."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.report_run import write_run

from macwright.dse.report.certainty import alike, alike_text, predicted_text
from macwright.dse.report.data import load_run
from macwright.dse.report.page import write_report


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose measured figures have a standard error of one and a half."""
    folder = write_run(tmp_path / "run")
    for name in ("front.csv", "uniform.csv"):
        rows = list(csv.DictReader((folder / name).read_text().splitlines()))
        for row in rows:
            row["measured_standard_error"] = "1.5" if row["measured_accuracy"] else ""
        with (folder / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"fp32_standard_error": 0.6}))
    return folder


def point_of(run, accuracy, error=1.0):
    """The dearest point with such a figure."""
    return replace(run.points[-1], accuracy=accuracy, standard_error=error)


@pytest.mark.parametrize(
    ("accuracy", "error", "names"),
    [
        (92.05 - 1.15, 1.0, ["FP32"]),  # sqrt(1.0 ** 2 + 0.6 ** 2) = 1.166
        (92.05 - 1.18, 1.0, []),
        (92.05, None, []),
        (None, None, []),
    ],
)
def test_point_within_the_error_of_the_float_network_is_called_so(run_dir, accuracy, error, names):
    run = load_run(run_dir)
    last = point_of(run, accuracy, error)
    assert alike(replace(run, points=(last,)), last) == names


def test_cheapest_point_that_is_as_good_is_named(run_dir):
    run = load_run(run_dir)
    a, b, c, d = (
        replace(point, accuracy=accuracy, standard_error=1.0)
        for point, accuracy in zip(run.points, (80.0, 83.0, 84.0, 84.2), strict=False)
    )
    run = replace(run, points=(a, b, replace(c, accuracy=None), d))
    assert alike(run, a) == alike(run, b) == []
    assert alike(run, d) == [f"the cheaper point {b.number}"]
    assert alike_text(run, d) == f"within the standard error of the cheaper point {b.number}"
    assert alike(run, replace(d, standard_error=None)) == []


def test_page_says_it_in_table_chart_and_selected_point(run_dir):
    run = load_run(run_dir)
    texts = {alike_text(run, point) for point in run.points} - {""}
    assert any("FP32" in text for text in texts)
    page = write_report(run_dir).read_text()
    assert ">Within the standard error of</th>" in page
    for text in texts:
        assert page.count(f"; {text}; ") > 0
        assert f'["","{text}"]' in page
    rows = [part.split("</tr>")[0] for part in page.split('<tr data-row="')[1:]]
    cells = {row.count("<td") for row in rows}
    assert len(cells) == 1
    uniform = page.split('<th scope="row">uniform ')[1].split("</tr>")[0]
    assert {uniform.count("<td")} == cells


def test_page_without_standard_errors_has_no_such_column(tmp_path):
    page = write_report(write_run(tmp_path / "run")).read_text()
    assert "ithin the standard error" not in page


def test_predicted_figures_have_the_digits_of_their_error(run_dir):
    run = load_run(run_dir)
    last = point_of(run, 90.0, 1.5)
    assert predicted_text(run, None, last) == ""
    assert predicted_text(run, 91.234, last) == "91.2"
    assert predicted_text(run, 91.234, replace(last, standard_error=None)) == "91.23"
    assert predicted_text(run, 91.234, replace(last, standard_error=12.0)) == "91"
    wide = replace(run, info=run.info | {"prediction": {"error": 4.0}})
    assert predicted_text(wide, 91.234) == "91.2"
    assert predicted_text(replace(run, info={}), 91.234) == "91.23"
    text = predicted_text(run, run.points[0].predicted, run.points[0])
    assert f"predicted top-1 accuracy (%): {text}; measured" in write_report(run_dir).read_text()
