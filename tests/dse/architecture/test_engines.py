"""Machines of a small network on a device: searched as a whole, and built as promised."""

import json
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from helpers import networks

from macwright.costmodel.system.machine_resources import machine_model
from macwright.costmodel.technology.devices import find_device
from macwright.dse.architecture.engine_units import engine_unit
from macwright.dse.architecture.engines import device_engines
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.search.options import needed_units
from macwright.dse.solver import Budget, choose_dataflow
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.folding import Folding
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.sizing import size_buffers, with_depths


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return networks.write(tmp_path_factory.mktemp("net"), networks.cnn())


@pytest.fixture(scope="module")
def engines(files):
    dataset = load_recipe(files[0], data_path=files[1])
    workload = load_workload(files[0], dataset)
    units = needed_units(
        workload.layers, ("int4", "int8"), ("int8",), technology="ecp5", dsp=True
    )  # fmt: skip
    found = device_engines(workload, dataset, find_device("lfe5u-25f"), units, clocks_mhz=[80])
    rows = [
        {
            "layer": layer.name, "option": f"{w}/{a}", "weight": w, "activation": a,
            "loss": 1.0 if w == "int4" else 0.0, "bops": 1, "weight_bytes": 1.0,
        }
        for layer in workload.layers
        for w, a in units
        if a == ("int8" if layer.act_signed else "uint8")
    ]  # fmt: skip
    return found, found.table(pd.DataFrame(rows), 80)


def folding(option):
    pe, simd, groups = map(int, option.split(" ")[1].split("x"))
    return Folding(pe=pe, simd=simd, groups=groups)


@pytest.mark.parametrize("objective", ["luts", "frame_ms"])
def test_the_table_adds_up_to_the_machine(engines, objective):
    found, table = engines
    limits = [Budget(k, max=v) for k, v in found.device.resources.items()]
    limits += [Budget("loss", max=0)]
    choice = choose_dataflow(table, objective, limits, slowest="frame_ms")
    names = [name for name in choice.allocation if name != "(other stages)"]
    units = {name: choice.allocation[name].split(" ")[2] for name in found.choices.shapes}
    units = {name: unit for name, unit in units.items() if unit != "-"}
    foldings = {name: folding(choice.allocation[name]) for name in names}
    timing = found.timing(foldings, units)
    cycles = choice.totals["frame_ms"] * 80e3
    assert timing.interval == pytest.approx(cycles, abs=1e-6)
    machine = found.choices.with_foldings(foldings, timing.interval, dict.fromkeys(units, 2), {})
    made = found.model.of(with_depths(machine, size_buffers(machine).depths)).to_fields()
    # Windows of the table are as deep as in a machine of the device's size, and its sums are as
    # wide as the formats need.
    for name in ("dsps", "luts", "ffs"):
        assert made[name] == pytest.approx(choice.totals[name], rel=0.1), name


@pytest.mark.parametrize(
    ("weights", "activations"),
    [("int4,int8", "bf16,int8"), ("int4,e2m1fn", "e3m2fn"), ("int4", "e4m3fn,e2m1fn")],
)
def test_a_machine_is_built_as_it_was_promised(files, tmp_path, capsys, weights, activations):
    net, data = map(str, files)
    run, chip = tmp_path / "run", tmp_path / "chip"
    words = ["--architecture", "dataflow", "--device", "lfe5u-25f", "--no-verify", "--jobs", "1"]
    words += ["--weights", weights, "--activations", activations]
    words += ["--points", "3", "--measure", "0"]
    assert main(["dse", net, "--data", data, *words, "-o", str(run)]) == 0
    notes = [
        note
        for note in json.loads((run / "run.json").read_text())["notes"]
        if note.startswith("activations of bf16 are left out: machines have integers, ")
    ]
    assert len(notes) == ("bf16" in activations)
    front = pd.read_csv(run / "front.csv")
    model = machine_model("ecp5")
    error = f"{model.period_error:.0%}"
    assert set(front["clock"]) == {f"counted from look-up tables, {error} off in the mean"}
    for luts, clock in zip(front["luts"], front["clock_mhz"], strict=True):
        assert model.expected_mhz(luts) / 1.065 < clock <= model.expected_mhz(luts)
    words = ["build", str(run / "allocations" / "0.json"), "--model", net, "--data", data]
    assert main([*words, "-o", str(chip)]) == 0
    built = json.loads((chip / "build.json").read_text())
    first, cycles = front.iloc[0], front["clock_mhz"].iloc[0] * 1e3
    assert built["machine"]["interval"] == round(first["frame_ms"] * cycles)
    assert built["machine"]["latency"] == round(first["latency_ms"] * cycles)
    allocation = json.loads((run / "allocations" / "0.json").read_text())
    assert allocation["hardware"]["device"] == "lfe5u-25f"
    assert all({"pe", "simd", "groups"} <= {*layer} for layer in allocation["layers"].values())
    # The widths of the final machine are those of its weights; the front's are estimates.
    for name in ("luts", "ffs", "dsps"):
        assert built["modelled"][name] == pytest.approx(first[name], rel=0.1), name
    capsys.readouterr()


def test_units_of_look_up_tables_where_multipliers_are_short(engines):
    found, table = engines
    limits = [Budget(k, max=v) for k, v in found.device.resources.items() if k != "dsps"]
    times = {}
    for dsps in (8, 28):
        choice = choose_dataflow(
            table, "frame_ms", [*limits, Budget("dsps", max=dsps)], slowest="frame_ms"
        )
        units = {n: o.split(" ")[2] for n, o in choice.allocation.items() if o != "-"}
        times[dsps] = choice.totals["frame_ms"]
        foldings = {n: folding(o) for n, o in choice.allocation.items() if o != "-"}
        cycles = times[dsps] * 80e3
        assert found.timing(foldings, {n: u for n, u in units.items() if u != "-"}).interval == (
            pytest.approx(cycles, abs=1e-6)
        )
        if dsps == 8:
            assert any("rows" in unit for unit in units.values())
    assert times[28] <= times[8]


def test_a_narrower_sum_of_a_hard_unit_is_counted_and_not_subtracted(engines):
    """Its sum is part of the rule of hard multipliers, of which a bit takes two look-up tables."""
    model = engines[0].model
    wide = IntMacSpec(multiplier="infer", acc=IntFormat(32))
    narrow = replace(wide, acc=IntFormat(20))
    assert engine_unit(wide, model).with_sum(narrow, model) == model.unit(narrow)
    assert model.unit(narrow).luts < model.unit(wide).luts


def test_formats_without_a_unit_of_look_up_tables_are_said(engines):
    found, _ = engines
    assert found.notes == ()
    # None that ships is as fast.
    pair = ("int8", "uint8")
    (clock,) = found.clocks
    slow = replace(clock, units={**found.units, pair: found.units[pair][:1]})
    (note,) = replace(found, clocks=(slow,)).notes
    said = "products of int8/uint8 have hard multipliers alone: no unit of look-up tables ships"
    assert note == f"{said} for them at 80 MHz"
    (note,) = replace(found, clocks=(clock, replace(slow, mhz=90.0))).notes
    assert note == f"{said} for them above 80 MHz"


def test_of_equal_machines_the_fastest_is_promised(files, tmp_path, capsys):
    """A frame time that every clock keeps: none of the smallest machine's clocks is too slow."""
    net, data = map(str, files)
    words = ["--architecture", "dataflow", "--device", "lfe5u-25f", "--no-verify", "--jobs", "1"]
    words += ["--weights", "int8", "--activations", "int8", "--measure", "0", "--points", "1"]
    words += ["--budget", "frame_ms<=100", "-o", str(tmp_path / "run")]
    assert main(["dse", net, "--data", data, *words]) == 0
    row = pd.read_csv(tmp_path / "run" / "front.csv").iloc[0]
    assert row["clock_mhz"] > 0.94 * machine_model("ecp5").expected_mhz(row["luts"])
    capsys.readouterr()


def test_larger_machines_are_slower(files):
    """Each clock has its largest machine, whatever the formats are."""
    dataset = load_recipe(files[0], data_path=files[1])
    workload = load_workload(files[0], dataset)
    units = needed_units(
        workload.layers, ("int4",), ("int8", "e3m2fn"), technology="ecp5", dsp=True
    )
    found = device_engines(workload, dataset, find_device("lfe5u-25f"), units)
    rates, model = [clock.mhz for clock in found.clocks], found.model
    assert rates == sorted(rates)
    assert rates[-1] <= model.fastest_mhz < rates[-1] * 1.01
    assert all(fast < slow * 1.07 for slow, fast in pairwise(rates))
    at_least = model.expected_mhz(found.device.resources["luts"])
    assert rates[0] <= at_least < rates[1]
    for clock in found.clocks:
        assert model.expected_mhz(clock.most_luts) == pytest.approx(
            max(clock.mhz, model.expected_mhz(1e9))
        )


def test_a_clock_that_no_placed_machine_reaches(files, tmp_path, capsys):
    words = ["--architecture", "dataflow", "--device", "lfe5u-25f", "--clock-mhz", "2000"]
    net, data = map(str, files)
    assert main(["dse", net, "--data", data, *words, "-o", str(tmp_path / "run")]) == 1
    assert "Clock of a machine on ecp5 must be at most " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_activations_that_no_machine_has(files, tmp_path, capsys):
    words = ["--architecture", "dataflow", "--device", "lfe5u-25f", "--activations", "bf16"]
    net, data = map(str, files)
    assert main(["dse", net, "--data", data, *words, "-o", str(tmp_path / "run")]) == 1
    said = "must be integers, fixed point, and minifloats whose values span less than 48 bits as"
    assert f"{said} fixed point, not bf16" in capsys.readouterr().err


def test_a_device_that_is_too_small(files, tmp_path, capsys):
    small = tmp_path / "small.toml"
    small.write_text('base = "lfe5u-25f"\nluts = 200\n')
    words = ["--architecture", "dataflow", "--device", str(small), "--no-verify", "--jobs", "1"]
    words += ["--weights", "int8", "--activations", "int8", "--measure", "0"]
    net, data = map(str, files)
    assert main(["dse", net, "--data", data, *words, "-o", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "Machine must fit device small; it fits lfe5u-25f: 'luts' must be at least" in said
