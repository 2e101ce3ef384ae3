"""The heat map: every loss of the file, in its row and column, coloured by its logarithm."""

import re

import pytest
from helpers import report_run

from macwright.dse.report.data import load_run
from macwright.dse.report.heat import MOST, heat_html
from macwright.dse.report.page import write_report
from macwright.hw.errors import RefusedInput

LOSSES = {
    ("stem", "weight", "int4"): 0.5,
    ("stem", "weight", "int8"): 0.005,
    ("stem", "activation", "uint8"): 0.0,
    ("fc", "weight", "int4"): 0.00005,
    ("fc", "weight", "int8"): 5e-7,
    ("fc", "activation", "int8"): 0.05,
    ("fc", "activation", "e4m3fn"): 0.01,
}


def write_losses(folder, losses):
    rows = [",".join([*key, repr(loss)]) for key, loss in losses.items()]
    (folder / "sensitivity.csv").write_text("\n".join(["layer,tensor,format,loss", *rows]) + "\n")


def cells(page):
    """Heads of the columns, and of each layer its cells as (share, text)."""
    table = page.split('<table class="heat">')[1].split("</table>")[0]
    heads = re.findall(r'<th scope="col" class="number">(.*?)</th>', table)
    body = {}
    for row in table.split("<tbody>")[1].split("</tr>")[:-1]:
        name = re.findall(r'<th scope="row">(.*?)</th>', row)[0]
        found = re.findall(r'<td(?: class="number" style="--heat:([\d.]+)")?>(.*?)</td>', row)
        body[name] = [(float(share or -1), text) for share, text in found]
    return heads, body


def test_each_loss_is_in_its_cell(tmp_path):
    folder = report_run.write_run(tmp_path / "run")
    write_losses(folder, LOSSES)
    heads, body = cells(write_report(folder).read_text())
    # Weights before activations, what loses most first; signed and unsigned are one choice.
    assert heads == ["int4", "int8", "int8", "e4m3fn"]
    assert [text for _, text in body["stem"]] == ["0.5", "0.005", "0", ""]
    # A colour for four decades: 0.5 is full, 0.005 half of it, 5e-5 none, 0 none.
    assert [share for share, _ in body["stem"]] == [1.0, 0.5, 0.0, -1]
    assert [share for share, _ in body["fc"]] == [0.0, 0.0, 0.75, pytest.approx(0.575, abs=0.006)]


def test_a_run_without_sensitivities_has_no_map(tmp_path):
    folder = report_run.write_run(tmp_path / "run")
    (folder / "sensitivity.csv").unlink(missing_ok=True)
    assert heat_html(load_run(folder)) == ""
    assert 'class="heat"' not in write_report(folder).read_text()


def test_of_very_deep_networks_those_of_most_loss_are_shown_and_it_is_said(tmp_path):
    folder = report_run.write_run(tmp_path / "run")
    write_losses(folder, {(f"layer{i}", "weight", "int4"): 1 / (i + 1) for i in range(MOST + 30)})
    page = heat_html(load_run(folder))
    _, body = cells(page)
    assert list(body) == [f"layer{i}" for i in range(MOST)]
    assert f"The {MOST} layers of most loss of {MOST + 30}." in page


@pytest.mark.parametrize("loss", ["nan", "inf", "-1", "x"])
def test_losses_that_are_none_are_refused(tmp_path, loss):
    folder = report_run.write_run(tmp_path / "run")
    (folder / "sensitivity.csv").write_text(f"layer,tensor,format,loss\nstem,weight,int4,{loss}\n")
    with pytest.raises(RefusedInput, match=r"sensitivity.csv, layer 'stem', loss, must be"):
        load_run(folder)
