"""Machines of real networks, on their evaluation images, with real units; slow, needs ../shared."""

import pytest
from helpers.paths import SHARED

from macwright.dse.bitexact import input_levels
from macwright.dse.build.emit import write_machine
from macwright.dse.build.machine import lower
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.built import compare_images
from macwright.sim.simulators import find_simulator

#: Network, weights and activations by turns, cycles of a frame at most, images.
MACHINES = [
    ("digits_cnn", ("int8", "int4", "int6"), ("int8", "int6"), 4000, 540),
    ("digits_cnn", ("ternary", "int3"), ("int8", "int6"), 4000, 200),
    ("fashion_cnn", ("int8", "int4", "int6"), ("int8", "int5"), 28224, 200),
    ("dscnn_kws", ("int8", "int4"), ("int8", "int6"), 32000, 100),
    ("resnet8_cifar10", ("int8", "int4"), ("int8", "int6"), 150_000, 16),
]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the networks of ../shared")
@pytest.mark.parametrize(("name", "weights", "acts", "interval", "images"), MACHINES)
def test_images_of_a_network_are_equal_bit_for_bit(tmp_path, name, weights, acts, interval, images):
    find_simulator("verilator")
    model = SHARED / "data" / "models" / f"{name}.onnx"
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    unit = IntMacSpec()
    layers = {
        layer.name: LayerChoice(
            weight=weights[i % len(weights)],
            activation=act_format(layer, acts[i % len(acts)]),
            unit=unit.name,
        )
        for i, layer in enumerate(workload.layers)
    }
    allocation = Allocation(
        point=0,
        model_sha256=workload.sha256,
        technology="ecp5",
        layers=layers,
        units={unit.name: unit},
        quantiser=QuantOptions().to_fields(),
    )
    lowered = lower(workload, dataset, allocation, interval=interval)
    write_machine(lowered, allocation, tmp_path)
    (numbers,) = dataset.first(dataset.x_eval, images).values()
    levels = input_levels(lowered.network, dataset, numbers)
    for stalls, count in ((False, images), (True, min(images, 50))):
        result = compare_images(tmp_path, levels[:count], simulator="verilator", stalls=stalls)
        assert result.difference is None
        if not stalls:
            assert result.interval == result.predicted_interval == lowered.spec.interval
            assert result.latency == result.predicted_latency
    accuracy = lowered.accuracy
    assert abs(accuracy.exact - accuracy.fake_quantised) < 2
