"""Operands of layers against loops over the golden models, and the simulated unit."""

import numpy as np
import pytest
from helpers import networks

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.bitexact import layer_codes
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.workload import load_workload
from macwright.hw.pe import spec_from_fields
from macwright.sim.families import golden_model
from macwright.sim.generate import write_unit
from macwright.sim.golden.layer_numpy import layer_sums
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path, data = networks.write(tmp_path_factory.mktemp("net"), networks.cnn())
    dataset = load_recipe(path, data_path=data)
    return load_workload(path, dataset), dataset


def uniform(workload, weight, act):
    return {layer.name: (weight, act_format(layer, act)) for layer in workload.layers}


def planned(network, weight, act, index, **options):
    """Quantised network, one layer's plan, and what that layer reads for 3 samples."""
    workload, dataset = network
    float_network, plans = quantise(
        workload, dataset, uniform(workload, weight, act), options=QuantOptions(**options)
    )
    feeds = dataset.first(dataset.x_eval, 3)
    layer = workload.layers[index]
    values = PartialRun(float_network, float_network.model.graph, feeds).advance([layer.act])
    return plans[index], values


def golden_sum(spec, acts, weights):
    """Accumulator after some products, by the golden model in Python integers."""
    model = golden_model(spec)
    for i in range(len(acts) + spec.pipeline):
        j = min(i, len(acts) - 1)
        model.step(a=int(acts[j]), w=int(weights[j]), clear=int(i == 0))
    return model.acc


@pytest.mark.parametrize(
    ("weight", "act", "fields"),
    [
        ("int8", "int8", {}),
        ("int2", "int8", {"acc": "int10"}),  # wraps
        ("e4m3fin", "e2m3fin", {}),
        ("e2m1fin", "e4m3fin", {"acc": "fp16"}),  # rounded in every step
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_sums_are_those_of_the_golden_model(network, weight, act, fields, index):
    plan, inputs = planned(network, weight, act, index)
    base = mac_spec(act=str(plan.act.format), weight=weight)
    spec = spec_from_fields(base.family, {**base.to_fields(), "drop": 0, **fields}
        if base.family != "int_mac" else {**base.to_fields(), **fields})  # fmt: skip
    codes = layer_codes(plan, inputs)
    rng = np.random.default_rng(0)
    for group, row, column in zip(
        rng.integers(0, codes.act.shape[0], 40),
        rng.integers(0, codes.act.shape[1], 40),
        rng.integers(0, codes.weight.shape[2], 40),
        strict=True,
    ):
        got = layer_sums(spec, codes.act[group, row][None], codes.weight[group][:, column][:, None])
        stream = codes.act[group, row], codes.weight[group, :, column]
        assert got[0, 0] == golden_sum(spec, *stream)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("int8", {"dynamic": True}, "one fixed scale to be computed bit by bit, not scales for"),
        ("mxint8", {}, "one fixed scale to be computed bit by bit, not mxint8"),
        ("int8", {"group_size": 4}, "one scale for each output channel"),
    ],
)
def test_scales_that_units_do_not_know(network, name, options, message):
    plan, inputs = planned(network, name, name, 1, **options)
    with pytest.raises(ValueError, match=message):
        layer_codes(plan, inputs)


STREAM = """

@cocotb.test()
async def stream(dut):
    import numpy as np
    from macwright.sim.bench.driver import Driver

    recorded = np.load({path!r})
    driver = Driver(dut, SPEC)
    await driver.start()
    for acts, weights, wanted in zip(recorded["a"], recorded["w"], recorded["acc"], strict=True):
        for j, (a, w) in enumerate(zip(acts, weights, strict=True)):
            await driver.step(a=int(a), w=int(w), clear=int(j == 0))
        for _ in range(SPEC.pipeline):
            await driver.step(clear=0, a=0, w=0)
        assert int(dut.acc.value) == int(wanted), (int(dut.acc.value), int(wanted))
"""


@pytest.mark.parametrize("name", ["int8", "e4m3fin"])
def test_simulated_unit_computes_recorded_streams_of_a_layer(network, tmp_path, name):
    find_simulator()
    plan, inputs = planned(network, name, name, 2)
    spec = mac_spec(act=str(plan.act.format), weight=name)
    codes = layer_codes(plan, inputs)
    rows = np.random.default_rng(0).integers(0, codes.act.shape[1], 20)
    acts, weights = codes.act[0, rows], codes.weight[0].T[rows % 8]
    sums = layer_sums(spec, codes.act[0], codes.weight[0])[rows, rows % 8]
    np.savez(tmp_path / "stream.npz", a=acts, w=weights, acc=sums)
    folder = tmp_path / spec.name
    manifest = write_unit(spec, folder)
    with (folder / manifest["bench"]["file"]).open("a") as bench:
        bench.write(STREAM.format(path=str(tmp_path / "stream.npz")))
    result = simulate(folder, tests=["stream"])
    assert result.failures == []
    assert result.passed
