"""Shapes of a model's tensors, and where its samples lie, seen by running some."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from macwright.dse.workload.feeds import Feeds
from macwright.dse.workload.mac_operators import MAC_OPERATORS
from macwright.dse.workload.samples import Samples
from macwright.dse.workload.session import run_error, session
from macwright.hw.errors import RefusedInput

__all__ = ["Probe", "probe"]

#: Relative difference of two runs of a sample that is put down to the order of additions.
TOLERANCE = 1e-3
_Values = dict[str, np.ndarray]
_Run = Callable[[_Values], _Values]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What running a model showed.

    Parameters
    ----------
    shapes : dict of tuple
        By tensor, in a run of `batch`; constants too.
    dtypes : dict
        Element type of the same tensors, constants excepted.
    batch : int
        Elements along the first axis of the inputs.
    fixed : bool
        Whether there is no other way to run it.
    samples : int
        Samples in such a run: `batch`, or 1 where the first axis holds something else.
    axes : dict of int
        See `Workload.batch_axes`.
    tops : dict of float
        Largest magnitude of each tensor of floats in a run of a sample.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]
    batch: int
    fixed: bool
    samples: int
    axes: dict[str, int]
    tops: dict[str, float]


def probe(model: onnx.ModelProto, path: Path, dataset: Samples | None) -> Probe:
    """Run two samples, each alone and both at once, and look which axis of a tensor grew.

    A batch is trusted only if the results, and what the MAC layers read and write, are those of the
    samples alone. Otherwise the model runs one sample at a time. Of a model with a fixed batch,
    samples change places instead.

    Raises
    ------
    ValueError
        If a dimension is open that no data fixes, onnxruntime cannot run the model, or shapes of
        layers depend on the data.
    """
    feeds = Feeds(model, path, dataset)
    names = [name for node in model.graph.node for name in node.output if name]
    running = session(model, outputs=names, optimise=False)

    def run(values: _Values) -> _Values:
        results = running.run(names, values)
        tensors = dict(zip(names, results, strict=True))
        return values | {
            name: np.asarray(x) for name, x in tensors.items() if not isinstance(x, list | dict)
        }

    try:
        first = run(feeds.sample(0))
    except run_error() as error:
        reason = " ".join(str(error).split())[:300]
        raise RefusedInput(
            f"{path.name} must run in onnxruntime, not fail with: {reason}"
        ) from error
    important = list(_important(model, first))
    axes: dict[str, int] | None
    if feeds.batch:
        axes = _rolled(run, feeds, first, important)
        samples = 1 if axes is None else feeds.batch
    else:
        second = _tried(run, feeds.sample(1))
        axes = None if second is None else _joined(run, feeds, (first, second), important)
        samples = 1
        if second and any(first[name].shape != second[name].shape for name in important):
            raise RefusedInput(
                f"{path.name} must have layers whose shapes are the same for every sample; data "
                "decide on some, which are best left out when exporting"
            )
    fixed = bool(feeds.batch) or axes is None
    if axes is None:
        axes = {name: 0 for name, value in first.items() if value.ndim}
    shapes = {name: value.shape for name, value in first.items()}
    shapes.update({item.name: tuple(item.dims) for item in model.graph.initializer})
    return Probe(
        shapes=shapes,
        dtypes={name: value.dtype for name, value in first.items()},
        batch=feeds.batch or 1,
        fixed=fixed,
        samples=samples,
        axes=axes,
        tops={
            name: float(np.abs(value).max())
            for name, value in first.items()
            if value.dtype.kind == "f" and value.size
        },
    )


def _important(model: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> Iterable[str]:
    """Tensors whose samples must lie along an axis."""
    yield from (value.name for value in model.graph.output)
    for node in model.graph.node:
        if node.op_type in MAC_OPERATORS:
            yield from (name for name in [*node.input[:2], node.output[0]] if name in values)


def _tried(run: _Run, values: _Values) -> _Values | None:
    try:
        return run(values)
    except run_error():
        return None


def _joined(
    run: _Run, feeds: Feeds, alone: tuple[_Values, _Values], important: list[str]
) -> dict[str, int] | None:
    """Axes along which a run of two samples has both; None if it mixes them, or fails."""
    both = _tried(run, feeds.both())
    if both is None:
        return None
    axes = {}
    for name, value in both.items():
        axis = _grown(alone[0][name].shape, alone[1][name].shape, value.shape)
        if axis is not None:
            axes[name] = axis
    for name in important:
        parts = [values[name] for values in alone]
        if name not in axes or not _same(both[name], np.concatenate(parts, axes[name])):
            return None
    return axes


def _grown(first: tuple, second: tuple, both: tuple) -> int | None:
    if first != second or len(first) != len(both):
        return None
    changed = [i for i, size in enumerate(both) if size != first[i]]
    return changed[0] if len(changed) == 1 and both[changed[0]] == 2 * first[changed[0]] else None


def _rolled(run: _Run, feeds: Feeds, first: _Values, important: list[str]) -> dict[str, int] | None:
    """Axes along which samples change places with those of the inputs; None if they do not."""
    batch = feeds.batch
    if batch == 1:
        return {name: 0 for name, value in first.items() if value.ndim}
    inputs = feeds.sample(0)
    turned = _tried(
        run, {x: np.roll(value, 1, 0) if value.ndim else value for x, value in inputs.items()}
    )
    if turned is None:
        return None
    axes = {}
    for name, value in first.items():
        for axis, size in enumerate(value.shape):
            if not size % batch and _same(turned[name], np.roll(value, size // batch, axis)):
                axes[name] = axis
                break
    return axes if all(name in axes for name in important) else None


def _same(given: np.ndarray, other: np.ndarray) -> bool:
    if given.shape != other.shape:
        return False
    if given.dtype.kind != "f":
        return bool((given == other).all())
    finite = np.abs(other[np.isfinite(other)])
    size = float(finite.max()) if finite.size else 0.0
    return np.allclose(given, other, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
