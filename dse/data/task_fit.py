"""Whether a recipe's task fits the labels and the outputs of the network."""

import numpy as np

from macwright.hw.errors import RefusedInput

__all__ = ["check_outputs", "other_task"]


def other_task(task: str) -> str:
    """The remedy, with its semicolon, where labels are not the classes that `task` asks for."""
    if task != "classification":
        return ""
    return f'; if they are values to predict, the recipe needs task = "regression", not "{task}"'


def check_outputs(task: str, outputs: np.ndarray, labels: np.ndarray) -> None:
    """Check that a network's outputs are what the task scores.

    Parameters
    ----------
    task : str
        Name of the task.
    outputs : ndarray, shape (n_samples, ...)
        Of the network.
    labels : ndarray, shape (n_labels, ...)
        Of these samples.

    Raises
    ------
    ValueError
        If the shapes do not go together, if labels are beyond the outputs, or if those of a
        regression are classes of a network with an output for each.
    """
    if task == "unlabelled":
        return
    if task == "regression":
        _check_values(outputs, labels)
    elif task == "similarity":
        if labels.ndim != 1:
            raise RefusedInput(
                "Labels of a similarity task must be one score for each pair, not of shape "
                f"{labels.shape}"
            )
    else:
        _check_classes(task, outputs, labels)


def _check_values(outputs: np.ndarray, labels: np.ndarray) -> None:
    """Regression: as many values as outputs, in each sample."""
    predicted, given = (int(np.prod(a.shape[1:])) for a in (outputs, labels))
    if predicted == given:
        return
    remedy = "check the labels, or name another output of the network"
    if labels.ndim == 1 and outputs.ndim == 2 and _are_classes(labels, outputs.shape[1]):
        remedy = "they are integers below that number, so this looks like a classifier, whose "
        remedy += 'recipe needs task = "classification"'
    raise RefusedInput(
        f"Labels must be {predicted} numbers for each sample, one for each output of the network, "
        f'where the recipe has task = "regression", not {given}; {remedy}'
    )


def _are_classes(labels: np.ndarray, classes: int) -> bool:
    """Whether labels are whole numbers from 0 to below `classes`."""
    whole = labels == np.floor(labels)
    return bool((whole & (labels >= 0) & (labels < classes)).all())


def _check_classes(task: str, outputs: np.ndarray, labels: np.ndarray) -> None:
    """Classification and language models: one label for each row of logits."""
    wanted = ("samples", "classes") if task == "classification" else ("texts", "length", "tokens")
    if outputs.ndim != len(wanted) or labels.shape != outputs.shape[:-1]:
        raise RefusedInput(
            f"Outputs must be of shape ({', '.join(wanted)}) and labels of shape "
            f"({', '.join(wanted[:-1])}{',' * (len(wanted) == 2)}) where the recipe has "
            f'task = "{task}", not {outputs.shape} and {labels.shape}{other_task(task)}'
        )
    if labels.size and labels.max() >= outputs.shape[-1]:
        what = "the model's classes" if task == "classification" else "the model's vocabulary"
        name = "Labels" if task == "classification" else "Tokens"
        raise RefusedInput(
            f"{name} must be from 0 to {outputs.shape[-1] - 1}, {what}, not {labels.max()}"
            f"{other_task(task)}"
        )
