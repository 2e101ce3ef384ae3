"""Accuracy of quantised networks: ``python benchmarks/accuracy.py MODEL.onnx…``.

Prints, for each model with a recipe beside it, the metric of the float network and of uniform
allocations under the default recipe. The first and last layer have 8 bits in rows with ``+``.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

from macwright.dse.evaluate import evaluate
from macwright.dse.quantizer import act_format
from macwright.dse.recipe import load_recipe
from macwright.dse.workload import load_workload

ROWS = (
    ("int8", "int8", False), ("int4", "int8", False), ("e4m3fin", "e4m3fin", False),
    ("int4", "int4", False), ("int4", "int4", True), ("int3", "int3", False),
    ("e2m1fin", "e2m1fin", False),
)  # fmt: skip


def main(paths: list[str]) -> None:
    """Print the table."""
    print("| model | weights/activations | metric | lost | CPU s |\n|---|---|---|---|---|")
    for path in map(Path, paths):
        dataset = load_recipe(path)
        workload = load_workload(path, dataset)
        exact = evaluate(workload, dataset, None).metric
        print(f"| {path.stem} | float | {exact:.2f} | | |", flush=True)
        for weight, act, ends in ROWS:
            allocation = {
                layer.name: (
                    act_format(layer, act) if layer.dynamic else weight,
                    act_format(layer, act),
                )
                for layer in workload.layers
            }
            for layer in (workload.layers[0], workload.layers[-1]) if ends else ():
                allocation[layer.name] = ("int8", act_format(layer, "int8"))
            start = time.process_time()
            metric = evaluate(workload, dataset, allocation).metric
            seconds = time.process_time() - start
            label = f"{weight}/{act}{'+' if ends else ''}"
            print(
                f"| {path.stem} | {label} | {metric:.2f} | {exact - metric:.2f} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
