"""Arguments of `macwright dse` that say where losses come from and how far they are trusted."""

import argparse
from pathlib import Path
from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["add_loss_arguments", "loss_settings"]


def add_loss_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the losses."""
    parser.add_argument(
        "--sensitivity",
        type=Path,
        metavar="FILE.csv",
        help="losses of your own in place of the measured ones: layer, tensor, format, loss",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        help="what losses are measured by: logit_mse (the default), kl, loss, layer_mse, distance "
        "or hessian",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=64,
        metavar="N",
        help="calibration samples for the losses (%(default)s)",
    )
    parser.add_argument(
        "--pairs",
        type=int,
        default=0,
        metavar="N",
        help="measure what the N most sensitive pairs of neighbouring layers lose together, and "
        "search with it (%(default)s)",
    )
    parser.add_argument(
        "--rank",
        type=int,
        default=0,
        metavar="N",
        help="measure N random allocations, too, and say how well the losses rank them",
    )
    parser.add_argument(
        "--refine",
        type=int,
        default=0,
        metavar="N",
        help="search again so often with losses corrected by the measured points (%(default)s)",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the evaluation data kept back, on which the knee is measured at last",
    )


def loss_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Settings that the arguments give, checked before anything takes long."""
    from macwright.dse.sensitivity.metrics import METRICS

    if args.refine < 0 or not 0 <= args.held_out <= 0.5:
        raise RefusedInput(
            "Options must be --refine of at least 0 and --held-out from 0 to 0.5, not "
            f"{args.refine} and {args.held_out}"
        )
    if args.sensitivity is not None and args.metric is not None:
        raise RefusedInput(
            "Losses must be given by --sensitivity or measured by --metric, not both"
        )
    metric = args.metric or "logit_mse"
    if metric not in METRICS:
        raise RefusedInput(f"Option --metric must be one of {', '.join(METRICS)}, not {metric!r}")
    if args.pairs < 0:
        raise RefusedInput(f"Option --pairs must be at least 0, not {args.pairs}")
    if args.rank < 0 or 0 < args.rank < 3:
        raise RefusedInput(f"Option --rank must be 0, or 3 at least to rank, not {args.rank}")
    others = ("sensitivity", "metric", "refine", "architecture")
    given = [f"--{name}" for name in others if getattr(args, name)]
    if args.pairs and given:
        raise RefusedInput(f"Option --pairs must come without {', '.join(given)}")
    return {
        "pairs": args.pairs,
        "rank": args.rank,
        "metric": metric,
        "images": args.images,
        "refine": args.refine,
        "held_out": args.held_out,
    }
