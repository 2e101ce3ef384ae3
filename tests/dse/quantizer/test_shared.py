"""Layers that allocations share, and layers of fine formats."""

import dataclasses

import numpy as np
import onnx
import pytest
from helpers import networks

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format, quantise, sequence
from macwright.dse.quantizer.shared import PLANS, SharedPlan, SharedPlans, upstream
from macwright.dse.workload import load_workload


@pytest.fixture
def made(monkeypatch):
    """Names of the layers for which a plan is made; at first none is kept."""
    PLANS.clear()
    names = []
    of_layer, nearest = sequence.plan_layer, sequence.fine_plan

    def counted(workload, layer, *rest):
        names.append(layer.name)
        return of_layer(workload, layer, *rest)

    def counted_near(workload, layer, *rest):
        plan = nearest(workload, layer, *rest)
        names.extend([f"{layer.name} near"] if plan else [])
        return plan

    monkeypatch.setattr(sequence, "plan_layer", counted)
    monkeypatch.setattr(sequence, "fine_plan", counted_near)
    return names


def allocation(workload, *pairs):
    return {
        layer.name: (weight, act_format(layer, act))
        for layer, (weight, act) in zip(workload.layers, pairs, strict=True)
    }


def arrays(plans):
    return [
        value
        for plan in plans
        for value in (plan.weight, plan.bias, plan.weight_scale, plan.act.scale, plan.act.zero)
    ]


def equal(one, other):
    return all(np.array_equal(x, y) for x, y in zip(arrays(one), arrays(other), strict=True))


PAIRS = (("int4", "int8"), ("int8", "int8"), ("e2m1fn", "int4"), ("int3", "int6"))


def test_shared_layers_are_those_that_would_be_made(network, made, monkeypatch):
    workload, dataset = network
    rng = np.random.default_rng(0)
    drawn = [
        allocation(workload, *(PAIRS[i] for i in rng.integers(0, len(PAIRS), 4))) for _ in range(24)
    ]
    monkeypatch.setattr(PLANS, "limit", 0)
    alone = [quantise(workload, dataset, one)[1] for one in drawn]
    assert len(made) == 4 * len(drawn)
    monkeypatch.setattr(PLANS, "limit", 1 << 20)
    del made[:]
    for one, plans in zip(drawn, alone, strict=True):
        assert equal(quantise(workload, dataset, one)[1], plans)
    # Each chain of formats from the first layer on, once.
    chains = {tuple(one.values())[:n] for one in drawn for n in (1, 2, 3, 4)}
    assert len(made) == len(chains) < 4 * len(drawn)
    for one, plans in zip(drawn, alone, strict=True):
        assert equal(quantise(workload, dataset, one)[1], plans)
    assert len(made) == len(chains)


def test_other_options_data_and_networks_share_nothing(network, made, tmp_path):
    workload, dataset = network
    one = allocation(workload, *[("int4", "int6")] * 4)
    plain = quantise(workload, dataset, one)[1]
    few = quantise(workload, dataset, one, options=QuantOptions(images=20))[1]
    path, data = networks.write(tmp_path, networks.cnn(), seed=5)
    other = load_recipe(path, data_path=data)
    assert load_workload(path, other).identity == workload.identity
    fresh = quantise(workload, other, one)[1]
    path, _ = networks.write(tmp_path, networks.cnn(seed=9))
    changed = load_workload(path, dataset)
    assert changed.identity != workload.identity
    quantise(changed, dataset, one)
    assert len(made) == 16
    assert not equal(plain, few)
    assert not equal(plain, fresh)


def test_a_layer_depends_on_what_it_reads_and_on_what_it_is_added_to(tmp_path):
    rng = np.random.default_rng(0)
    weights = {f"w{i}": rng.standard_normal((1, 1, 1, 1)).astype(np.float32) for i in range(5)}
    weights["v"] = rng.standard_normal((64, 3)).astype(np.float32)
    nodes = [
        ("Conv", ["x", "w0"], "a", {}),
        ("Relu", ["a"], "ar", {}),
        ("Conv", ["ar", "w1"], "b", {}),
        ("Relu", ["b"], "br", {}),
        ("Conv", ["ar", "w2"], "c", {}),
        ("Conv", ["br", "w3"], "d", {}),
        ("Conv", ["x", "w4"], "e", {}),
        ("Add", ["c", "d"], "s", {}),
        ("Add", ["s", "e"], "t", {}),
        ("Flatten", ["t"], "f", {}),
        ("MatMul", ["f", "v"], "logits", {}),
    ]
    path, data = networks.write(tmp_path, networks.model(nodes, weights))
    workload = load_workload(path, load_recipe(path, data_path=data))
    found = {
        name.removeprefix("n_"): "".join(sorted(x.removeprefix("n_") for x in names))
        for name, names in upstream(workload).items()
    }
    assert found == {
        "a": "a", "b": "ab", "c": "abc", "d": "abcd", "e": "abcde", "logits": "abcdelogits",
    }  # fmt: skip


def test_plans_not_used_for_longest_are_given_up(network, made):
    workload, dataset = network
    plans = quantise(workload, dataset, allocation(workload, *[("int4", "int4")] * 4))[1]
    one = SharedPlan(plan=plans[0], near=False)
    kept = SharedPlans(2 * one.nbytes)
    for name in "ab":
        kept.put(name, one)
    assert kept.get("a") is one
    kept.put("c", one)
    assert [kept.get(name) for name in "abc"] == [one, None, one]
    assert kept.size == 2 * one.nbytes


def test_fine_formats_are_rounded_to_nearest_in_scales_of_the_largest_weight(network, made):
    workload, dataset = network
    exact, plans = quantise(workload, dataset, allocation(workload, *[("int8", "int8")] * 4))
    assert made == [f"{layer.name} near" for layer in workload.layers]
    for plan in plans:
        wanted = exact.tensor(plan.layer.weight)
        assert plan.weight is not None
        scale = np.abs(wanted).reshape(len(wanted), -1).max(axis=1) / np.float32(127)
        scale = scale.reshape(-1, *[1] * (wanted.ndim - 1))
        nearest = np.rint(wanted / scale) * scale
        np.testing.assert_allclose(plan.weight, nearest, rtol=1e-5, atol=1e-7)


def test_layers_after_coarse_ones_make_up_for_them(network, made):
    workload, dataset = network
    first, second, third, last = (layer.name for layer in workload.layers)
    quantise(
        workload, dataset, allocation(workload, ("int8", "int8"), ("int8", "int7"),
        ("int6", "int8"), ("int8", "int8")),
    )  # fmt: skip
    assert made == [f"{first} near", f"{second} near", third, last]


@pytest.mark.parametrize("field", ["smooth", "dynamic", "rounding", "weight_scale"])
def test_other_techniques_are_used_for_fine_formats_if_asked_for(network, made, field):
    workload, dataset = network
    value = {"rounding": "adaround", "weight_scale": "output"}.get(field, True)
    options = dataclasses.replace(QuantOptions(), **{field: value})
    quantise(workload, dataset, allocation(workload, *[("int8", "int8")] * 4), options=options)
    assert made == [layer.name for layer in workload.layers]


def test_where_nearest_rounding_is_too_far_off_weights_are_rounded_by_moments(tmp_path, made):
    proto = networks.cnn()
    constants = proto.graph.initializer
    values = {item.name: onnx.numpy_helper.to_array(item).copy() for item in constants}
    # One weight of each channel that meets next to nothing takes nearly all of the range.
    values["w3"][:, 0] = 2e4 * np.abs(values["w3"]).max()
    values["w2"][0] *= 1e-6
    values["b2"][0] = 0.0
    for item in constants:
        item.CopyFrom(onnx.numpy_helper.from_array(values[item.name], item.name))
    path, data = networks.write(tmp_path, proto)
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    options = QuantOptions(equalise=False)
    quantise(workload, dataset, allocation(workload, *[("int8", "int8")] * 4), options=options)
    names = [layer.name for layer in workload.layers]
    assert made == [f"{names[0]} near", f"{names[1]} near", names[2], names[3]]


@pytest.mark.usefixtures("own_cache")
def test_nearest_rounding_of_eight_bits_loses_no_more_than_gptq(network, made, monkeypatch):
    workload, dataset = network
    eight = allocation(workload, *[("int8", "int8")] * 4)
    near = evaluate(workload, dataset, eight)
    assert made == [f"{layer.name} near" for layer in workload.layers]
    monkeypatch.setattr(sequence, "is_fine", lambda fmt: False)
    options = QuantOptions(images=47)  # others, so that nothing is shared
    assert near.logit_mse < 1.3 * evaluate(workload, dataset, eight, options=options).logit_mse
    assert made[4:] == [layer.name for layer in workload.layers]
