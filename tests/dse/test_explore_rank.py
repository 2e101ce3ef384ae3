"""`macwright dse --rank`: random allocations, predicted and measured."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.tiny import read_rows, write_tiny_model

from macwright.dse.cli import main as cli

FORMATS = ["--weights", "int2,int4,int8", "--activations", "int3,int8", "--no-verify"]

pytestmark = pytest.mark.usefixtures("own_cache")


def test_ranking_is_that_of_the_allocations_measured(tmp_path, capsys):
    model = write_tiny_model(tmp_path)
    out = tmp_path / "run"
    assert cli.main(["dse", str(model), *FORMATS, "--rank", "12", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "ranking: Spearman of 12 random allocations, predicted loss with measured" in said
    table = read_rows(out / "ranking.csv")
    assert len(table) == 12
    info = json.loads((out / "run.json").read_text())
    assert info["ranking"]["allocations"] == 12
    predicted = [float(row["predicted_loss"]) for row in table]
    for name, sign in (("logit_mse", 1), ("kl", 1), ("accuracy", -1)):
        measured = [sign * float(row[f"measured_{name}"]) for row in table]
        wanted = np.corrcoef(pd.Series(predicted).rank(), pd.Series(measured).rank())[0, 1]
        assert info["ranking"]["spearman"][name] == pytest.approx(wanted)
    assert info["ranking"]["spearman"]["logit_mse"] > 0.8
    assert "ranks 12 random allocations as they were measured" in (out / "report.html").read_text()
    # They are drawn from all options: totals of the table of options.
    options = read_rows(out / "options.csv")
    first, second = ([r for r in options if r["layer"] == n] for n in ("conv", "linear"))
    totals = [float(a["loss"]) + float(b["loss"]) for a in first for b in second]
    assert len(set(predicted)) > 6
    assert all(np.isclose(loss, totals, rtol=1e-9).any() for loss in predicted)


def test_too_few_allocations_are_refused(tmp_path, capsys):
    model = write_tiny_model(tmp_path)
    arguments = [*FORMATS, "--rank", "2", "-o", str(tmp_path / "run")]
    assert cli.main(["dse", str(model), *arguments]) == 1
    assert (
        "Number of random allocations to rank must be 0 or 3 at least, not 2"
        in capsys.readouterr().err
    )
