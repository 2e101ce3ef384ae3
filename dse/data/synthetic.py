"""Samples for a model that comes without data: costs need none, and formats are told apart."""

from pathlib import Path

import numpy as np

from macwright.hw.errors import RefusedInput

__all__ = ["synthetic_inputs"]

#: Samples to set scales by, and to measure the outputs with.
CALIBRATION, EVALUATION = 256, 256
SEED = 0


def synthetic_inputs(
    inputs: dict[str, tuple[np.dtype, list[int]]], model_path: Path
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draw samples: standard normal floats, and integers of 8 bits from their whole range.

    Parameters
    ----------
    inputs : dict
        Type and shape, 0 where open, of each of the model's inputs; the first axis is the batch.
    model_path : Path
        For messages.

    Returns
    -------
    x_calib, x_eval : dict of ndarray
        By input, samples along the first axis.

    Raises
    ------
    RefusedInput
        If an input has open axes besides the batch, or integers whose range nobody knows.

    Examples
    --------
    >>> calib, final = synthetic_inputs({"x": (np.dtype("float32"), [0, 3])}, Path("net.onnx"))
    >>> calib["x"].shape, final["x"].dtype
    ((256, 3), dtype('float32'))
    """
    random = np.random.default_rng(SEED)
    drawn: tuple[dict[str, np.ndarray], ...] = ({}, {})
    for name, (dtype, shape) in inputs.items():
        if not all(shape[1:]):
            raise RefusedInput(
                f"Model {model_path.name} must have data: its input {name!r} has open axes besides "
                "the batch; write a recipe, or give --data"
            )
        if dtype.kind != "f" and dtype.itemsize > 1:
            raise RefusedInput(
                f"Model {model_path.name} must have data: its input {name!r} takes {dtype}, of "
                "which no range is known; write a recipe, or give --data"
            )
        for part, count in zip(drawn, (CALIBRATION, EVALUATION), strict=True):
            size = (count, *shape[1:])
            if dtype.kind == "f":
                part[name] = random.standard_normal(size).astype(dtype)
            else:
                low, high = (0, 1) if dtype.kind == "b" else _range(dtype)
                part[name] = random.integers(low, high, size, endpoint=True).astype(dtype)
    return drawn[0], drawn[1]


def _range(dtype: np.dtype) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
