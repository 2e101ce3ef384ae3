"""Accuracy of quantised networks, and how well sensitivities predict it.

    python benchmarks/accuracy.py [PART…] [--write]

Parts are ``sensitivity``, ``ranking``, ``losses``, ``formats`` and ``exact``; all without one.
Models, with their recipes and data, are those of `../shared/data/models`. With ``--write`` the
parts run are put into their files in `benchmarks/results`. Evaluations are kept in the
cache; times are CPU time of this process and are measured anew.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from section import write_section

from macwright.dse.accuracy.evaluate import evaluate, run_model
from macwright.dse.bitexact import fake_quant_distance
from macwright.dse.data.recipe import Dataset, load_recipe
from macwright.dse.data.task import spearman
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.options import weight_format
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.sensitivity.cross_terms import SHARE
from macwright.dse.sensitivity.measure import (
    LossMeasure,
    calibrate_prediction,
    measure_and_check,
    measure_coherence,
    measure_sensitivity,
)
from macwright.dse.solver import OptionTable, front
from macwright.dse.workload import Layer, Workload, load_workload
from macwright.hw.formats import parse_format

MODELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
INTEGERS = tuple(f"int{width}" for width in range(2, 9))
FLOATS = tuple("e2m1fin e3m0fin e2m2fin e3m1fin e2m3fin e3m2fin e3m3fin e4m3fin e5m2fin".split())
EVERY = INTEGERS + FLOATS
N = len(EVERY)
#: Rows of the table of losses: weights, activations, whether the ends have 8 bits, bound in points.
LOSSES = (
    ("int8", "int8", False, 0.2), ("int4", "int4", False, 2.2), ("int4", "int4", True, 0.8),
    ("int3", "int3", False, 8.0), ("e2m1fin", "e2m1fin", False, 2.4),
)  # fmt: skip
#: Columns of the table of formats: weights and activations.
FORMATS = {
    "INT8": ("int8", "int8"), "W4A8": ("int4", "int8"), "e4m3fn": ("e4m3fn", "e4m3fn"),
    "e3m4fin": ("e3m4fin", "e3m4fin"), "MXINT8": ("mxint8", "mxint8"),
    "MXFP8": ("mxfp8e4m3", "mxfp8e4m3"), "NVFP4": ("nvfp4", "nvfp4"), "MXFP4": ("mxfp4", "mxfp4"),
    "INT4": ("int4", "int4"),
}  # fmt: skip
#: Models of the table of formats: calibration samples, and evaluation samples (None: all) in
#: columns without a bound.
NETWORKS = {
    "digits_cnn": (512, None), "dscnn_kws": (512, None), "fashion_cnn": (512, None),
    "chargpt_shakespeare": (512, None), "resnet8_cifar10": (512, None),
    "resnet20_cifar10": (512, 1000), "efficientnet_lite0": (64, 100),
    "resnet56_cifar10": (128, 500), "minilm_l6_v2_stsb": (512, 100),
}  # fmt: skip
#: Columns that have a bound: those that lose at most this part of the metric.
BOUNDS = {"INT8": 0.01, "W4A8": 0.03}
#: Shares of the products of changes that are compared.
SHARES = (0.0, 0.125, 0.25, 0.5, 1.0)
#: Rounding under which rankings are compared. Without bias correction the mean errors of the layers
#: add up in step, and not even the measured change of the logits ranks allocations as KL does.
NEAREST = QuantOptions(rounding="nearest", equalise=False, asymmetric=False, images=32)


@cache
def load(name: str) -> tuple[Workload, Dataset]:
    """Network and data of a shared model."""
    dataset = load_recipe(MODELS / f"{name}.onnx")
    return load_workload(MODELS / f"{name}.onnx", dataset), dataset


def uniform(workload: Workload, weight: str, act: str, *, ends: bool = False) -> dict:
    """Allocation with one format for all weights and one for all activations."""
    allocation = {
        layer.name: (
            weight_format(layer, act) if layer.dynamic else weight,
            act_format(layer, act),
        )
        for layer in workload.layers
    }
    for layer in (workload.layers[0], workload.layers[-1]) if ends else ():
        allocation[layer.name] = ("int8", act_format(layer, "int8"))
    return allocation


def sensitivity(_: argparse.Namespace) -> Iterator[str]:
    """Time of all sensitivities of ResNet-20."""
    workload, dataset = load("resnet20_cifar10")
    for images in (16,):
        with tempfile.TemporaryDirectory() as folder:
            kept = os.environ.get("MACWRIGHT_CACHE")
            os.environ["MACWRIGHT_CACHE"] = folder
            start = time.process_time()
            table, said = measure_and_check(
                workload,
                dataset,
                EVERY,
                EVERY,
                measure=LossMeasure(images=images, options=NEAREST),
                jobs=1,
            )
            seconds = time.process_time() - start
            os.environ.pop("MACWRIGHT_CACHE")
            if kept is not None:
                os.environ["MACWRIGHT_CACHE"] = kept
        yield (
            f"- ResNet-20, {len(table)} sensitivities at {images} images: {seconds:.1f} s CPU "
            f"({said['way']}; rank correlation with {said['checked']} exact ones "
            f"{said['rank_correlation']:.4f})."
        )


def ranking(_: argparse.Namespace) -> Iterator[str]:
    """How predicted losses rank allocations, and what they say about KL."""
    workload, dataset = load("resnet20_cifar10")
    table = measure_sensitivity(
        workload, dataset, EVERY, EVERY, measure=LossMeasure(images=32, options=NEAREST)
    )
    loss = {(row.layer, row.tensor, row.format): row.loss for row in table.itertuples()}
    rng, n_layers = np.random.default_rng(0), len(workload.layers)
    mixed = [_allocation(workload, draw) for draw in rng.integers(N, size=(120, n_layers, 2))]
    near: list[dict] = []
    while len(near) < 20:
        draws = rng.integers(N, size=(50_000, n_layers, 2))
        bops = _bops(workload, draws)
        near += [_allocation(workload, draw) for draw in draws[np.abs(bops / 16 - 1) <= 0.03]]
    near = near[:20]

    coherence = measure_coherence(workload, dataset, EVERY, EVERY, images=32, options=NEAREST)

    def predicted(allocation: dict, share: float = SHARE) -> float:
        return coherence.together(allocation, share=share) + sum(
            loss[name, "weight", weight] + loss[name, "activation", act]
            for name, (weight, act) in allocation.items()
        )

    def measured(allocation: dict) -> tuple[float, float]:
        found = evaluate(workload, dataset, allocation, options=NEAREST, images=200, jobs=1)
        assert found.kl is not None
        return found.kl, found.logit_mse

    sums, kl, change = np.array([(predicted(a), *measured(a)) for a in (*mixed, *near)]).T
    of_all, of_near = spearman(sums, kl), spearman(sums[120:], kl[120:])
    yield (
        f"- Spearman rank correlation of predicted loss (32 images) and measured KL (200 images): "
        f"{of_all:.3f} over 140 mixed allocations of ResNet-20, nearest rounding with bias "
        f"correction (wanted .97), {of_near:.3f} among "
        f"the 20 within 3 % of 16 BOPs per MAC (wanted .85). The measured mean squared change of "
        f"the logits, which the loss predicts, has {spearman(change, kl):.3f} and "
        f"{spearman(change[120:], kl[120:]):.3f}."
    )
    shares = [np.array([predicted(a, share) for a in (*mixed, *near)]) for share in SHARES]
    yield (
        "- The same by the share of the products of two tensors' changes that is counted (zero: "
        "the sum of the losses): "
        + "; ".join(
            f"{share:g}: {spearman(one, kl):.3f}, {spearman(one[120:], kl[120:]):.3f}"
            for share, one in zip(SHARES, shares, strict=True)
        )
        + "."
    )
    points = _front(workload, loss)
    divergences = [measured(a)[0] for a in points]
    losses = [predicted(a) for a in points]
    fit = calibrate_prediction(losses[::2], divergences[::2])
    off = [abs(np.log(fit.kl(x) / y)) for x, y in zip(losses[1::2], divergences[1::2], strict=True)]
    yield (
        f"- KL along the front (BOPs), calibrated on {fit.points} of {len(points)} points: within "
        f"a factor {np.exp(np.mean(off)):.2f} of the truth on average at the others (wanted 1.4); "
        f"log KL = {fit.a:.2f} + {fit.b:.2f} log loss, leave-one-out factor {fit.factor:.2f}."
    )


def _allocation(workload: Workload, draw: np.ndarray) -> dict:
    """Allocation from indices of formats, shape (n_layers, 2)."""
    return {
        layer.name: _concrete(layer, *(EVERY[i] for i in pair))
        for layer, pair in zip(workload.layers, draw, strict=True)
    }


def _concrete(layer: Layer, weight: str, act: str) -> tuple[str, str]:
    return str(parse_format(weight)), act_format(layer, act)


def _bops(workload: Workload, draws: np.ndarray) -> np.ndarray:
    """Bit operations for each MAC, of indices of formats, shape (n, n_layers, 2)."""
    widths = np.array([parse_format(name).width for name in EVERY])[draws]
    macs = np.array([layer.macs for layer in workload.layers])
    return widths.prod(axis=2) @ macs / macs.sum()


def _front(workload: Workload, loss: dict) -> list[dict]:
    """Twenty allocations along the front of loss and BOPs, from 6 to 40 BOPs a MAC."""
    names, losses, bops = [], [], []
    for layer in workload.layers:
        pairs = [_concrete(layer, weight, act) for weight in EVERY for act in EVERY]
        names.append(["/".join(pair) for pair in pairs])
        losses.append(
            [loss[layer.name, "weight", w] + loss[layer.name, "activation", a] for w, a in pairs]
        )
        bops.append(
            [float(layer.macs * parse_format(w).width * parse_format(a).width) for w, a in pairs]
        )
    layers = [layer.name for layer in workload.layers]
    whole = front(OptionTable.from_arrays(layers, names, loss=losses, bops=bops), cost="bops")
    macs = sum(layer.macs for layer in workload.layers)
    wanted = np.geomspace(6, 40, 20) * macs
    chosen = sorted({int(np.abs(np.asarray(whole.costs) - cost).argmin()) for cost in wanted})
    return [
        {name: tuple(option.split("/")) for name, option in point.allocation.items()}
        for point in whole.at(chosen)
    ]


def losses(_: argparse.Namespace) -> Iterator[str]:
    """What ResNet-20 loses, and how long quantising takes."""
    workload, dataset = load("resnet20_cifar10")
    exact = evaluate(workload, dataset, None).metric
    yield f"ResNet-20, {len(dataset.y_eval)} images, FP32 {exact:.2f} %, default recipe:\n"
    yield "| weights/activations | top-1 % | points lost | wanted | CPU s to quantise |"
    yield "|---|---|---|---|---|"
    for weight, act, ends, bound in LOSSES:
        start = time.process_time()
        network, plans = quantise(workload, dataset, uniform(workload, weight, act, ends=ends))
        seconds = time.process_time() - start
        model = quantised_model(network, plans)
        outputs = run_model(workload, model, dataset.x_eval, jobs=1)
        metric = dataset.metric(outputs, outputs)
        label = f"{weight}/{act}" + (", first and last layer 8 bits" if ends else "")
        yield f"| {label} | {metric:.2f} | {exact - metric:.2f} | {bound} | {seconds:.1f} |"


def formats(args: argparse.Namespace) -> Iterator[str]:
    """Every model in every format."""
    yield "Default recipe. In brackets samples and FP32 metric, where they are not all samples.\n"
    yield f"| model | metric | calibration | samples | FP32 | {' | '.join(FORMATS)} |"
    yield "|---" * (len(FORMATS) + 5) + "|"
    for name in args.models or NETWORKS:
        workload, dataset = load(name)
        exact = evaluate(workload, dataset, None, jobs=1)
        calibration, part = NETWORKS[name]
        options = QuantOptions(images=calibration)
        cells = []
        for column, formats in FORMATS.items():
            if column not in (args.columns or FORMATS):
                cells.append("")
                continue
            images = None if column in BOUNDS else part
            found = evaluate(
                workload,
                dataset,
                uniform(workload, *formats),
                options=options,
                images=images,
                jobs=1,
            )
            cell = f"{found.metric:.2f}"
            if images is not None:
                same = evaluate(workload, dataset, None, images=images, jobs=1).metric
                cell += f" ({images}: {same:.2f})"
            worse = (found.metric < exact.metric) == dataset.higher_is_better
            if worse and abs(found.metric / exact.metric - 1) > BOUNDS.get(column, np.inf):
                cell += " MISSED"
            cells.append(cell)
            print(f"  {name} {column} {cell}", flush=True)
        yield (
            f"| {name} | {dataset.metric_name} | {calibration} | {exact.images} | "
            f"{exact.metric:.2f} | {' | '.join(cells)} |"
        )


def exact(_: argparse.Namespace) -> Iterator[str]:
    """How far the fast mode is from the bit-exact mode."""
    yield "Units with exact accumulators, dyadic requantisation to 16 bits between layers.\n"
    titles = (
        "model", "weights/activations", "samples", "mean squared logit difference", "largest",
        "bit-exact to FP32, mean squared", "changed predictions",
    )  # fmt: skip
    yield f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|"
    for name in ("digits_cnn", "dscnn_kws", "fashion_cnn", "resnet20_cifar10"):
        for pair in (("int8", "int8"), ("int4", "int8"), ("e4m3fin", "e4m3fin")):
            workload, dataset = load(name)
            found = fake_quant_distance(workload, dataset, uniform(workload, *pair), images=100)
            yield (
                f"| {name} | {'/'.join(pair)} | {found.images} | {found.logit_mse:.1e} | "
                f"{found.largest:.2g} | {found.quantisation_mse:.1e} | {found.changed:.1%} |"
            )


PARTS = {
    "sensitivity": sensitivity,
    "ranking": ranking,
    "losses": losses,
    "formats": formats,
    "exact": exact,
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description="Measure accuracy and its prediction.")
    parser.add_argument("parts", nargs="*", help="default: all")
    parser.add_argument("--models", nargs="*", default=[], help="of the table of formats")
    parser.add_argument("--columns", nargs="*", default=[], help="of the same table")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    args = parser.parse_args()
    for part in args.parts or PARTS:
        lines: list[str] = []
        print(f"## Accuracy: {part}\n")
        for line in PARTS[part](args):
            print(line, flush=True)
            lines.append(line)
        if args.write:
            write_section(f"accuracy {part}", f"Accuracy: {part}", "\n".join(lines))


if __name__ == "__main__":
    main()
