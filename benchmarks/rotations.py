"""What Hadamard transforms of layers' inputs save, and what they cost.

    python benchmarks/rotations.py [MODEL…] [--write]

Transformers of `../shared/data/models` in 4 bits, quantised without and with ``rotate=True`` and
measured on all evaluation samples; times are CPU time of this process. With ``--write`` the
table is put into `benchmarks/results`.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

from accuracy import load, uniform
from section import write_section

from macwright.dse.accuracy.evaluate import compare, reference_outputs, run_model
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.rotation import rotation_additions

#: Model, format of weights and activations, calibration samples.
ROWS = (
    ("minilm_l6_v2_stsb", "int4", 32), ("minilm_l6_v2_stsb", "int4", 512),
    ("chargpt_shakespeare", "int4", 512), ("chargpt_shakespeare", "mxfp4", 512),
    ("minilm_l6_v2_stsb", "mxfp4", 512),
)  # fmt: skip
TITLES = (
    "model", "FP32", "formats", "calibration", "metric", "rotated", "squared change", "rotated",
    "layers by width", "additions a MAC", "CPU s to quantise", "rotated",
)  # fmt: skip


def table(models: Sequence[str]) -> Iterator[str]:
    """Lines of the table, each as soon as it is measured."""
    yield f"| {' | '.join(TITLES)} |"
    yield "|---" * len(TITLES) + "|"
    for name, fmt, images in ROWS:
        if models and name not in models:
            continue
        workload, dataset = load(name)
        reference = reference_outputs(workload, dataset, None, 1, None)
        metrics, changes, times, plans = [], [], [], []
        for rotate in (False, True):
            options = QuantOptions(images=images, rotate=rotate)
            start = time.process_time()
            network, plans = quantise(
                workload, dataset, uniform(workload, fmt, fmt), options=options
            )
            times.append(f"{time.process_time() - start:.1f}")
            outputs = run_model(workload, quantised_model(network, plans), dataset.x_eval, jobs=1)
            measured = compare(dataset, outputs, reference)
            metrics.append(f"{measured.metric:.2f}")
            changes.append(f"{measured.logit_mse:.3g}")
        widths = Counter(plan.act.rotation for plan in plans if not plan.layer.dynamic)
        added = sum(rotation_additions(plan.layer, plan.act.rotation) for plan in plans)
        cells = (
            name, f"{dataset.metric(reference, reference):.2f}", fmt, images, *metrics, *changes,
            ", ".join(f"{count} of {width}" for width, count in sorted(widths.items())),
            f"{added / sum(layer.macs for layer in workload.layers):.4f}", *times,
        )  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description="Measure what rotations save.")
    parser.add_argument("models", nargs="*", help="default: all")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    args = parser.parse_args()
    lines = [
        "All evaluation samples; calibration samples are pairs of sentences for "
        "`minilm_l6_v2_stsb`, of which it has 256. Layers of width 1 are not rotated.\n"
    ]
    print(lines[0])
    for line in table(args.models):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        write_section("rotations", "Hadamard transforms", "\n".join(lines))


if __name__ == "__main__":
    main()
