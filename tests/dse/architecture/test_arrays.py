"""Machines of one array on a device: searched as a whole, and built as promised."""

import json
import re

import pandas as pd
import pytest
from helpers import networks

from macwright.costmodel.system.machine_resources import machine_model
from macwright.costmodel.technology.devices import find_device
from macwright.dse.architecture.arrays import device_arrays
from macwright.dse.architecture.buildable import array_formats
from macwright.dse.architecture.machine import eight_bit_network, machine_network
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.settings import Settings, Temporal
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import read_network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.microcode import Microcode
from macwright.hw.accelerator.temporal.widths import widths_for
from macwright.hw.errors import NotSupported, RefusedInput

DEVICE = find_device("lfe5u-25f")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return networks.write(tmp_path_factory.mktemp("net"), networks.cnn())


@pytest.fixture(scope="module")
def known(files):
    dataset = load_recipe(files[0], data_path=files[1])
    workload = load_workload(files[0], dataset)
    pairs = [(w, a) for w in ("int4", "int8") for a in ("uint4", "uint8", "int8")]
    network = machine_network(workload, dataset)
    return workload, dataset, device_arrays(network, DEVICE, pairs, terms=4096, margin=0.05)


def test_cycles_and_resources_are_those_of_the_8_bit_machine(known):
    workload, dataset, arrays = known
    network = eight_bit_network(workload, dataset)
    for rows, columns in ((4, 4), (8, 4)):
        program = compile_network(network, rows=rows, columns=columns)
        for unit in arrays.units["int8", "uint8"]:
            cycles = arrays.cycles(workload.layers, rows, columns, unit.spec)
            stages = unit.spec.pipeline
            names = [layer.name for layer in workload.layers]
            total = sum(cycles.of_layer(name, stages) for name in names) + cycles.of_rest(stages)
            assert total == program.frame_cycles(stages)
            machine = arrays.machine(rows, columns, unit.spec)
            assert machine.program.sum_bits == program.sum_bits
            assert machine.code.weight_words == Microcode(program).weight_words
            made = arrays.resources(rows, columns, unit.spec)
            own = arrays.model.of(machine, {machine.array.unit: unit.with_sum(
                machine.array.unit, arrays.model)})  # fmt: skip
            assert made == own
            assert made.luts > rows * columns * 30


def test_fewer_bits_take_less_and_more_rows_more(known):
    arrays = known[2]
    made = {}
    for pair, units in arrays.units.items():
        hard = next(unit for unit in units if unit.is_hard)
        made[pair] = [arrays.resources(rows, 8, hard.spec) for rows in (4, 8, 16)]
    for few, many in zip(made["int4", "uint8"], made["int8", "uint8"], strict=True):
        assert few.luts < many.luts
        assert few.ffs < many.ffs
        assert few.block_rams <= many.block_rams
        assert few.dsps <= many.dsps
    for sizes in made.values():
        assert sizes[0].luts < sizes[1].luts < sizes[2].luts
    # Signed codes are kept as levels above the least one.
    assert made["int8", "int8"] == made["int8", "uint8"]


def test_wider_tensors_widen_the_units_activations():
    """The upper part of 10 bits has weights of a power of two, which 4-bit weights hold to 4."""
    assert widths_for(10, 4, 4).parts.act_bits == 8
    assert widths_for(10, 8, 2).parts.act_bits == 10
    assert widths_for(4, 4, 4).parts.act_bits == 4


def test_formats_that_arrays_lack_are_said():
    kept, (note,) = array_formats(("int8", "e4m3fn", "pot4"), "Weights")
    assert kept == ("int8",)
    assert note.startswith("weights of e4m3fn, pot4 are left out")
    with pytest.raises(NotSupported, match="Activations of an array on a device must be integers"):
        array_formats(("e4m3fn",), "Activations")


def test_what_does_not_go_with_a_device():
    with pytest.raises(RefusedInput, match="one unit type of one mode"):
        Temporal(device=DEVICE, switched=())
    with pytest.raises(RefusedInput, match=r"must be 10 bits without a device.*, not 8"):
        Temporal(wide_bits=8)
    with pytest.raises(RefusedInput, match="must have 4 to 16 bits, not 3"):
        Temporal(types=1, switched=(), device=DEVICE, wide_bits=3)
    with pytest.raises(RefusedInput, match="Technology must be that of device"):
        Settings(architecture=Temporal(types=1, switched=(), device=DEVICE), technology="gates")


def test_a_clock_that_no_placed_array_reaches(files, tmp_path, capsys):
    words = ["--architecture", "temporal", "--device", "lfe5u-25f", "--clock-mhz", "500"]
    words += ["--no-verify", "-o", str(tmp_path / "run")]
    assert main(["dse", str(files[0]), "--data", str(files[1]), *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"must be at most {machine_model('ecp5').array_mhz['lfe5u-25f']:g} MHz" in line


@pytest.mark.parametrize(
    ("architecture", "device", "reason"),
    [
        ("temporal", "ice40-hx8k", "some were placed, ice40-up5k, not ice40-hx8k: search units"),
        ("dataflow", "ice40-up5k", "on ice40 must be of one array.*--architecture temporal"),
    ],
)
def test_devices_whose_machines_were_not_measured(
    files, tmp_path, capsys, architecture, device, reason
):
    words = ["--architecture", architecture, "--device", device, "--no-verify"]
    words += ["-o", str(tmp_path / "run")]
    assert main(["dse", str(files[0]), "--data", str(files[1]), *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(reason, line)


@pytest.mark.parametrize(
    ("device", "weights", "activations", "sizes"),
    # An array that takes 6 bits takes codes of 6 bits whole, and wider sums beside them in parts.
    [
        ("lfe5u-25f", "int4,int8", "int8", ("2,4", "4,8")),
        ("lfe5u-25f", "int6", "int6", ("2,4", "4,8")),
        ("lfe5u-25f", "int4", "int4,int5", ("2,4", "4,8")),
        ("ice40-up5k", "int4,int8", "int8", ("1,2", "2")),
    ],
)
def test_a_machine_is_built_as_it_was_promised(
    files, tmp_path, capsys, device, weights, activations, sizes
):
    net, data = map(str, files)
    run, chip = tmp_path / "run", tmp_path / "chip"
    words = ["--architecture", "temporal", "--device", device, "--no-verify", "--jobs", "1"]
    words += ["--weights", weights, "--activations", activations, "--objective", "luts"]
    words += ["--array-rows", sizes[0], "--array-columns", sizes[1]]
    words += ["--points", "4", "--measure", "0"]
    wide = 8 if device.startswith("ice40") else 10
    words += ["--wide-bits", str(wide)]
    assert main(["dse", net, "--data", data, *words, "-o", str(run)]) == 0
    front = pd.read_csv(run / "front.csv")
    assert list(front["clock"].unique()) == ["reached by placed machines"]
    assert {*front["status"]} == {"optimal"}
    limits = find_device(device).resources
    assert all((front[name] <= most).all() for name, most in limits.items())
    for number in (0, len(front) - 1):
        words = ["build", str(run / "allocations" / f"{number}.json"), "--model", net]
        assert main([*words, "--data", data, "-o", str(chip)]) == 0
        built = json.loads((chip / "build.json").read_text())
        row = front.iloc[number]
        network = read_network(chip / "network.json")
        widths = {edge.format.width for edge in network.edges if edge.name != network.output}
        assert max(widths) == wide
        assert built["machine"]["interval"] == round(row["latency_ms"] * row["clock_mhz"] * 1e3)
        # The sums of the final machine are those of its weights; the front's are estimates.
        for name in ("luts", "ffs"):
            assert built["modelled"][name] == pytest.approx(row[name], rel=0.1), name
        # A bit of a sum may be a multiplier of each lane, of 18 bits or of 16.
        less = row["dsps"] - built["modelled"]["dsps"]
        assert less == 0 or (device.startswith("ice40") and less == built["machine"]["array"][1])
    capsys.readouterr()
