"""Hadamard transforms of layers' inputs: exact, only where they pay, refused where none can be."""

import json
from itertools import pairwise

import numpy as np
import onnx
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.bitexact.requests import operand_request
from macwright.dse.data.recipe import load_recipe
from macwright.dse.export.exporters import export_point
from macwright.dse.export.source import QuantisedPoint, SourceRun
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.rotation import hadamard, rotated, rotation_additions, widths
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import IntMacSpec

K, HIDDEN, LOUD = 96, 64, 24.0
ROTATE = QuantOptions(rotate=True)


def parity_matrix(width):
    """Hadamard matrix by its definition: minus where indices share an odd number of ones."""
    return np.array(
        [[(-1.0) ** (i & j).bit_count() for j in range(width)] for i in range(width)]
    )  # fmt: skip


@pytest.fixture(scope="module", params=["loud", "exact"])
def texts(request, tmp_path_factory):
    """Two products; the first reads channels of which some are loud, or what 4 bits hold."""
    rng = np.random.default_rng(5)
    channel = np.ones(K, np.float32)
    if request.param == "loud":
        channel[[3, 40, 77]] = LOUD
    proto = networks.products(rng, channel, hidden=HIDDEN)

    def tokens(count):
        if request.param == "exact":
            return rng.choice([-4, -2, -1, 0, 1, 2, 4], (count, K)).astype(np.float32)
        return (rng.standard_normal((count, K)) * channel).astype(np.float32)

    folder = tmp_path_factory.mktemp(request.param)
    x_eval = tokens(384)
    labels = networks.run(proto, x=x_eval).argmax(axis=1)
    path, data = folder / "net.onnx", folder / "net.npz"
    onnx.save(proto, path)
    np.savez(data, x_calib=tokens(512), x_eval=x_eval, y_eval=labels)
    dataset = load_recipe(path, data_path=data)
    return request.param, load_workload(path, dataset), dataset


def quantised(texts, weight, act, options):
    _, workload, dataset = texts
    allocation = {layer.name: (weight, act) for layer in workload.layers}
    network, plans = quantise(workload, dataset, allocation, options=options)
    return quantised_model(network, plans), plans


def change(texts, model):
    _, workload, dataset = texts
    x = dataset.x_eval["x"]
    return float(((networks.run(model, x=x) - networks.run(workload.model, x=x)) ** 2).mean())


@pytest.mark.parametrize("width", [2, 16, 128])
def test_transform_is_that_of_the_definition_and_keeps_products(width):
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(hadamard(width), parity_matrix(width))
    act, weights = (rng.integers(-50, 50, (9, 2 * width)).astype(np.float32) for _ in "ab")
    products = rotated(act, width) @ (rotated(weights, width) / np.float32(width)).T
    np.testing.assert_array_equal(products, act @ weights.T)


@pytest.mark.parametrize("rounding", ["gptq", "nearest"])
@pytest.mark.parametrize("act", ["int4", "mxfp4", "e2m1fn"])
def test_layers_are_transformed_where_that_pays_only(texts, act, rounding):
    weight = "mxfp4" if act == "mxfp4" else "int4"
    model, plans = quantised(texts, weight, act, QuantOptions(rotate=True, rounding=rounding))
    plain, same = quantised(texts, weight, act, QuantOptions(rounding=rounding))
    assert [plan.act.rotation for plan in same] == [1, 1]
    # Blocks of 32 have scales of their own, and few of them a loud channel.
    pays = texts[0] == "loud" and act != "mxfp4"
    assert (plans[0].act.rotation > 1) == pays
    assert change(texts, model) <= (0.5 if pays else 1.02) * change(texts, plain)


@pytest.mark.parametrize("options", [{}, {"smooth": True}, {"dynamic": True}], ids=str)
def test_network_computes_what_the_plan_says(texts, options):
    if texts[0] != "loud":
        pytest.skip("nothing is transformed there")
    _, (plan, _) = quantised(
        texts, "int4", "int4", QuantOptions(rotate=True, **options)
    )  # fmt: skip
    operand, width = plan.act, plan.act.rotation
    # Channels that were divided by their loudness are even already.
    assert (width > 1) == ("smooth" not in options)
    x = texts[2].x_eval["x"].astype(np.float64)
    if operand.channels is not None:
        x = x / operand.channels
    blocks = x.reshape(*x.shape[:-1], -1, width)
    x = (blocks @ parity_matrix(width)).reshape(x.shape)
    scale = np.abs(x).max(-1, keepdims=True) / 7 if operand.dynamic else operand.scale
    levels = np.clip(np.rint(x / scale + operand.zero), -8, 7) - operand.zero
    hidden = np.tanh((levels * scale) @ plan.weight + plan.bias)
    part = quantised_model(texts[1], [plan])
    wanted = hidden @ texts[1].tensor("w2")
    got = networks.run(part, x=texts[2].x_eval["x"])
    # float32 quotients may differ on a tie.
    assert np.mean(np.abs(got - wanted) > 1e-3) < 0.01


def test_only_products_of_signed_channels_are_transformed(network, texts):
    assert all(widths(layer) == () for layer in network[0].layers)
    first, second = texts[1].layers
    assert widths(first) == (16, 32)
    assert widths(second) == (16, 32, 64)
    # A butterfly of five stages.
    assert rotation_additions(first, 32) == K * 5
    assert rotation_additions(first, 1) == 0


def test_exports_carry_a_transform_or_refuse_it_by_name(texts, tmp_path):
    if texts[0] != "loud":
        pytest.skip("nothing is transformed there")
    _, workload, dataset = texts
    _, plans = quantised(texts, "int4", "int4", ROTATE)
    width, unit = plans[0].act.rotation, IntMacSpec()
    choice = LayerChoice(weight="int4", activation="int4", unit=unit.name)
    allocation = Allocation(
        point=0, model_sha256="", technology="gates", units={unit.name: unit},
        layers={layer.name: choice for layer in workload.layers},
    )  # fmt: skip

    class Rotated(SourceRun):
        def quantised(self, point):
            return QuantisedPoint(allocation=allocation, network=workload, plans=plans)

    run = Rotated(folder=tmp_path, workload=workload, dataset=dataset)
    (path,) = export_point(run, 0, "json", tmp_path)
    layers = json.loads(path.read_text())["layers"]
    assert [layer["activation"]["rotation"] for layer in layers.values()] == [width, 1]
    assert export_point(run, 0, "onnx", tmp_path)
    for kind in ("qonnx", "qdq", "torch", "csv", "zigzag", "accelforge"):
        with pytest.raises(RefusedInput, match=rf"n_h must .*Hadamard transform.* {width} chan"):
            export_point(run, 0, kind, tmp_path)
    with pytest.raises(RefusedInput, match=f"Activations of layer n_h .* one of {width} channels"):
        operand_request(plans[0].act, "n_h")


def test_evaluation_says_which_layers_are_transformed(texts):
    _, workload, dataset = texts
    allocation = {layer.name: ("int4", "int4") for layer in workload.layers}
    _, plans = quantised(texts, "int4", "int4", ROTATE)
    widths_of = {plan.layer.name: plan.act.rotation for plan in plans if plan.act.rotation > 1}
    assert ("n_h" in widths_of) == (texts[0] == "loud")
    for _ in range(2):  # measured, and then from the cache
        assert evaluate(workload, dataset, allocation, options=ROTATE).rotations == widths_of
    assert evaluate(workload, dataset, allocation).rotations == {}


def test_few_samples_never_make_it_worse(texts):
    changes = []
    for images in (16, 64, 512):
        pair = [
            change(
                texts, quantised(texts, "int4", "int4", QuantOptions(rotate=how, images=images))[0]
            )
            for how in (False, True)
        ]
        assert pair[1] <= 1.02 * pair[0]
        changes.append(pair[1])
    assert all(later <= 1.1 * before for before, later in pairwise(changes))
