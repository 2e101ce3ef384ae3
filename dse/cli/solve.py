"""`macwright solve`: best allocation, or front, of anybody's table of options."""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from macwright.dse.cli.arguments.limits import parse_limit
from macwright.hw.errors import RefusedInput

HELP = "Allocation or front of a table of options: one row for each (layer, option)."
EXAMPLE = "macwright solve out/run/options.csv --budget 'weight_bytes<=2.5e5'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("options", type=Path, metavar="OPTIONS.csv", help="columns layer, option, loss, costs")
    add = parser.add_argument_group("what is best").add_argument
    add("--objective", default="loss", metavar="COLUMN", help="what to minimise (default: loss)")
    add(
        "--budget", action="append", default=[], metavar="'COLUMN<=VALUE'", help="or >=; repeatable"
    )
    add = parser.add_argument_group("what layers may take").add_argument
    add(
        "--tie", action="append", default=[], metavar="A=B", help="layers that take the same option"
    )
    add(
        "--count",
        action="append",
        default=[],
        metavar="'OPTION<=N'",
        help="at most (or >=: at least) N layers with an option; * and ? match several",
    )
    add(
        "--allow",
        action="append",
        default=[],
        metavar="LAYER=OPTION,...",
        help="options that layers may take; * and ? match several",
    )
    add(
        "--types",
        metavar="'COLUMN<=K'",
        help="at most K different entries of a column of names (or of 'option') in use",
    )
    add(
        "--pairs",
        type=Path,
        metavar="PAIRS.csv",
        help="loss of pairs: layer_a, option_a, layer_b, option_b, loss",
    )
    add = parser.add_argument_group("fronts").add_argument
    add(
        "--front",
        action="append",
        default=[],
        metavar="COLUMN",
        help="whole front of the objective and this column; twice for three objectives",
    )
    add("--points", type=int, metavar="N", help="so many points of the front, evenly spaced")
    add = parser.add_argument_group("solver and output").add_argument
    add("--solver", default="auto", choices=("auto", "cp-sat", "scip", "highs", "cbc"))
    add("--time-limit", type=float, metavar="SECONDS", help="best so far, with its gap, after this")
    add("--json", action="store_true", help="one JSON object on standard output")
    add("-o", "--output", type=Path, metavar="FILE.json", help="write the JSON to a file")


def run(args: argparse.Namespace) -> int:
    """Solve and print."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.dse.solver import Effort, OptionTable, Rules
    from macwright.dse.solver.front import front
    from macwright.dse.solver.front3 import front_of_three
    from macwright.dse.solver.solve import solve

    if args.time_limit is not None and not args.time_limit > 0:
        raise RefusedInput(f"Time limit must be above 0 seconds, not {args.time_limit}")
    table = OptionTable.from_csv(args.options)
    limits: dict[str, Any] = {
        "budgets": _budgets(args),
        "rules": Rules(
            ties=[_tie(text) for text in args.tie],
            allow=_allow(args.allow),
            types=_types(args.types) if args.types else None,
            pairs=_pairs(args.pairs) if args.pairs else (),
        ),
        "effort": Effort(solver=args.solver, time_limit_s=args.time_limit),
    }
    if not args.front:
        if args.points is not None:
            raise RefusedInput("Points must be given with --front, not alone")
        solution = solve(table, args.objective, **limits)
        _write(args, solution_record(solution), lambda: _print_solution(solution))
        return 0
    if len(args.front) > 2:
        raise RefusedInput(f"Fronts must be over one or two columns, not {len(args.front)}")
    limits |= {"points": args.points, "progress": TerminalProgress(args)}
    began = perf_counter()
    try:
        if len(args.front) == 1:
            points: Any = front(table, args.objective, args.front[0], **limits)
        else:
            points = front_of_three(table, args.objective, args.front, **limits)
    finally:
        limits["progress"].close()
    record = {
        "objective": args.objective,
        "front": args.front,
        "complete": points.complete,
        "seconds": round(perf_counter() - began, 3),
        "points": [solution_record(point) for point in points],
    }
    _write(args, record, lambda: _print_front(args, points))
    return 0


def solution_record(solution: Any) -> dict[str, Any]:
    """What is written of a solution."""
    return {
        "status": solution.status,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        "solver": solution.solver,
        "seconds": round(solution.seconds, 4),
        "totals": solution.totals,
        "allocation": solution.allocation,
    }


def _write(args: argparse.Namespace, record: dict[str, Any], show: Any) -> None:
    from macwright.hw.files import write_atomic

    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(args.output, text)
    if args.json:
        sys.stdout.write(text)
    else:
        show()


def _print_solution(solution: Any) -> None:
    how = f"gap {solution.gap:.2g}, {solution.solver}, {solution.seconds:.2f} s"
    print(f"status     {solution.status} ({how})")
    print(f"objective  {solution.objective:.10g} (at least {solution.bound:.10g})")
    for name, total in solution.totals.items():
        print(f"total      {name} {total:.10g}")
    pairs = [(_shown(layer), _shown(option)) for layer, option in solution.allocation.items()]
    width = max(len(layer) for layer, _ in pairs)
    for layer, option in pairs:
        print(f"{layer:{width}}  {option}")


def _shown(name: str) -> str:
    """A name on one line: as it is, or as Python writes it where it has control characters."""
    return name if name.isprintable() else repr(name)


def _print_front(args: argparse.Namespace, points: Any) -> None:
    names = [*args.front, args.objective]
    print(",".join((*names, "status", "gap")))
    for point in points:
        reached = {**point.totals, args.objective: point.objective}
        figures = [f"{reached[name]:.10g}" for name in names]
        print(",".join((*figures, point.status, f"{point.gap:.2g}")))
    if not points.complete:
        print("Front must have more time for the points that it lacks", file=sys.stderr)


def _budgets(args: argparse.Namespace) -> list[Any]:
    from macwright.dse.solver import Budget, Count

    budgets: list[Any] = []
    for text in args.budget:
        name, sign, value = parse_limit(text, "Budget")
        budgets.append(Budget(name, max=value) if sign == "<=" else Budget(name, min=value))
    for text in args.count:
        name, sign, value = parse_limit(text, "Count")
        if value % 1 != 0 or value < 0:
            raise RefusedInput(f"Count must be of a whole number of layers, not {text!r}")
        budgets.append(Count(name, max=int(value)) if sign == "<=" else Count(name, min=int(value)))
    return budgets


def _tie(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split("="))
    if len(names) < 2 or not all(names):
        raise RefusedInput(f"Tie must be LAYER=LAYER, not {text!r}")
    return names


def _allow(texts: list[str]) -> dict[str, list[str]]:
    allowed: dict[str, list[str]] = {}
    for text in texts:
        layer, sign, options = text.partition("=")
        if not (layer and sign and options):
            raise RefusedInput(f"Allowed options must be LAYER=OPTION,OPTION, not {text!r}")
        allowed.setdefault(layer, []).extend(option.strip() for option in options.split(","))
    return allowed


def _types(text: str) -> tuple[str, int]:
    name, sign, value = parse_limit(text, "Types")
    if sign != "<=" or value % 1 != 0 or value < 1:
        raise RefusedInput(f"Types must be 'COLUMN<=K' with a whole K of 1 or more, not {text!r}")
    return name, int(value)


def _pairs(path: Path) -> list[tuple[str, str, str, str, float]]:
    from macwright.dse.csv_file import quoted, read_csv, trimmed

    names = ("layer_a", "option_a", "layer_b", "option_b")
    frame = read_csv(path, "Pairs", (*names, "loss"))
    try:
        losses = [float(text) for text in frame["loss"]]
    except ValueError:
        wrong = next(text for text in frame["loss"] if not _is_number(text))
        raise RefusedInput(
            f"Loss of a pair must be a number with a decimal point, not {quoted(wrong)}"
        ) from None
    return list(zip(*(frame[name].map(trimmed) for name in names), losses, strict=True))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
