"""Arrays of a data file, turned into inputs of a model."""

import io
import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from macwright.costmodel.npz import Archive
from macwright.hw.errors import RefusedInput

__all__ = ["InputCodes", "input_codes", "model_inputs"]

_Inputs = dict[str, tuple[np.dtype, list[int]]]
_KEYS = {
    "task", "data", "calibration", "calibration_labels", "calibration_offsets", "evaluation",
    "labels", "offsets", "layout", "scale", "offset", "mean", "std", "encoded", "crop", "pair",
    "inputs",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class InputCodes:
    """Integers of 8 bits that a model's input is computed from, ``x = code * gain + shift``.

    Parameters
    ----------
    signed : bool
        Whether codes are from -128 to 127; from 0 to 255 otherwise.
    gain, shift : ndarray of float32, shape (1, channels or 1, 1, ...)
        For each channel.
    """

    signed: bool
    gain: np.ndarray
    shift: np.ndarray

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Inputs of the model, float32, from codes of shape (n, channels, ...)."""
        result = codes.astype(np.float32)
        result *= self.gain
        result += self.shift
        return result

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """Codes of inputs of the model, int64, shape (n, channels, ...).

        Raises
        ------
        ValueError
            If the inputs were not computed from such codes.
        """
        codes = np.rint((numbers.astype(np.float64) - self.shift) / self.gain).astype(np.int64)
        low = -128 if self.signed else 0
        if codes.min() < low or codes.max() > low + 255 or (self.numbers(codes) != numbers).any():
            raise RefusedInput(
                "Inputs must be those that the recipe computes from integers of 8 bits, not others"
            )
        return codes


def model_inputs(
    recipe: dict[str, Any], archive: Archive, inputs: _Inputs
) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, np.ndarray], np.ndarray]:
    """Calibration and evaluation samples of a recipe, as the model reads them.

    Returns
    -------
    x_calib : dict of ndarray
    y_calib : ndarray or None
    x_eval : dict of ndarray
    y_eval : ndarray
        See `Dataset`.

    Raises
    ------
    ValueError
        If the recipe has unknown fields or values, or the archive lacks an array.
    """
    unknown = sorted(set(recipe) - _KEYS)
    if unknown:
        raise RefusedInput(
            f"Recipe's fields must be among {', '.join(sorted(_KEYS))}, not {unknown[0]!r}"
        )
    if recipe["task"] == "similarity":
        return _pairs(recipe, archive, inputs)
    if len(inputs) != 1:
        raise RefusedInput(
            f"The model of a {recipe['task']} task must have one input, not {len(inputs)} "
            f"({', '.join(inputs)})"
        )
    name = next(iter(inputs))
    dtype = inputs[name][0]
    if recipe["task"] == "language-model":
        calib = archive[recipe.get("calibration", "x_calib")].astype(np.int64)
        final = archive[recipe.get("evaluation", "x_eval")].astype(np.int64)
        for tokens in (calib, final):
            if tokens.ndim != 2 or tokens.shape[1] < 2:
                raise RefusedInput(
                    f"Tokens of {archive.path.name} must be of shape (texts, length), "
                    f"not {tokens.shape}"
                )
        return (
            {name: calib[:, :-1].astype(dtype)},
            calib[:, 1:],
            {name: final[:, :-1].astype(dtype)},
            final[:, 1:],
        )
    if recipe["task"] == "unlabelled":
        return _unlabelled(recipe, archive, name, dtype)
    labels = recipe.get("calibration_labels")
    if labels is None and "y_calib" in archive.names and "calibration" not in recipe:
        labels = "y_calib"
    return (
        {name: _samples(recipe, archive, "calibration", "x_calib").astype(dtype, copy=False)},
        None if labels is None else archive[labels],
        {name: _samples(recipe, archive, "evaluation", "x_eval").astype(dtype, copy=False)},
        archive[recipe.get("labels", "y_eval")],
    )


def _unlabelled(
    recipe: dict[str, Any], archive: Archive, name: str, dtype: np.dtype
) -> tuple[dict[str, np.ndarray], None, dict[str, np.ndarray], np.ndarray]:
    """Samples alone; those of calibration serve for both where there are no others."""
    calib = _samples(recipe, archive, "calibration", "x_calib").astype(dtype, copy=False)
    final = calib
    if "evaluation" in recipe or "x_eval" in archive.names:
        final = _samples(recipe, archive, "evaluation", "x_eval").astype(dtype, copy=False)
    return {name: calib}, None, {name: final}, np.zeros((len(final), 0), np.float32)


def _samples(recipe: dict[str, Any], archive: Archive, field: str, default: str) -> np.ndarray:
    array = archive[recipe.get(field, default)]
    if recipe.get("encoded"):
        key = "offsets" if field == "evaluation" else "calibration_offsets"
        array = _decode_images(array, archive[recipe.get(key, "offset")], recipe)
    elif array.dtype.kind not in "iuf":
        raise RefusedInput(
            f"Array {recipe.get(field, default)!r} of {archive.path.name} must be numbers, "
            f"not {array.dtype}"
        )
    if array.ndim < 2:
        raise RefusedInput(
            f"Array {recipe.get(field, default)!r} of {archive.path.name} must have samples along "
            f"its first axis and their values along others, not the shape {array.shape}"
        )
    return _scaled(_channels_first(array, recipe.get("layout")), recipe)


def _channels_first(array: np.ndarray, layout: str | None) -> np.ndarray:
    if layout in (None, "NCHW", "NC"):
        return array
    if layout not in ("NHW", "NHWC"):
        raise RefusedInput(f"Recipe's layout must be NCHW, NHWC, NHW or NC, not {layout!r}")
    if array.ndim != len(layout):
        raise RefusedInput(
            f"Data of layout {layout} must have {len(layout)} axes, not {array.ndim}"
        )
    return array[:, None] if layout == "NHW" else array.transpose(0, 3, 1, 2)


def input_codes(recipe: dict[str, Any], archive: Archive) -> InputCodes | None:
    """Integers behind the input of a recipe's model; None where it has other data."""
    if recipe["task"] in ("similarity", "language-model"):
        return None
    names = [recipe.get("calibration", "x_calib"), recipe.get("evaluation", "x_eval")]
    if recipe["task"] == "unlabelled" and "evaluation" not in recipe:
        names = [name for name in names if name in archive.names]
    arrays = [archive[name] for name in names]
    kinds = {array.dtype for array in arrays}
    if len(kinds) != 1 or kinds.pop() not in (np.uint8, np.int8):
        return None
    if recipe.get("encoded"):
        rank, channels = 4, 3
    else:
        shape = _channels_first(arrays[0][:1], recipe.get("layout")).shape
        rank, channels = len(shape), shape[1] if len(shape) > 1 else 1
    gain, shift = _affine(recipe, channels, rank)
    if not gain.all():
        return None
    return InputCodes(signed=arrays[0].dtype == np.int8, gain=gain, shift=shift)


def _scaled(array: np.ndarray, recipe: dict[str, Any]) -> np.ndarray:
    gain, shift = _affine(recipe, array.shape[1] if array.ndim > 1 else 1, array.ndim)
    # One pass in float32: images are many, and float64 copies of them large.
    with np.errstate(all="ignore"):  # what is not finite, or far from float32, is refused later
        result = array.astype(np.float32)
        result *= gain
        result += shift
    return np.ascontiguousarray(result)


def _affine(recipe: dict[str, Any], channels: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """What arrays are multiplied by, and what is added then."""
    numbers = {}
    for key, default in (("scale", 1.0), ("offset", 0.0), ("mean", [0.0]), ("std", [1.0])):
        try:
            # Not texts and truth values, which NumPy takes for numbers, too.
            given = np.asarray(recipe.get(key, default))
            number = given.dtype.kind in "iufO"  # O are integers of more than 64 bits
            numbers[key] = given.astype(np.float64) if number else np.array(np.nan)
        except (TypeError, ValueError):
            numbers[key] = np.array(np.nan)
        divides = key in ("scale", "std")
        if not np.isfinite(numbers[key]).all() or (divides and not numbers[key].all()):
            what = "numbers other than 0" if divides else "numbers"
            raise RefusedInput(f"Recipe's {key} must be {what}, not {recipe[key]!r}")
    for key in numbers:
        if numbers[key].size not in (1, channels):
            raise RefusedInput(
                f"Recipe's {key} must be one number for each of {channels} channels, "
                f"not {numbers[key].size}"
            )
        numbers[key] = numbers[key].reshape(1, -1, *[1] * (rank - 2))
    with np.errstate(all="ignore"):  # as above
        gain = numbers["scale"] / numbers["std"]
        shift = (numbers["offset"] - numbers["mean"]) / numbers["std"]
        return gain.astype(np.float32), shift.astype(np.float32)


def _decode_images(stream: np.ndarray, offsets: np.ndarray, recipe: dict[str, Any]) -> np.ndarray:
    if recipe["encoded"] != "jpeg":
        raise RefusedInput(f"Recipe's encoded must be 'jpeg', not {recipe['encoded']!r}")
    try:
        from PIL import Image
    except ImportError as error:
        raise RefusedInput(
            "JPEG data needs the package Pillow, which is not installed; pip install pillow"
        ) from error
    crop = recipe.get("crop", 224)
    if type(crop) is not int or crop < 1:
        raise RefusedInput(f"Recipe's crop must be a positive whole number, not {crop!r}")
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or stream.ndim != 1:
        raise RefusedInput(
            "JPEG data must be one row of bytes with whole numbers that say where images begin, "
            f"not of the shape {stream.shape} with {offsets.dtype} of the shape {offsets.shape}"
        )
    images = []
    for first, last in itertools.pairwise(offsets.tolist()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(stream[first:last].tobytes())) as image:
                    pixels = np.asarray(image.convert("RGB"))
        except (
            *(OSError, ValueError, SyntaxError),
            *(Image.DecompressionBombWarning, Image.DecompressionBombError),
        ) as error:
            raise RefusedInput(
                f"Image {len(images)} of JPEG data must be a whole image of at most "
                f"{Image.MAX_IMAGE_PIXELS} pixels"
            ) from error
        top, left = (pixels.shape[0] - crop) // 2, (pixels.shape[1] - crop) // 2
        if top < 0 or left < 0:
            raise RefusedInput(f"Recipe's crop must be at most {min(pixels.shape[:2])}, not {crop}")
        images.append(pixels[top : top + crop, left : left + crop])
    if not images:
        raise RefusedInput("JPEG data must have images, and their offsets name none")
    return np.stack(images)


def _pairs(
    recipe: dict[str, Any], archive: Archive, inputs: _Inputs
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray], np.ndarray]:
    names, pair = recipe.get("inputs"), recipe.get("pair")
    if names is None and pair is None:
        raise RefusedInput(
            'Recipe with task = "similarity" must name the model\'s inputs and pair, the arrays of '
            "first and second samples; with a label for each sample it needs task = "
            '"classification" or "regression"'
        )
    if not isinstance(names, list) or set(names) != set(inputs):
        raise RefusedInput(f"Recipe's inputs must be {', '.join(inputs)}, not {names!r}")
    if not isinstance(pair, list) or [len(part) for part in pair] != [len(names)] * 2:
        raise RefusedInput(f"Recipe's pair must be two lists of {len(names)} arrays, not {pair!r}")
    labels = archive[recipe.get("labels", "y_eval")]
    split = recipe.get("calibration")
    if type(split) is not int or not 0 < split < len(labels):
        raise RefusedInput(
            f"Recipe's calibration must be a number of pairs below {len(labels)}, not {split!r}"
        )
    calib, final = {}, {}
    for i, name in enumerate(names):
        left, right = (archive[part[i]] for part in pair)
        if left.shape != right.shape or len(left) != len(labels):
            raise RefusedInput(
                f"Labels of {archive.path.name} must be as many as the {len(left)} and "
                f"{len(right)} samples, not {len(labels)}"
            )
        dtype = inputs[name][0]
        calib[name] = np.concatenate([left[:split], right[:split]]).astype(dtype)
        final[name] = np.concatenate([left[split:], right[split:]]).astype(dtype)
    return calib, labels[:split], final, labels[split:]
