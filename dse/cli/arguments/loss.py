"""Arguments of `macwright dse` that say where losses come from and how far they are trusted."""

import argparse
from pathlib import Path
from typing import Any

from macwright.dse.studies import METRICS, Reporting, SensitivityStudy
from macwright.hw.errors import RefusedInput

__all__ = ["add_loss_arguments", "loss_settings"]


def add_loss_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the losses."""
    add = parser.add_argument_group("losses").add_argument
    add(
        "--sensitivity",
        type=Path,
        metavar="FILE.csv",
        help="losses of your own in place of the measured ones: layer, tensor, format, loss",
    )
    add(
        "--metric",
        metavar="NAME",
        help=f"what losses are measured by: {', '.join(METRICS)} (default: the first; 1 of "
        "14 fronts was better for kl)",
    )
    add(
        "--images",
        type=int,
        default=SensitivityStudy.images,
        metavar="N",
        help="calibration samples for the losses (%(default)s)",
    )
    add(
        "--pairs",
        type=int,
        default=SensitivityStudy.pairs,
        metavar="N",
        help="measure what the N most sensitive pairs of neighbouring layers lose together, and "
        "search with it (%(default)s); not worth it: with weights rounded by GPTQ, fronts were no "
        "better for it on any network tried",
    )
    add(
        "--rank",
        type=int,
        default=SensitivityStudy.rank,
        metavar="N",
        help="measure N random allocations, too, and say how well the losses rank them",
    )
    add(
        "--refine",
        type=int,
        default=SensitivityStudy.refine,
        metavar="N",
        help="search again so often with losses of layers corrected by points of the front, as "
        "they are on calibration samples, where that foretells points left out better by a fifth "
        "(%(default)s)",
    )
    add(
        "--rotate",
        action="store_true",
        help="let linear layers read block Hadamard transforms of their inputs (16 to 128 "
        "channels), in formats whose loss then falls by 5 %% or more: transformers of 4 bits gain "
        "most; their units are counted in all costs but shared_area_time; for onnx and json "
        "exports, not for build",
    )
    add(
        "--held-out",
        type=float,
        default=Reporting.held_out,
        metavar="SHARE",
        help="share of the evaluation data kept back, on which the knee is measured at last",
    )


def loss_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Settings that the arguments give; those make the checks but for the file's."""
    if args.sensitivity is not None and args.metric is not None:
        raise RefusedInput(
            "Losses must be given by --sensitivity or measured by --metric, not both"
        )
    if args.sensitivity is not None and args.pairs:
        raise RefusedInput("Option --pairs must come without --sensitivity")
    if args.sensitivity is not None and args.rotate:
        raise RefusedInput("Option --rotate must come without --sensitivity")
    names = ("pairs", "rank", "images", "refine", "held_out", "rotate")
    given = {name: getattr(args, name) for name in names}
    return given | ({} if args.metric is None else {"metric": args.metric})
