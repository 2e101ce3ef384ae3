"""FP8 against INT8: what they cost as multiply-accumulate units, and how accurate they are.

    python examples/fp8_versus_int8/run.py [--technologies nangate45,asap7] [-o DIR]

Prints, and writes to DIR (out/fp8_versus_int8 by default) as CSV and as an SVG picture:

- two-input gates by the published formula, for fixed accumulators;
- area, and energy with normally distributed operands, of synthesised units with fixed, FP16 and
  FP32 accumulators, each divided by the same INT8 unit, which is named;
- bits of accuracy of each format for uniform, normal and heavy-tailed data, by integration.

The rows of the units ship with macwright. With ``--liberty-dir``, such as ../shared/pdk, they are
made anew where the shipped ones are not current, and any library can be taken.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import DISTRIBUTIONS, bits_of_accuracy
from picture import bars

from macwright.costmodel.estimate.formula import FAMILIES, mac_gates, unit_gates
from macwright.costmodel.tables.default_units import fp8_units
from macwright.costmodel.tables.lookup import costs
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.costmodel.technology.technology import Technology
from macwright.dse.cli.progress import TerminalProgress
from macwright.hw.files import write_atomic
from macwright.hw.formats import FloatFormat, parse_format
from macwright.hw.registry import registry

BASELINE = ("int8", "fixed")
PLAIN = ("int8 (plain)", "fixed")
EXPONENTS = {"int8": 0, "e2m5fin": 2, "e3m4fin": 3, "e4m3fin": 4, "e5m2fin": 5}


def technology_of(name: str, folder: Path | None) -> Technology:
    """Technology of a name, with its Liberty files if the folder has them."""
    if folder is None:
        return find_technology(name)
    paths = sorted([*folder.glob(f"{name}*.lib*"), *folder.glob(f"{name}/*.lib*")])
    return liberty_technology(paths, name=name) if paths else find_technology(name)


def hardware(technologies: list[Technology]) -> pd.DataFrame:
    """Costs of every unit in every technology, and over those of INT8; one row for each unit."""
    progress = TerminalProgress()
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for operand, kind in fp8_units():
        rows[operand, kind] = {}
        if kind == "fixed" and operand in EXPONENTS:
            rows[operand, kind]["formula gates"] = sum(mac_gates(EXPONENTS[operand]).values())
    for technology in technologies:
        units = fp8_units(technology.name)
        found = costs(list(units.values()), technology, progress=progress)
        for key, row in zip(units, found.to_dict("records"), strict=True):
            rows[key][f"{technology.name} um2"] = row["area"]
            rows[key][f"{technology.name} fJ"] = row["energy_fj_per_mac"]
    progress.close()
    table = pd.DataFrame.from_dict(rows, orient="index")
    for column in list(table.columns):
        table[f"{column} / INT8"] = table[column] / table.loc[[BASELINE], column].iloc[0]
    table.index = pd.MultiIndex.from_tuples(table.index, names=["operands", "accumulator"])
    return table


def accuracies() -> pd.DataFrame:
    """Bits of accuracy by format, in the whitepaper's convention, and distribution."""
    names = ("int8", "e2m5wp", "e3m4wp", "e4m3wp", "e5m2wp")
    return pd.DataFrame(
        [
            [bits_of_accuracy(parse_format(name).levels(), data) for data in DISTRIBUTIONS]
            for name in names
        ],
        index=pd.Index(names, name="format"),
        columns=[data.name for data in DISTRIBUTIONS],
    )


def rank_correlation() -> tuple[int, float]:
    """Spearman correlation of the formula with synthesis over the registry, and its units."""
    covered = [
        spec
        for spec in registry()
        if spec.family in FAMILIES and not isinstance(spec.acc, FloatFormat)
    ]
    formula = pd.Series([unit_gates(spec) for spec in covered])
    return len(covered), float(formula.corr(costs(covered, "gates").area, method=_spearman))


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(pd.Series(x).rank(), pd.Series(y).rank())[0, 1])


def picture(table: pd.DataFrame, technologies: list[Technology]) -> str:
    """Area and energy over INT8."""
    shown = table.drop(index=PLAIN)
    groups = [f"{operand.removesuffix('fin')} {kind}" for operand, kind in shown.index]

    def series(column: str) -> list[float | None]:
        return [None if np.isnan(value) else float(value) for value in shown[f"{column} / INT8"]]

    area = {"formula": series("formula gates")}
    area |= {t.name: series(f"{t.name} um2") for t in technologies}
    energy = {t.name: series(f"{t.name} fJ") for t in technologies}
    title = "FP8 multiply-accumulate units over INT8 (27-bit accumulator, tuned)"
    return bars(title, {"area / INT8": area, "energy per MAC / INT8": energy}, groups)


def main() -> None:
    """Print the tables and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technologies", default="nangate45,asap7", metavar="T,T")
    parser.add_argument("--liberty-dir", type=Path, metavar="DIR")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/fp8_versus_int8"))
    args = parser.parse_args()
    technologies = [technology_of(n, args.liberty_dir) for n in args.technologies.split(",")]
    table, bits = hardware(technologies), accuracies()
    with pd.option_context("display.width", 200, "display.max_columns", None):
        absolute = [name for name in table.columns if not name.endswith("/ INT8")]
        print(table[absolute].round(1).to_string(na_rep=""), "\n")
        ratios = table[[name for name in table.columns if name.endswith("/ INT8")]]
        print(ratios.round(3).to_string(na_rep=""), "\n")
    for technology in technologies:
        best, plain = (
            table.loc[[key], f"{technology.name} um2"].iloc[0] for key in (BASELINE, PLAIN)
        )
        unit = fp8_units(technology.name)[BASELINE].name
        print(
            f"{technology.name}: ratios divide by {unit}, {best:.1f} um2; over the plain `a * b` "
            f"of Verilog, {plain:.1f} um2, they would be {best / plain:.2f} times as large"
        )
    count, correlation = rank_correlation()
    print(
        f"formula (no synthesis) against gates after synthesis: rank correlation "
        f"{correlation:.3f} over the {count} units of the registry that it covers\n"
    )
    print("bits of accuracy, log2(signal power / error power) / 2, at the best scale:")
    print(bits.round(3).to_string())
    write_atomic(args.out / "costs.csv", table.to_csv(lineterminator="\n"))
    write_atomic(args.out / "accuracy.csv", bits.to_csv(lineterminator="\n"))
    write_atomic(args.out / "costs.svg", picture(table, technologies))
    print(f"\nwritten: {args.out / 'costs.svg'}, costs.csv, accuracy.csv")


if __name__ == "__main__":
    main()
