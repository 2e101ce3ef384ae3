"""Searches whose layers may read Hadamard transforms: chosen, counted, recorded, carried on."""

import html
import json
import re

import numpy as np
import onnx
import pandas as pd
import pytest
from helpers import networks
from helpers.paths import SHARED

from macwright.costmodel.tables.lookup import costs
from macwright.costmodel.technology.catalogue import find_technology
from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions
from macwright.dse.quantizer.quantise import quantise
from macwright.dse.run.allocation import Allocation, read_allocation
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import Dataflow, Settings
from macwright.dse.workload import load_workload
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import HadamardSpec

K, HIDDEN, LOUD = 96, 64, 24.0
FORMATS = ["--weights", "int4,int8", "--activations", "int4,int8", "--no-verify", "--jobs", "1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two products, three of whose input channels are loud."""
    rng = np.random.default_rng(5)
    channel = np.ones(K, np.float32)
    channel[[3, 40, 77]] = LOUD
    proto = networks.products(rng, channel, hidden=HIDDEN)
    tokens = [(rng.standard_normal((n, K)) * channel).astype(np.float32) for n in (256, 256)]
    labels = networks.run(proto, x=tokens[1]).argmax(axis=1)
    folder = tmp_path_factory.mktemp("loud")
    onnx.save(proto, folder / "net.onnx")
    np.savez(folder / "net.npz", x_calib=tokens[0], x_eval=tokens[1], y_eval=labels)
    return folder / "net.onnx"


@pytest.fixture(scope="module")
def run(model):
    return searched(model, "--rotate")


def searched(model, *more):
    out = model.parent / ("run" + "".join(more).replace("--", "-"))
    data = model.with_suffix(".npz")
    arguments = ["dse", str(model), "--data", str(data), *FORMATS, *more, "-o", str(out)]
    assert main(arguments) == 0
    return out


def loaded(model):
    dataset = load_recipe(model, data_path=model.with_suffix(".npz"))
    return load_workload(model, dataset), dataset


def test_transforms_are_counted_in_every_cost_of_an_option(model, run):
    options = pd.read_csv(run / "options.csv").set_index(["layer", "option"])
    plain = pd.read_csv(searched(model) / "options.csv").set_index(["layer", "option"])
    spec = HadamardSpec(points=int(options.rotation.max()))
    (area,) = costs([spec], find_technology("gates"))["area"]
    turned = options[options.rotation > 1]
    assert set(turned.index.get_level_values("layer")) == {"n_h"}
    assert "int8/int8" not in turned.index.get_level_values("option")
    stages = int(np.log2(spec.points))
    # A butterfly of so many stages, whose sums have a bit more at each, for all that is read.
    assert (turned.transform_additions == K * stages).all()
    bits = sum(8 + stage for stage in range(1, stages + 1))
    assert (turned.bops - plain.bops[turned.index] == K * bits).all()
    more = turned.area_time - plain.area_time[turned.index]
    np.testing.assert_allclose(more, K / spec.points * area / 1e6, rtol=1e-9)
    rest = options[options.rotation == 1].drop(columns=["rotation", "transform_additions"])
    columns = [name for name in rest.columns if name != "loss"]  # factors differ
    for name in columns:
        assert rest[name].tolist() == plain[name][rest.index].tolist()


def test_points_gain_are_measured_so_and_say_it(model, run, capsys):
    workload, dataset = loaded(model)
    front, info = pd.read_csv(run / "front.csv"), json.loads((run / "run.json").read_text())
    point = read_allocation(run / "allocations" / "0.json")
    width = info["transforms"]["widths"]["n_h"]
    assert point.quantiser["rotations"] == {"n_h": width}
    formats = {name: (choice.weight, choice.activation) for name, choice in point.layers.items()}
    assert formats["n_h"] == ("int4", "int4")
    _, plans = quantise(workload, dataset, formats, options=QuantOptions(**point.quantiser))
    assert [plan.act.rotation for plan in plans] == [width, 1]
    options = QuantOptions(rotations={"n_h": width})
    turned, plain = (
        evaluate(workload, dataset, formats, options=options),
        evaluate(workload, dataset, formats),
    )
    assert point.measured_accuracy == turned.metric > plain.metric + 20
    assert turned.logit_mse < plain.logit_mse / 2
    assert point.costs["transform_additions"] == front.transform_additions[0] > 0
    assert "transforms, of family hadamard" in info["stands_for"]
    assert info["stands_for"] in html.unescape((run / "report.html").read_text())
    assert info["settings"]["rotate"] is True
    losses = pd.read_csv(run / "rotated_sensitivity.csv")
    assert set(losses.rotation) == set(info["transforms"]["widths"].values())


def test_point_is_exported_with_its_transforms_and_not_built(model, run, tmp_path, capsys):
    arguments = ["--point", "0", "--model", str(model), "--data", str(model.with_suffix(".npz"))]
    for kind in ("json", "onnx"):
        out = tmp_path / kind
        assert main(["export", str(run), *arguments, "--to", kind, "-o", str(out)]) == 0
    (path,) = (tmp_path / "json").glob("*.json")
    layers = json.loads(path.read_text())["layers"]
    assert layers["n_h"]["activation"]["rotation"] > 1
    assert layers["n_logits"]["activation"]["rotation"] == 1
    _, dataset = loaded(model)
    (path,) = (tmp_path / "onnx").glob("*.onnx")
    got = networks.run(onnx.load(path), x=dataset.x_eval["x"]).argmax(axis=1)
    metric = 100 * float((got == dataset.y_eval).mean())
    assert metric == read_allocation(run / "allocations" / "0.json").measured_accuracy
    capsys.readouterr()
    allocation = str(run / "allocations" / "0.json")
    for command in (
        ["build", allocation, "--interval", "4096", *arguments[2:]],
        ["export", str(run), "--to", "qonnx", *arguments],
    ):
        assert main([*command, "-o", str(tmp_path / "no")]) == 1
        assert re.search("layer n_h must .*Hadamard transform", capsys.readouterr().err)


def test_allocations_without_the_field_still_read(run):
    fields = json.loads((run / "allocations" / "0.json").read_text())
    assert Allocation.from_fields(fields).to_fields() == fields
    del fields["quantiser"]["rotations"]
    assert QuantOptions(**Allocation.from_fields(fields).quantiser).rotations == {}
    with pytest.raises(RefusedInput, match=r"quantiser.rotations.n_h must be .*, not 'wide'"):
        Allocation.from_fields({**fields, "quantiser": {"rotations": {"n_h": "wide"}}})


def test_without_the_option_nothing_changes(model):
    out = searched(model)
    assert "transform_additions" not in pd.read_csv(out / "front.csv").columns
    assert read_allocation(out / "allocations" / "0.json").quantiser["rotations"] == {}
    assert not (out / "rotated_sensitivity.csv").exists()


def test_a_layer_reads_a_transform_where_both_tensors_lose_a_twentieth_less():
    tensors = [("a", "weight", "int4"), ("a", "activation", "int4"), ("a", "activation", "int8")]
    plain = dict(zip(tensors, [50.0, 50.0, 0.1], strict=True))
    turned = dict(zip(tensors, [55.0, 40.0, 0.1], strict=True))
    rotations = Rotations(widths={"a": 16}, plain=plain, turned=turned)
    assert rotations.of({"a": ("int4", "int4"), "b": ("int4", "int4")}) == {"a": 16}
    assert rotations.loss("a", "weight", ("int4", "int4")) == 55
    assert rotations.width("a", ("int4", "int8")) == 1
    assert rotations.loss("a", "weight", ("int4", "int8")) == 50
    less = {**turned, tensors[1]: 40.1}
    assert Rotations(widths={"a": 16}, plain=plain, turned=less).of({"a": ("int4", "int4")}) == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": Dataflow()}, "must come without an architecture, whose machines have no"),
        ({"layer_energy": True}, "must come without layer_energy, whose operands have none"),
        ({"pairs": 2}, "Pairs of layers must come without rotate, not with both"),
    ],
)
def test_what_does_not_go_with_transforms_is_refused(fields, message):
    with pytest.raises(RefusedInput, match=message):
        Settings(rotate=True, **fields)


def test_transforms_that_layers_cannot_have_are_refused(model):
    workload, dataset = loaded(model)
    formats = {layer.name: ("int4", "int4") for layer in workload.layers}
    for rotations, message in (
        ({"n_h": 64}, r"Rotation of layer 'n_h' must have one of the widths 1, 16, 32, not 64"),
        ({"no": 16}, r"Rotations must be of layers of the network, not of 'no'"),
    ):
        with pytest.raises(RefusedInput, match=message):
            quantise(workload, dataset, formats, options=QuantOptions(rotations=rotations))
    with pytest.raises(RefusedInput, match="rotations must come without rotate"):
        QuantOptions(rotate=True, rotations={"n_h": 16})


@pytest.mark.slow
def test_sentence_encoder_of_four_bits_gains(tmp_path):
    model = SHARED / "data" / "models" / "minilm_l6_v2_stsb.onnx"
    if not model.is_file():
        pytest.skip(f"{model} is not there")
    accuracy = {}
    for more in ((), ("--rotate",)):
        out = tmp_path / str(len(more))
        formats = ["--weights", "int4", "--activations", "int4", "--no-verify", "--images", "16"]
        assert main(["dse", str(model), *formats, *more, "-o", str(out)]) == 0
        accuracy[more] = pd.read_csv(out / "front.csv").measured_accuracy[0]
    assert accuracy["--rotate",] > accuracy[()] + 5
