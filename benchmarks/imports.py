"""What becomes of the operator tests of the `onnx` wheel, and of what torch exports.

`python benchmarks/imports.py [--write]`: minutes.
"""

import argparse
import re
import sys
import warnings
from collections import Counter
from importlib.metadata import version
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.onnx_corpus import files, nodes, verdict  # pyright: ignore[reportMissingImports]
from section import write_section

VERDICTS = ("equal", "as onnxruntime", "refused", "different", "fails")
#: Beginnings of reasons, and what they come to.
REASONS = (
    ("must run in onnxruntime|onnxruntime runs|unusual", "onnxruntime does not run it"),
    ("no output of numbers", "no output of numbers"),
    ("must be a tensor of", "an input that is no tensor of usual numbers"),
    ("not (If|Loop|Scan|SequenceMap)", "If, Loop or Scan"),
    ("evaluation mode|random operators", "random, or in training mode"),
    ("standard ONNX operator|opset of its ONNX", "an operator outside the standard"),
    ("constant weights|constant scales", "weights or scales that are computed"),
    ("fixed dimensions", "an open dimension"),
    ("functions that ONNX can write out", "a function that ONNX cannot write out"),
)


def main() -> None:
    """Run all tests and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for case in chain(files(), nodes()):
        result, why = verdict(case)
        counts.setdefault(case.name.partition("/")[0], Counter())[result] += 1
        if result == "refused":
            reasons[next((text for key, text in REASONS if re.search(key, why)), "other")] += 1
        if result in ("different", "fails"):
            print(result, case.name, why[:200])
    lines = ["| tests | " + " | ".join(VERDICTS) + " |", "|---" * (1 + len(VERDICTS)) + "|"]
    total: Counter[str] = sum(counts.values(), Counter())
    for name, count in [*counts.items(), ("all", total)]:
        lines.append(f"| {name} | " + " | ".join(str(count[x]) for x in VERDICTS) + " |")
    lines += ["", f"onnx {version('onnx')}. Refused, in one sentence each: "]
    lines[-1] += "; ".join(f"{text} ({count})" for text, count in reasons.most_common()) + "."
    lines += [
        "",
        "*As onnxruntime*: equal to what onnxruntime gives for the original model, which is not "
        "what the wheel records. A model is tried as it is and, if refused, with all inputs but "
        "the first as constants; one without a layer gets a product by one behind its output.",
    ]
    body = "\n".join(lines)
    print(body)
    if args.write:
        write_section("imports", "Operator tests of ONNX as float workloads", body)


if __name__ == "__main__":
    main()
