"""Two runs in one page: what is beaten, what differs, and what is refused."""

import csv
import json
import re
import shutil

import pytest
from helpers.report_run import write_run

from macwright.dse.cli.main import main
from macwright.dse.report.compare import beaten, differences, write_comparison
from macwright.dse.report.data import load_run
from macwright.hw.errors import RefusedInput


@pytest.fixture
def pair(tmp_path):
    """Two runs of one network, the second with every point a little dearer but one."""
    folders = write_run(tmp_path / "first"), write_run(tmp_path / "second")
    for folder in folders:
        _edit(folder, model_sha256="ab" * 32, data_sha256="cd" * 32)
    _edit(folders[1], technology="gates", options={"weights": "int4", "x": "<b>&"})
    rows = _rows(folders[1])
    for row in rows[1:]:
        row["area_time"] = str(float(row["area_time"]) * 1.01)
    # The first is cheaper and better than every point of the other run.
    rows[0] |= {"area_time": "1", "predicted_loss": "1e-9", "measured_accuracy": "99.5"}
    for row in rows:
        row["measured_standard_error"] = "0.74" if row["measured_accuracy"] else ""
    _write(folders[1], rows)
    return folders


def _edit(folder, **fields):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _rows(folder):
    return list(csv.DictReader((folder / "front.csv").read_text().splitlines()))


def _write(folder, rows):
    with (folder / "front.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_the_page_has_both_fronts_and_what_differs(pair):
    text = write_comparison(*pair).read_text()
    counts = [sum(bool(row["measured_accuracy"]) for row in _rows(folder)) for folder in pair]
    shapes = text[text.index("<svg") : text.index("</svg>")]
    # One of each is the legend's.
    assert shapes.count('class="front"') == counts[0] + 1
    assert shapes.count('class="uniform"') == counts[1] + 1
    table = text[text.index("Points by cost") :]
    assert table.count("<td") == 5 * sum(len(_rows(folder)) for folder in pair)
    settings = text[text.index("Settings that differ") : text.index("Points by cost")]
    assert re.findall(r"<tr><td[^>]*>([^<]*)<", settings) == ["options: weights", "options: x"]
    assert "&lt;b&gt;&amp;" in settings
    # The run that was not asked for x says so.
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", settings)
    assert len(cells) == 6
    assert cells[4:].count("not given") == 1
    assert "" not in cells
    assert "http" not in text.replace("http-equiv", "")
    assert f"Of {counts[0]} measured points of first, {counts[0]} are beaten" in text
    # The first run knows no errors.
    assert table.count("\N{PLUS-MINUS SIGN}") == counts[1] > 0
    assert "Standard errors of measured values are up to 0.74" in text
    assert write_comparison(*pair).read_text() == text


@pytest.mark.parametrize("value", ["accuracy", "loss"])
def test_beaten_is_dominance(pair, value):
    column = {"accuracy": "measured_accuracy", "loss": "predicted_loss"}[value]
    sign = -1 if value == "accuracy" else 1
    places = [
        [(float(r["area_time"]), sign * float(r[column])) for r in _rows(folder) if r[column]]
        for folder in pair
    ]
    runs = [load_run(folder) for folder in pair]
    for a, b in ((0, 1), (1, 0)):
        wanted = [
            p for p in places[a] if any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in places[b])
        ]
        assert beaten(runs[a], runs[b], value) == len(wanted)
    assert 0 < beaten(runs[1], runs[0], value) < len(places[1])


def test_nothing_differs_and_no_point_beats_its_equal(pair, tmp_path):
    twin = tmp_path / "third"
    shutil.copytree(pair[0], twin)
    first, second = load_run(pair[0]), load_run(twin)
    assert differences(first, second) == []
    assert beaten(first, second, "loss") == 0
    assert "No setting differs" in write_comparison(pair[0], twin).read_text()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_sha256": "ef" * 32}, "the same model, not fashion_cnn.onnx (abababababab) and "),
        ({"data_sha256": "ef" * 32}, "the same evaluation data, not cdcdcdcdcdcd and efefefefef"),
        ({"metric": "perplexity"}, "the same metric, not top-1 accuracy (%) and perplexity"),
        (
            {"objective": "bops"},
            "the same cost measure, not area \N{MULTIPLICATION SIGN} time (gates",
        ),
    ],
)
def test_runs_that_say_nothing_of_each_other_are_refused(pair, fields, message):
    _edit(pair[1], **fields)
    with pytest.raises(RefusedInput, match=re.escape(f"Runs to compare must have {message}")):
        write_comparison(*pair)
    assert not (pair[0] / "compare.html").exists()


def test_areas_in_other_units_are_refused(pair):
    path = pair[1] / "costs.csv"
    path.write_text(path.read_text().replace(",gates,", ",um2,"))
    with pytest.raises(RefusedInput, match="the same cost measure, not area "):
        write_comparison(*pair)


def test_losses_measured_otherwise_are_refused_where_no_accuracy_is(pair):
    for number, folder in enumerate(pair):
        _write(folder, [{**row, "measured_accuracy": ""} for row in _rows(folder)])
        _edit(folder, losses={"metric": ["mse", "kl"][number]})
    with pytest.raises(RefusedInput, match=r"must have measured accuracies or losses measured ali"):
        write_comparison(*pair)
    _edit(pair[1], losses={"metric": "mse"})
    assert "Predicted loss" in write_comparison(*pair).read_text()


def test_from_the_command_line(pair, capsys):
    first, second = map(str, pair)
    assert main(["report", first, "--compare", second]) == 0
    assert capsys.readouterr().out == f"{pair[0] / 'compare.html'}\n"
    assert main(["report", first, "--compare", first]) == 1
    assert "Runs to compare must be two, not " in capsys.readouterr().err
    assert main(["report", first, "--compare", second, "--svg", "x.svg"]) == 1
    assert "--compare must come without --svg" in capsys.readouterr().err
