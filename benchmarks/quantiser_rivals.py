"""Eight-bit quantisation beside onnxruntime's quantiser: CPU time, metric and squared change.

    python benchmarks/quantiser_rivals.py [MODEL…] [--repeats N] [--write]

Both get the same calibration samples and are run on the same evaluation samples. onnxruntime's
quantiser is `quantize_static` with QDQ nodes, signed weights by channel and MinMax ranges, as its
documentation advises; its preparation (`quant_pre_process`) is not timed. Times are CPU time of
this process with one thread, the least of some repeats. It must hold that ours takes at most 1.5
times as long. Exit status 1 otherwise.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from section import write_section

from macwright.dse.accuracy.evaluate import Evaluation, compare, run_model
from macwright.dse.data.recipe import Dataset, load_recipe
from macwright.dse.quantizer import QuantOptions, act_format, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import calibration_feeds
from macwright.dse.quantizer.shared import PLANS
from macwright.dse.workload import Workload, load_workload

MODELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
#: Of the other's CPU time, at most.
BOUND = 1.5


class Samples(CalibrationDataReader):
    """Calibration samples one by one, as onnxruntime's quantiser reads them."""

    def __init__(self, feeds) -> None:
        count = len(next(iter(feeds.values())))
        self.left = iter([{k: v[i : i + 1] for k, v in feeds.items()} for i in range(count)])

    def get_next(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        return next(self.left, None)


def ours(workload: Workload, dataset: Dataset) -> tuple[float, onnx.ModelProto]:
    """CPU seconds, and the quantised model."""
    eight = {layer.name: ("int8", act_format(layer, "int8")) for layer in workload.layers}
    PLANS.clear()
    start = time.process_time()
    network, plans = quantise(workload, dataset, eight)
    return time.process_time() - start, quantised_model(network, plans)


def theirs(workload: Workload, dataset: Dataset, folder: Path) -> tuple[float, onnx.ModelProto]:
    """The same of onnxruntime's quantiser."""
    feeds = calibration_feeds(workload, dataset, QuantOptions())
    source, result = folder / "prepared.onnx", folder / "quantised.onnx"
    quant_pre_process(str(workload.path), str(source), skip_symbolic_shape=True)
    reader = Samples(feeds)
    start = time.process_time()
    quantize_static(
        str(source), str(result), reader, quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return time.process_time() - start, onnx.load(result)


def row(name: str, who: str, seconds: float, found: Evaluation) -> str:
    """Row of the table."""
    kl = "" if found.kl is None else f"{found.kl:.5f}"
    return f"| {name} | {who} | {seconds:.3f} | {found.metric:.2f} | {kl} | {found.logit_mse:.4g} |"


def main() -> int:
    """Print the table; 0 where the bound holds."""
    parser = argparse.ArgumentParser(description="Eight bits, beside onnxruntime's quantiser.")
    parser.add_argument("models", nargs="*", default=["dscnn_kws", "resnet8_cifar10"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    args = parser.parse_args()
    lines = ["| network | quantiser | CPU s | metric | KL | squared change |", "|" + "---|" * 6]
    ratios = {}
    for name in args.models:
        path = MODELS / f"{name}.onnx"
        dataset = load_recipe(path)
        workload = load_workload(path, dataset)
        reference = run_model(workload, workload.model, dataset.x_eval, jobs=1)
        exact = compare(dataset, reference, reference)
        lines.append(
            f"| {name}, {exact.images} samples | float | | {exact.metric:.2f} ± "
            f"{exact.standard_error:.2f} | | |"
        )
        best = {}
        with tempfile.TemporaryDirectory() as folder:
            for who, made in (
                ("macwright", lambda w=workload, d=dataset: ours(w, d)),
                ("onnxruntime", lambda w=workload, d=dataset, f=folder: theirs(w, d, Path(f))),
            ):
                runs = [made() for _ in range(args.repeats)]
                best[who] = min(seconds for seconds, _ in runs)
                outputs = run_model(workload, runs[0][1], dataset.x_eval, jobs=1)
                found = compare(dataset, outputs, reference)
                lines.append(row(name, who, best[who], found))
                print(lines[-1], flush=True)
        ratios[name] = best["macwright"] / best["onnxruntime"]
    failed = [name for name, ratio in ratios.items() if ratio > BOUND]
    said = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    lines += ["", f"CPU time over onnxruntime's, at most {BOUND}: {said}."]
    if failed:
        lines.append(f"TOO SLOW: {', '.join(failed)}.")
    print("\n".join(lines))
    if args.write:
        write_section(
            "quantiser_rivals", "Eight bits beside onnxruntime's quantiser", "\n".join(lines)
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
