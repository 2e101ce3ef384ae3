"""A model's data: the recipe beside it, and what it points to."""

import hashlib
import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from macwright.costmodel.npz import Archive
from macwright.dse.data.arrays import InputCodes, input_codes, model_inputs
from macwright.dse.data.synthetic import synthetic_inputs
from macwright.dse.data.task import TASKS, Task
from macwright.dse.data.task_fit import check_outputs
from macwright.dse.workload.onnx_file import read_model
from macwright.dse.workload.outputs import with_output
from macwright.dse.workload.precision import computed_dtype
from macwright.hw.errors import RefusedInput

__all__ = ["Dataset", "load_recipe"]

#: Largest input: squares of it, summed over a million terms, are far from the end of float32.
LARGEST_INPUT = 1e15


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples of a model, in the form in which it reads them.

    Parameters
    ----------
    task : str
        ``classification``, ``similarity``, ``language-model``, ``regression`` or ``unlabelled``.
    x_calib, x_eval : dict of ndarray
        By input of the model, samples along the first axis. A similarity task has the first
        texts of all pairs, then the second ones.
    y_calib, y_eval : ndarray or None
        Class, score, next tokens or wanted values of each sample; `y_eval` of shape (n, 0) where
        the task has no labels.
    sources : list of Path
        Files that were read.
    codes : InputCodes or None
        Integers that the samples are computed from, where they are.
    notes : tuple of str
        What the user should know of them.

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> dataset = load_recipe(embedded_model())
    >>> dataset.metric_name, len(dataset.y_eval)
    ('top-1 accuracy (%)', 2000)
    """

    task: str
    x_calib: dict[str, np.ndarray]
    y_calib: np.ndarray | None
    x_eval: dict[str, np.ndarray]
    y_eval: np.ndarray
    sources: list[Path]
    codes: InputCodes | None = None
    notes: tuple[str, ...] = ()

    @property
    def rules(self) -> Task:
        """How the task is scored."""
        return TASKS[self.task]

    @property
    def metric_name(self) -> str:
        """What :meth:`metric` gives, with its unit."""
        return self.rules.metric_name

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger metric is a better one."""
        return self.rules.higher_is_better

    def metric(self, outputs: np.ndarray, reference: np.ndarray) -> float:
        """Score the model's outputs on the evaluation samples.

        Parameters
        ----------
        outputs : ndarray, shape (n_samples, ...)
            For the first samples of `x_eval`, or for all.
        reference : ndarray, shape (n_samples, ...)
            Outputs of the float network, which an unlabelled task compares with.

        Raises
        ------
        ValueError
            If the outputs are not what the task scores.
        """
        labels = self._labels(outputs, reference)
        check_outputs(self.task, outputs, labels)
        return self.rules.metric(outputs, labels)

    def standard_error(self, outputs: np.ndarray, reference: np.ndarray) -> float | None:
        """Standard error of :meth:`metric` with so many samples; None where there is none."""
        return self.rules.standard_error(outputs, self._labels(outputs, reference))

    def _labels(self, outputs: np.ndarray, reference: np.ndarray) -> np.ndarray:
        rows = len(outputs) // self.rules.parts
        return self.y_eval[:rows] if self.rules.labels else reference[:rows]

    def first(self, x: dict[str, np.ndarray], count: int | None) -> dict[str, np.ndarray]:
        """First `count` samples (pairs, for a similarity task) of `x_calib` or `x_eval`."""
        parts = self.rules.parts
        if count is None:
            return x
        return {
            name: np.concatenate([part[:count] for part in np.split(values, parts)])
            for name, values in x.items()
        }

    @cached_property
    def sha256(self) -> str:
        """Digest of all samples and labels."""
        digest = hashlib.sha256(self.task.encode())
        named = {
            **{f"calib {name}": values for name, values in self.x_calib.items()},
            **{f"eval {name}": values for name, values in self.x_eval.items()},
            "y_calib": self.y_calib,
            "y_eval": self.y_eval,
        }
        for name, values in sorted(named.items()):
            if values is not None:
                digest.update(f"{name} {values.dtype} {values.shape}".encode())
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def load_recipe(
    model_path: Path | str,
    recipe_path: Path | str | None = None,
    data_path: Path | str | None = None,
    *,
    output: str | None = None,
    labels: bool = True,
) -> Dataset:
    """Read the data of a model, or draw samples for one that comes without.

    Parameters
    ----------
    model_path : path
        ONNX model; its inputs say what shape the samples must have.
    recipe_path : path, optional
        TOML file; by default the one of the model's name beside it, unless `data_path` is given.
    data_path : path, optional
        NumPy archive; instead of the one that the recipe names. Without a recipe it must hold
        ``x_calib``, ``x_eval`` and ``y_eval`` in the model's own input layout.
    output : str, optional
        Which result counts, of a model that has several: other inputs than it needs need no data.
    labels : bool, default=True
        Whether accuracy is measured; else the task is ``unlabelled``, whatever the recipe says.

    Returns
    -------
    Dataset
        Of synthetic samples, which its notes say, where neither a recipe nor data is given and
        the model has no recipe beside it.

    Raises
    ------
    FileNotFoundError
        If a recipe or data that is named is absent.
    ValueError
        If the recipe, an array's name, shape or content, or a label will not do.

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> {name: x.shape[1:] for name, x in load_recipe(embedded_model()).x_calib.items()}
    {'input': (1, 28, 28)}
    """
    model_path = Path(model_path)
    if recipe_path is None and data_path is None:
        recipe_path = model_path.with_suffix(".toml")
        if model_path.is_file() and not recipe_path.exists():
            return _synthetic(model_path, output)
    recipe, folder, sources = _read_recipe(recipe_path)
    task = recipe.setdefault("task", "classification")
    if not isinstance(task, str) or task not in TASKS:
        raise RefusedInput(f"Recipe's task must be one of {', '.join(TASKS)}, not {task!r}")
    if not labels and task not in ("classification", "regression", "unlabelled"):
        raise RefusedInput(
            f"A {task} task must be scored by its labels, so that accuracy cannot be left out"
        )
    if not labels:
        task = recipe["task"] = "unlabelled"
    if data_path is None and not isinstance(recipe.get("data"), str):
        raise RefusedInput(
            f"{recipe_path} must name an .npz file as data, not {recipe.get('data')!r}"
        )
    file = Path(data_path) if data_path is not None else folder / recipe["data"]
    if not file.is_file():
        raise FileNotFoundError(f"Data must be a NumPy archive, and {file} is not a file")
    inputs = _inputs(model_path, output)
    archive = Archive(file)
    x_calib, y_calib, x_eval, y_eval = model_inputs(recipe, archive, inputs)
    notes: tuple[str, ...] = ()
    if all(x_eval[key] is values for key, values in x_calib.items()):
        notes = (
            f"{file.name} has calibration samples only: the {len(y_eval)} that set the scales "
            "judge the formats, too, which flatters them; an array x_eval of others would not",
        )
    dataset = Dataset(
        task=task,
        x_calib=x_calib,
        y_calib=y_calib,
        x_eval=x_eval,
        y_eval=y_eval,
        sources=[*sources, file],
        codes=input_codes(recipe, archive),
        notes=notes,
    )
    _check(dataset, inputs, file)
    return dataset


def _synthetic(model_path: Path, output: str | None) -> Dataset:
    inputs = _inputs(model_path, output)
    x_calib, x_eval = synthetic_inputs(inputs, model_path)
    count = len(next(iter(x_eval.values())))
    drawn = " and ".join(
        sorted(
            {
                "standard normal" if x.dtype.kind == "f" else f"{x.dtype} of its whole range"
                for x in x_eval.values()
            }
        )
    )
    return Dataset(
        task="unlabelled",
        x_calib=x_calib,
        y_calib=None,
        x_eval=x_eval,
        y_eval=np.zeros((count, 0), np.float32),
        sources=[],
        notes=(
            f"there is no recipe {model_path.with_suffix('.toml').name} and no --data: {count} "
            f"synthetic samples ({drawn}) set the scales, and formats are judged by the "
            "squared error of the outputs, not by accuracy",
        ),
    )


def _read_recipe(path: Path | str | None) -> tuple[dict[str, Any], Path, list[Path]]:
    if path is None:
        return {}, Path(), []
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Recipe must be a TOML file, and {path} is not a file; write one, or give the data "
            "as an .npz file with x_calib, x_eval and y_eval"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig")), path.parent, [path]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{path} must be a TOML file, not one where: {error}") from error
    except RecursionError:
        raise RefusedInput(f"{path} must be a TOML file, nested less deeply") from None


def _inputs(path: Path, output: str | None) -> dict[str, tuple[np.dtype, list[int]]]:
    """Type and shape, 0 where open, of each of the model's inputs."""
    model = read_model(path, weights=False)
    if output is not None:
        model = with_output(model, output, path)
    constants = {item.name for item in model.graph.initializer}
    return {
        value.name: (
            computed_dtype(value.type.tensor_type.elem_type),
            [max(item.dim_value, 0) for item in value.type.tensor_type.shape.dim],
        )
        for value in model.graph.input
        if value.name not in constants
    }


def _check(dataset: Dataset, inputs: dict[str, tuple[np.dtype, list[int]]], file: Path) -> None:
    for name, x in (("Calibration", dataset.x_calib), ("Evaluation", dataset.x_eval)):
        for key, values in x.items():
            wanted = inputs[key][1]
            if values.ndim == len(wanted) + 1:  # the model takes one sample, without a batch
                wanted = [0, *wanted]
            fits = len(wanted) == values.ndim and all(
                size in (0, got) for size, got in zip(wanted[1:], values.shape[1:], strict=True)
            )
            if not fits:
                shape = ", ".join(str(size or "any") for size in wanted[1:])
                raise RefusedInput(
                    f"{name} data of {file.name} for input {key!r} must have samples of shape "
                    f"({shape}), not {values.shape[1:]}; check the recipe's layout"
                )
            if not len(values):
                raise RefusedInput(f"{name} data of {file.name} must have samples, not none")
            top = float(np.abs(values).max()) if values.dtype.kind == "f" else 0.0
            if np.isfinite(top) and top > LARGEST_INPUT:
                raise RefusedInput(
                    f"{name} data of {file.name} must be within +-{LARGEST_INPUT:g}, not reach "
                    f"{top:g}; check the recipe's scale, offset, mean and std"
                )
            if not np.isfinite(values).all():
                bad = int(np.argmax(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
                raise RefusedInput(
                    f"{name} data of {file.name} must be finite numbers, not NaN or infinity as "
                    f"in sample {bad}"
                )
    for name, x, y in (
        ("calibration", dataset.x_calib, dataset.y_calib),
        ("evaluation", dataset.x_eval, dataset.y_eval),
    ):
        if y is None:
            continue
        samples = len(next(iter(x.values()))) // dataset.rules.parts
        if not y.ndim or len(y) != samples:
            raise RefusedInput(
                f"Labels of {file.name} must be as many as the {samples} {name} samples, "
                f"not {len(y) if y.ndim else 'one number without an axis'}"
            )
        if y.dtype.kind == "f" and not math.isfinite(float(np.sum(y))):
            raise RefusedInput(f"Labels of {file.name} must be finite numbers, not NaN or infinity")
        dataset.rules.check_labels(y, file.name)
