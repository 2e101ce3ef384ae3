"""Models that prescribe formats: outputs beside those of the tools that define them.

    python benchmarks/imports_quantised.py [--write] quantiser [NETWORK ...]
    python benchmarks/imports_quantised.py [--write] qonnx

The first takes networks of `../shared/data` through the modes of onnxruntime's quantiser.
"""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from search_networks import MODELS
from section import write_section

from macwright.dse.data.recipe import load_recipe
from macwright.dse.models import embedded_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.ort_modes import MODES, quantised_by_onnxruntime
from helpers.prescribed import difference, run_prescribed, run_with_onnxruntime
from helpers.qonnx_networks import FAMILIES, WIDTHS, qonnx_network

#: Networks that are tried in all modes; others in those that differ most.
SMALL = ("fashion_cnn", "digits_cnn", "dscnn_kws", "resnet8_cifar10", "autoencoder_toycar")
FEW = (
    "qdq u8 i8", "qdq i8 i8 per channel symmetric", "qdq u8 u8", "qdq i16 i16", "qdq u8 i4",
    "qdq fp8", "qdq pairs of weights", "qoperator u8 i8", "qoperator i8 i8 per channel",
    "dynamic i8", "dynamic u8", "weights of 4 bits", "weights of 4 bits as qdq",
)  # fmt: skip
#: Samples: calibration of the quantiser, and comparison.
CALIBRATION, COMPARED = 8, 4
#: Relative difference that float rounding explains: where it tips a value over the edge between
#: two codes, all that follows moves by that code's worth.
EQUAL, ROUNDING = 1e-5, 2e-2


def onnxruntime_modes(names: list[str], *, write: bool) -> None:
    """Quantise networks in the modes of onnxruntime's quantiser, and compare."""
    counts: dict[str, Counter] = defaultdict(Counter)
    refusals: Counter = Counter()
    largest = 0.0
    for name in names or [*SMALL, *_others()]:
        for mode, outcome, value in _tried(name):
            counts[name][outcome] += 1
            if outcome == "refused":
                refusals[value] += 1
            elif isinstance(value, float):
                largest = max(largest, value)
            print(name, mode, outcome, value, sep=" | ", flush=True)
    columns = ("equal", "within a code", "different", "refused", "not made")
    rows = [
        f"| {name} | {sum(count.values())} | {' | '.join(str(count[x]) for x in columns)} |"
        for name, count in counts.items()
    ]
    total = sum(counts.values(), Counter())
    rows.append(f"| all | {sum(total.values())} | {' | '.join(str(total[x]) for x in columns)} |")
    body = "\n".join(
        [
            f"Networks that `onnxruntime.quantization` writes, in {len(MODES)} modes (small "
            f"networks) or {len(FEW)}; outputs of {COMPARED} samples in the prescribed formats "
            "beside those of onnxruntime with graph optimisation off. Equal: root mean square of "
            f"the difference below {EQUAL:g} of the outputs'; within a code: below {ROUNDING:g}, "
            "where float rounding tips single values over the edge between two codes; not made: "
            f"onnxruntime does not write or run that mode. Largest difference: {largest:.2g}.",
            "",
            "| network | modes | equal | within a code | different | refused | not made |",
            "|---|---|---|---|---|---|---|",
            *rows,
            *([""] if refusals else []),
            *(f"- refused ({count}): {text}" for text, count in refusals.items()),
        ]
    )
    print(body)
    if write:
        write_section("imports quantiser", "Models of onnxruntime's quantiser", body)


def qonnx_networks(*, write: bool) -> None:
    """Compare networks in QONNX with the qonnx package."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    rows = []
    for family in FAMILIES:
        for widths in WIDTHS:
            proto, x = qonnx_network(family, *widths)
            wrapped = ModelWrapper(proto).transform(InferShapes())
            theirs = execute_onnx(wrapped, {"x": x})["y"]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "net.onnx"
                onnx.save(proto, path)
                workload, given, ours = run_prescribed(path, x)
            kinds = ", ".join(sorted({"/".join(pair) for pair in given.values()}))
            rows.append(
                f"| {family} | {widths[0]} | {widths[1]} | {len(given)} of {len(workload.layers)} "
                f"| {kinds} | {difference(ours, theirs):.1e} |"
            )
    body = "\n".join(
        [
            "Networks of the kinds of QONNX's zoo, built in QONNX with random weights and batch "
            "normalisation; outputs beside `qonnx.core.onnx_exec.execute_onnx`.",
            "",
            "| family | weight bits | activation bits | layers prescribed | formats | difference |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )
    print(body)
    if write:
        write_section("imports qonnx", "Networks in QONNX", body)


def _others() -> list[str]:
    return sorted({path.stem for path in MODELS.glob("*.onnx")} - set(SMALL))


def _tried(name: str) -> Iterator[tuple[str, str, float | str]]:
    """Mode, outcome, and difference or reason."""
    source = embedded_model() if name == "fashion_cnn" else MODELS / f"{name}.onnx"
    calibration, x = _samples(source)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "net.onnx"
        for mode in MODES if name in SMALL else FEW:
            try:
                quantised_by_onnxruntime(source, target, mode, calibration)
                theirs = run_with_onnxruntime(onnx.load(target), x)
            except Exception as error:  # onnxruntime's own, of many classes
                yield mode, "not made", " ".join(str(error).split())[:120]
                continue
            try:
                ours = run_prescribed(target, x)[2]
            except ValueError as error:
                yield mode, "refused", str(error)
                continue
            gap = difference(ours, theirs)
            kind = "equal" if gap < EQUAL else "within a code" if gap < ROUNDING else "different"
            yield mode, kind, gap


def _samples(source: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Samples for calibration and for comparison; noise where a network has no recipe."""
    if source.with_suffix(".toml").is_file():
        data = load_recipe(source)
        return data.first(data.x_calib, CALIBRATION), data.first(data.x_eval, COMPARED)
    value = onnx.load(source).graph.input[0]
    size = [item.dim_value for item in value.type.tensor_type.shape.dim][1:]
    noise = np.random.default_rng(0).standard_normal((CALIBRATION + COMPARED, *size))
    noise = noise.astype(np.float32)
    return {value.name: noise[:CALIBRATION]}, {value.name: noise[CALIBRATION:]}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="record in benchmarks/results")
    commands = parser.add_subparsers(dest="command", required=True)
    modes = commands.add_parser("quantiser", help="modes of onnxruntime's quantiser")
    modes.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all")
    commands.add_parser("qonnx", help="networks in QONNX")
    args = parser.parse_args()
    if args.command == "quantiser":
        onnxruntime_modes(args.networks, write=args.write)
    else:
        qonnx_networks(write=args.write)


if __name__ == "__main__":
    main()
