"""Other metrics, pairs, and tables that the user brings."""

import numpy as np
import pandas as pd
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import load_recipe
from macwright.dse.data.task import log_softmax
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.sensitivity.measure import LossMeasure, measure_sensitivity, read_sensitivity
from macwright.dse.sensitivity.metrics import output_metric, relative_error
from macwright.dse.sensitivity.pairs import measure_pairs
from macwright.dse.studies import METRICS
from macwright.dse.workload import load_workload

PLAIN = QuantOptions(rounding="nearest", bias_correction=False, equalise=False)


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    labels = np.random.default_rng(0).integers(0, 3, 48)
    path, data = networks.write(tmp_path, networks.cnn(), y_calib=labels)
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_tells_coarse_from_fine(network, metric):
    workload, dataset = network
    formats = ["int2", "int8"]
    table = measure_sensitivity(
        workload,
        dataset,
        formats,
        formats,
        measure=LossMeasure(metric=metric, images=16, options=PLAIN),
    )
    assert np.isfinite(table.loss).all()
    assert (table.loss >= 0).all()
    coarse = table[table.format.str.endswith("int2")].loss.sum()
    assert coarse > 10 * table[table.format.str.endswith("int8")].loss.sum()
    default = measure_sensitivity(
        workload, dataset, formats, formats, measure=LossMeasure(images=16, options=PLAIN)
    )
    assert (metric == "logit_mse") == bool((table.loss == default.loss).all())


def test_metrics_are_what_their_names_say(network):
    _, dataset = network
    rng = np.random.default_rng(1)
    exact, changed = rng.standard_normal((2, 8, 3)).astype(np.float32)
    p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (exact, changed))
    found = {name: output_metric(name, dataset, exact, 8)(changed) for name in METRICS}
    assert found["kl"] == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-4)
    labels = dataset.y_calib[:8]
    growth = -(log_softmax(changed) - log_softmax(exact))[np.arange(8), labels].mean()
    assert found["loss"] == pytest.approx(max(growth, 0))
    assert found["logit_mse"] == pytest.approx(((changed - exact) ** 2).mean())
    assert relative_error(1.1 * exact, exact) == pytest.approx(0.01, rel=1e-3)


def test_metrics_that_are_refused(network, tmp_path):
    workload, dataset = network
    with pytest.raises(ValueError, match=r"Metric of .* must be one of logit_mse, .*, not 'odd'"):
        measure_sensitivity(
            workload, dataset, ["int4"], ["int4"], measure=LossMeasure(metric="odd")
        )
    with pytest.raises(ValueError, match=r"Metric hessian is not offered, .* logit_mse"):
        measure_sensitivity(
            workload, dataset, ["int4"], ["int4"], measure=LossMeasure(metric="hessian")
        )
    unlabelled = tmp_path / "more"
    unlabelled.mkdir()
    path, data = networks.write(unlabelled, networks.cnn())
    with pytest.raises(ValueError, match="must have labels of the calibration samples"):
        measure_sensitivity(
            workload,
            load_recipe(path, data_path=data),
            ["int4"],
            ["int4"],
            measure=LossMeasure(metric="loss"),
        )


def test_pairs_are_the_two_together(network):
    workload, dataset = network
    first, second = ("n_c1", "weight", "int3"), ("n_c2", "activation", "int3")
    table = measure_pairs(workload, dataset, [(first, second)], images=16, options=PLAIN)
    single = measure_sensitivity(
        workload, dataset, ["int3"], ["int3"], measure=LossMeasure(images=16, options=PLAIN)
    ).set_index(["layer", "tensor"])
    row = table.iloc[0]
    assert row.format_2 == "uint3"
    alone = single.loss["n_c1", "weight"] + single.loss["n_c2", "activation"]
    assert row.interaction == pytest.approx(row.loss - alone, rel=1e-3)
    assert row.loss > 0
    # The same is computed by the quantised network, all else being wide and nothing made up for.
    bare = QuantOptions(
        rounding="nearest", equalise=False, asymmetric=False, bias_correction=False, images=16
    )
    first, second = ("n_c1", "weight", "int3"), ("n_c2", "weight", "int3")
    questions = [(first, second), (second, first)]
    wide = {layer.name: ["int14", act_format(layer, "int14")] for layer in workload.layers}
    for name in ("n_c1", "n_c2"):
        wide[name][0] = "int3"
    formats = {name: (pair[0], pair[1]) for name, pair in wide.items()}
    model = quantised_model(*quantise(workload, dataset, formats, options=bare))
    feeds = dataset.first(dataset.x_calib, 16)
    exact = run_model(workload, workload.model, feeds).astype(float)
    loss = np.mean((run_model(workload, model, feeds) - exact) ** 2)
    both = measure_pairs(workload, dataset, questions, images=16, options=bare)
    assert both.loss.tolist() == pytest.approx([loss, loss], rel=1e-2)
    assert both.layer.tolist() == ["n_c1", "n_c1"]
    with pytest.raises(ValueError, match="of two layers, not of 'n_c1' twice"):
        measure_pairs(workload, dataset, [(first, first)])
    with pytest.raises(ValueError, match="layers of the model, not 'x'"):
        measure_pairs(workload, dataset, [(("x", "weight", "int3"), first)])
    with pytest.raises(ValueError, match="weights and activations, not 'bias'"):
        measure_pairs(workload, dataset, [(("n_c1", "bias", "int3"), first)])


def rows(workload):
    return pd.DataFrame(
        [
            (layer.name, tensor, fmt, 0.5 + i)
            for i, layer in enumerate(workload.layers)
            for tensor in ("weight", "activation")
            for fmt in ("int4", "e2m1fin")
        ],
        columns=["layer", "tensor", "format", "loss"],
    )


def test_tables_of_the_user_take_the_place_of_measured_ones(network, tmp_path):
    workload, _ = network
    path = tmp_path / "mine.csv"
    rows(workload).iloc[::-1].assign(note="x").to_csv(path, index=False)
    table = read_sensitivity(path, workload, ["int4"], ["int4", "e2m1fin"])
    assert list(table.columns) == ["layer", "tensor", "format", "loss"]
    assert len(table) == 12
    second = table[table.layer == "n_c2"]
    assert second.format.tolist() == ["int4", "uint4", "e2m1fn"]
    assert second.loss.tolist() == [1.5] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="loss"), "format, loss; loss is not among them"),
        (lambda t: t.replace("n_c1", "odd"), "must name a layer of the model, not 'odd'"),
        (lambda t: t.replace("weight", "bias"), "weight or an activation, not 'bias'"),
        (lambda t: t.assign(loss=-1.0), "loss of at least 0, not '-1.0'"),
        (lambda t: t.assign(loss="x"), "loss of at least 0, not 'x'"),
        (lambda t: t.iloc[:-1], "must have a loss of e2m1fn for the activation of n_logits"),
        (lambda t: t.replace("int4", "odd"), "odd"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(network, tmp_path, change, message):
    workload, _ = network
    path = tmp_path / "mine.csv"
    change(rows(workload)).to_csv(path, index=False)
    with pytest.raises(ValueError, match=message):
        read_sensitivity(path, workload, ["int4"], ["int4", "e2m1fin"])
    with pytest.raises(FileNotFoundError, match="must be a CSV file"):
        read_sensitivity(tmp_path / "none.csv", workload, ["int4"], ["int4"])
    path.write_bytes(b"\xff\xfe\x00\x80,\n")
    with pytest.raises(ValueError, match=r"must be a CSV file|must have columns"):
        read_sensitivity(path, workload, ["int4"], ["int4"])
