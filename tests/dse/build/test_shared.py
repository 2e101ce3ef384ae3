"""Machines of real networks, on their evaluation images, with real units; slow, needs ../shared."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from helpers.paths import SHARED

from macwright.dse.bitexact import input_levels
from macwright.dse.build.emit import write_machine, write_temporal
from macwright.dse.build.machine import lower
from macwright.dse.build.temporal import lower_temporal
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, ArrayChoice, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.compare import compare_images
from macwright.sim.accelerator.record import read_build
from macwright.sim.simulators import find_simulator

#: Network, weights and activations by turns, cycles of a frame at most, images.
MACHINES = [
    ("digits_cnn", ("int8", "int4", "int6"), ("int8", "int6"), 4000, 540),
    ("digits_cnn", ("ternary", "int3"), ("int8", "int6"), 4000, 200),
    ("fashion_cnn", ("int8", "int4", "int6"), ("int8", "int5"), 28224, 200),
    ("dscnn_kws", ("int8", "int4"), ("int8", "int6"), 32000, 100),
    ("resnet8_cifar10", ("int8", "int4"), ("int8", "int6"), 150_000, 16),
]


def allocated(
    name: str, weights: Sequence[str], acts: Sequence[str]
) -> tuple[Any, Any, Allocation]:
    """Data, network, and formats by turns for its layers."""
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
    return dataset, workload, allocation


def compare(folder, lowered, dataset, images, interval):
    """A machine gives what the network gives, in the cycles that are promised."""
    (numbers,) = dataset.first(dataset.x_eval, images).values()
    levels = input_levels(lowered.network, dataset, numbers)
    for stalls, count in ((False, images), (True, min(images, 50))):
        result = compare_images(folder, levels[:count], simulator="verilator", stalls=stalls)
        assert result.difference is None
        if not stalls:
            assert result.interval == result.predicted_interval == interval
            assert result.latency == result.predicted_latency


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the networks of ../shared")
@pytest.mark.parametrize(("name", "weights", "acts", "interval", "images"), MACHINES)
def test_images_of_a_network_are_equal_bit_for_bit(tmp_path, name, weights, acts, interval, images):
    find_simulator("verilator")
    dataset, workload, allocation = allocated(name, weights, acts)
    lowered = lower(workload, dataset, allocation, interval=interval)
    write_machine(lowered, allocation, tmp_path)
    compare(tmp_path, lowered, dataset, images, lowered.spec.interval)
    accuracy = lowered.accuracy
    assert abs(accuracy.exact - accuracy.fake_quantised) < 2


#: Network, weights and activations by turns, rows and columns, images.
ARRAYS = [
    ("digits_cnn", ("int8", "int4", "int2"), ("int8", "int6"), (8, 8), 540),
    ("digits_cnn", ("int4", "ternary"), ("int4", "int5"), (16, 16), 540),
    ("fashion_cnn", ("int8", "int4", "int2"), ("int8", "int5"), (4, 8), 100),
    ("dscnn_kws", ("int4", "int8"), ("int8", "int6"), (16, 16), 100),
    ("resnet8_cifar10", ("int8", "int2", "int4"), ("int8", "int6"), (8, 8), 24),
    ("resnet20_cifar10", ("int4", "int8"), ("int8", "int6"), (16, 16), 24),
    ("resnet20_cifar10", ("int8",), ("int8",), (4, 8), 2),  # over a million cycles a frame
]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the networks of ../shared")
@pytest.mark.parametrize(("name", "weights", "acts", "size", "images"), ARRAYS)
def test_images_on_one_array_are_equal_bit_for_bit(tmp_path, name, weights, acts, size, images):
    find_simulator("verilator")
    dataset, workload, allocation = allocated(name, weights, acts)
    array = ArrayChoice(name="array", rows=size[0], columns=size[1])
    allocation = replace(allocation, architecture="temporal", array=array)
    lowered = lower_temporal(workload, dataset, allocation)
    write_temporal(lowered, allocation, tmp_path)
    compare(tmp_path, lowered, dataset, images, lowered.spec.frame_cycles)
    assert abs(lowered.accuracy.exact - lowered.accuracy.fake_quantised) < 2


@pytest.mark.slow
def test_a_network_fits_a_board_with_an_ice40_up5k(tmp_path):
    """As docs/how-to/build.md says, with the serial line around it, to the bitstream."""
    model = str(SHARED / "data" / "models" / "digits_cnn.onnx")
    run, chip = str(tmp_path / "run"), tmp_path / "chip"
    words = ["--architecture", "temporal", "--technology", "ice40", "--switched", "none"]
    words += ["--types", "1", "--weights", "int3", "--activations", "int4", "--free", "all"]
    words += ["--array-rows", "2", "--array-columns", "2", "--measure", "1", "--no-verify"]
    assert main(["dse", model, *words, "-o", run]) == 0
    words = ["--model", model, "--board", "icebreaker", "--clock-mhz", "24", "--wide-bits", "8"]
    assert main(["build", f"{run}/allocations/0.json", *words, "--place", "-o", str(chip)]) == 0
    fields = read_build(chip)
    assert (chip / fields["placed"]["bitstream"]).stat().st_size > 100_000
    assert fields["placed"]["clock_mhz"] >= 24
    assert fields["accuracy"]["exact"] > fields["accuracy"]["float_network"] - 1.5
    find_simulator("verilator")
    assert main(["simulate", str(chip), "--images", "8", "--simulator", "verilator"]) == 0
