"""report.html and the SVG of the front, without a browser."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers import report_run

from macwright.dse.cli.main import main
from macwright.dse.report.axis import Axis, Labels, human
from macwright.dse.report.chart import figure
from macwright.dse.report.data import load_run
from macwright.dse.report.page import write_front_svg, write_report
from macwright.dse.report.script import page_data
from macwright.dse.report.words import knee

write_run, LAYERS = report_run.write_run, report_run.LAYERS
HOSTILE = "</script><img src=x onerror=alert(1)>{{data}}\"'&"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def _choices(data: dict[str, Any], point: dict[str, Any]) -> list[dict[str, Any]]:
    """What the layers of a point use."""
    return [data["choices"][index] for index in point["layers"]]


class _Page(HTMLParser):
    """Tags and attributes as a browser would see them; scripts by their type."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.scripts: dict[str, str] = {}
        self.points: set[str] = set()
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        self.points |= {values["data-point"] or ""} if "data-point" in values else set()
        self._script = (values.get("type") or "code") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._script = None


def test_the_page_is_one_file_with_every_point(run_dir: Path) -> None:
    text = write_report(run_dir).read_text()
    page = _Page(text)
    points = _rows(run_dir / "front.csv")
    assert page.points == {row["point"] for row in points}
    assert page.links == ["data:,", "#point"]
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text
    data = json.loads(page.scripts["application/json"])
    for point in data["points"]:
        file = json.loads((run_dir / f"allocations/point_{point['number']:02d}.json").read_text())
        shown = {
            layer["name"]: {key: choice[key] for key in ("weight", "activation", "unit")}
            for layer, choice in zip(data["layers"], _choices(data, point), strict=True)
        }
        assert shown == file["layers"]


def test_predicted_accuracy_is_drawn_listed_and_explained(run_dir: Path) -> None:
    text = write_report(run_dir).read_text()
    row = _rows(run_dir / "front.csv")[5]
    number = f"{float(row['predicted_accuracy']):.2f}"
    assert f"predicted top-1 accuracy (%): {number}; " in text
    assert f'<td class="number">{number}</td>' in text
    data = json.loads(_Page(text).scripts["application/json"])
    stats = dict(zip(data["stats"], data["points"][5]["stats"], strict=True))
    assert stats["predicted top-1 accuracy (%)"] == number
    assert "14 measured points; one left out, between others, is missed by 0.05 on average." in text
    # Both widths of every cost's picture have a legend and a line through all points.
    pictures = text.count('<svg class="')
    assert text.count('<path class="predicted" d="M0 -4') == pictures
    lines = re.findall(r'<path class="predicted" d="(M\d{2}[^"]*)"', text)
    assert [line.count("L") for line in lines] == [len(_rows(run_dir / "front.csv")) - 1] * pictures


def test_shares_are_those_of_the_cost_definitions(run_dir: Path) -> None:
    run = load_run(run_dir)
    areas = {row["unit"]: float(row["area"]) for row in run.units}
    data = json.loads(page_data(run))
    for point in data["points"]:
        choices = _choices(data, point)
        expected = [
            int(row["macs"]) * areas[choice["unit"]]
            for row, choice in zip(run.layers, choices, strict=True)
        ]
        # What report.js does: so many of what is counted, times the cost of each.
        costs = [
            layer["counts"][counted] * each
            for layer, (counted, each) in zip(
                data["layers"], (choice["costs"]["area_time"] for choice in choices), strict=True
            )
        ]
        assert costs == pytest.approx(expected)
        assert all(
            choice["costs"].keys() == {"area_time", "bops", "weight_bytes"} for choice in choices
        )


def test_a_page_of_many_points_is_small_and_has_all_of_them(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", points=2000, measured=False)
    path = write_report(run_dir)
    assert path.stat().st_size < 1_800_000
    page = _Page(path.read_text())
    data = json.loads(page.scripts["application/json"])
    assert [point["number"] for point in data["points"]] == list(range(1, 2001))
    assert [row[0] for row in data["rows"]] == list(range(201, 2001))
    front = _rows(run_dir / "front.csv")
    assert data["rows"][-1][2] == human(float(front[-1]["predicted_loss"]))
    # Each picture's marks stand for all points, each once.
    for svg in re.findall(r"<svg class=.*?</svg>", path.read_text()):
        marks = re.findall(r'data-point="(\d+)"(?: data-also="([\d ]*)")?', svg)
        numbers = [int(number) for pair in marks for text in pair for number in text.split()]
        assert sorted(numbers) == list(range(1, 2001))
        assert len(marks) < 1000


def test_the_same_files_give_the_same_bytes(run_dir: Path, tmp_path: Path) -> None:
    first = write_report(run_dir).read_bytes()
    assert write_report(run_dir).read_bytes() == first
    assert write_report(write_run(tmp_path / "again")).read_bytes() == first


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", layers=[(HOSTILE, "Conv", 4, 9, 8, 1), *LAYERS[1:]])
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(
        json.dumps(info | {"model": HOSTILE, "metric": HOSTILE, HOSTILE: [HOSTILE]})
    )
    for name in ("uniform.csv", "costs.csv"):
        text = (folder / name).read_text().replace("int8,", '"' + HOSTILE.replace('"', '""') + '",')
        (folder / name).write_text(text)
    page = _Page(write_report(folder).read_text())
    assert "img" not in page.tags
    assert page.tags.count("script") == 2
    assert json.loads(page.scripts["application/json"])["layers"][0]["name"] == HOSTILE
    ET.parse(write_front_svg(folder, tmp_path / "front.svg"))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("run.json", None, "Run must be a folder with run.json, and "),
        ("run.json", "[]", "run.json must be the JSON object that a run writes, not another"),
        ("run.json", "{", "run.json must be the JSON that a run writes, not "),
        (
            "run.json",
            '{"fixed_formats": 3}',
            "Field run.json.fixed_formats must be an object, not 3",
        ),
        (
            "run.json",
            '{"ranking": {"allocations": 9, "seed": 1}}',
            "Field run.json.ranking.spearman must be there, and is missing",
        ),
        (
            "run.json",
            '{"clocks": [{"points": 1}]}',
            "Field run.json.clocks[0].clock_mhz must be there, and is missing",
        ),
        ("front.csv", None, "the run folder must hold front.csv, which is missing"),
        ("front.csv", "point,status\n1,optimal\n", "front.csv must have the columns "),
        ("layers.csv", "layer,op,macs,weights\nx,Conv,1,1\n", "must give weight, activation and "),
        ("costs.csv", b"\xff\xfe", "costs.csv must be a CSV file in UTF-8"),
        ("allocations/point_01.json", '{"layers": 3}', "must be of version 2, not 1: make the run"),
        ("allocations/point_01.json", "[", "point_01.json must be an allocation: "),
        ("allocations/point_01.json", None, "front.csv must name allocation files of the run "),
    ],
)
def test_odd_files_are_refused_in_one_sentence(
    run_dir: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str | bytes | None,
    message: str,
) -> None:
    path = run_dir / file
    path.unlink() if text is None else path.write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )
    assert main(["report", str(run_dir)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("predicted_loss", "nan", "predicted_loss, must be a finite number, not 'nan'"),
        ("gap", "x", "gap, must be a finite number, not 'x'"),
        ("area_time", "", "front.csv must have numbers in the column area_time"),
        ("allocation", "../secret.json", "must name allocation files of the run folder, not '../s"),
        ("point", "2", "front.csv must number its points differently"),
    ],
)
def test_odd_points_are_refused(run_dir: Path, column: str, value: str, message: str) -> None:
    (run_dir.parent / "secret.json").write_text('{"layers": {}}')
    rows = _rows(run_dir / "front.csv")
    rows[0][column] = value
    with (run_dir / "front.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(ValueError, match=re.escape(message)):
        write_report(run_dir)


def test_a_run_that_measured_nothing_has_no_accuracy_panel(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path / "run", measured=False)).read_text()
    assert "Predicted loss" in text
    assert "Measured top-1 accuracy (%)</text>" not in text
    (tmp_path / "run" / "uniform.csv").unlink()
    assert "uniform formats" not in write_report(tmp_path / "run").read_text()


def test_the_knee_is_the_corner_of_a_bent_front(run_dir: Path) -> None:
    from dataclasses import replace

    base = load_run(run_dir).points[0]
    bent = [(1, 1.0), (2, 0.01), (4, 0.005), (8, 0.001)]
    points = tuple(
        replace(base, number=i, loss=loss, costs={"area_time": cost})
        for i, (cost, loss) in enumerate(bent)
    )
    assert knee(points, "area_time") is points[1]
    assert knee(points[:2], "area_time") is None


@pytest.mark.parametrize("beside", [True, False])
def test_no_two_labels_of_a_chart_overlap(run_dir: Path, beside: bool) -> None:
    svg = figure(load_run(run_dir), "area_time", width=760, beside=beside, interactive=False)
    texts = re.findall(r'<text class="(?:uniform|knee)-text small" x="(.+?)" y="(.+?)">(.+?)<', svg)
    boxes = [(float(x), float(y) - 9, float(x) + 5 * len(s), float(y) + 2) for x, y, s in texts]
    assert len(boxes) > 8
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), (a, b)


def test_labels_refuse_what_does_not_fit() -> None:
    labels = Labels(0, 0, 60, 30, size=11)
    labels.reserve(30, 15, 60)
    assert labels.place("text", 30, 15) is None


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1, 1], False),
        ([3, 4000], True),
        ([0, 1e-9, 5], True),
        ([96, 96.5], True),
        ([-1, 1], False),
    ],
)
def test_axes_have_round_ascending_ticks_inside(values: list[float], log: bool) -> None:
    axis = Axis(values, 10, 110, log=log)
    ticks = axis.ticks(6)
    assert 2 <= len(ticks) <= 7
    assert all(a < b for a, b in pairwise(ticks))
    assert all(10 <= axis(value) <= 110 for value in (*values, *ticks))
    assert len({human(tick) for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("values", "center", "unit"),
    [([87.5, 93.1, 92.3], 92.6, 0.6), ([10.0, 92.6], 92.6, 0.1), ([5.1, 5.2, 9.0], 5.0, 0.02)],
)
def test_axes_of_differences_are_symmetric_and_separate_small_ones(values, center, unit):
    axis = Axis([*values, center], 10, 110, log=False, around=(center, unit))
    assert all(10 <= axis(value) <= 110 for value in values)
    middle = axis(center)
    for step in (unit / 2, unit, 2 * unit):
        if axis.inside(center - step) and axis.inside(center + step):
            assert middle - axis(center - step) == pytest.approx(axis(center + step) - middle)
    # One unit is as far as from nine of them to about twice as many.
    first, later = axis._scale(center + unit), axis._scale(center + 18 * unit)
    assert later - axis._scale(center + 9 * unit) == pytest.approx(first, rel=0.25)
    ticks = axis.ticks(6)
    assert center in ticks
    assert len(ticks) <= 6
    assert all(a < b for a, b in pairwise(ticks))


def test_the_command_writes_page_and_picture(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "front.svg"
    assert main(["report", str(run_dir), "--svg", str(picture), "--cost", "bops"]) == 0
    assert capsys.readouterr().out.split() == [str(run_dir / "report.html"), str(picture)]
    texts = [node.text for node in ET.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "bit operations" in texts
    assert main(["report", str(run_dir), "--svg", str(picture), "--cost", "money"]) == 1
    assert (
        "the cost must be one of area_time, bops, weight_bytes, not money"
        in capsys.readouterr().err
    )
    assert main(["report", str(run_dir), "--cost", "bops"]) == 1
