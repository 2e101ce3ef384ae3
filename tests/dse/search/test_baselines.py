"""Uniform formats that a front is compared with: in all layers, and with 8 bits at both ends."""

import pytest
from helpers import networks
from helpers.tiny import read_rows

from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.search.selection import baselines
from macwright.dse.settings import Settings
from macwright.dse.workload import load_workload

NAMES = ["int4", "int4, int8 ends", "int6", "int6, int8 ends", "int8"]
FORMATS = ("int4", "int6", "int8")

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def files(work):
    return networks.write(work, networks.cnn())


def test_ends_have_eight_bits_and_the_rest_the_format(files):
    path, data = files
    workload = load_workload(path, load_recipe(path, data_path=data))
    found = baselines(workload, Settings(weights=FORMATS, activations=FORMATS))
    assert list(found) == NAMES
    assert list(found["int6, int8 ends"].values()) == [
        "int8/int8", "int6/uint6", "int6/uint6", "int8/uint8",
    ]  # fmt: skip
    assert list(found["int4"].values()) == ["int4/int4", *["int4/uint4"] * 3]
    # Where the search has no such format there are no such baselines.
    few = baselines(workload, Settings(weights=FORMATS[:2], activations=FORMATS[:2]))
    assert list(few) == ["int4", "int6"]


def test_all_are_in_folder_report_and_terminal_and_some_are_measured(files, work, capsys):
    path, data = files
    formats = ["--weights", ",".join(FORMATS), "--activations", ",".join(FORMATS)]
    run = ["--data", str(data), *formats, "--measure", "6", "--no-verify", "-o", str(work / "run")]
    assert cli.main(["dse", str(path), *run]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {row["name"]: row for row in read_rows(work / "run" / "uniform.csv")}
    assert sorted(rows) == NAMES
    report = (work / "run" / "report.html").read_text()
    options = {
        (row["layer"], row["option"]): row for row in read_rows(work / "run" / "options.csv")
    }
    ends = rows["int4, int8 ends"]
    chosen = zip(("n_c1", "n_c2", "n_c3", "n_logits"), (
        "int8/int8", "int4/uint4", "int4/uint4", "int8/uint8"), strict=True)  # fmt: skip
    cost = sum(float(options[pair]["area_time"]) for pair in chosen)
    assert float(ends["area_time"]) == pytest.approx(cost)
    for name in NAMES:
        assert sum(line.strip().startswith(f"uniform {name} ") for line in lines) == 1
        assert f">uniform {name}</th>" in report
    measured = [row for row in rows.values() if row["measured_accuracy"]]
    front = [row for row in read_rows(work / "run" / "front.csv") if row["measured_accuracy"]]
    assert len(measured) == 2
    assert len(measured) + len(front) == 6
