"""Inputs that a model is tried with."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from macwright.dse.workload.samples import Samples
from macwright.hw.errors import RefusedInput

__all__ = ["Feeds"]

_TAKEN = {
    TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32,
    TensorProto.INT64, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32,
    TensorProto.UINT64,
}  # fmt: skip

#: What a sample is multiplied by that is like the first.
_SMALLER = 0.75


class Feeds:
    """Samples of a model's data, or random numbers if it has none.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    path : Path
        Its file, for messages.
    dataset : Samples, optional
        Its data.

    Attributes
    ----------
    batch : int
        Size of the inputs' first axis that the model prescribes; 0 if it is open.

    Raises
    ------
    ValueError
        If a dimension is open that is neither the batch nor known from data.
    """

    def __init__(self, model: onnx.ModelProto, path: Path, dataset: Samples | None) -> None:
        for value in model.graph.input:
            if value.type.tensor_type.elem_type not in _TAKEN:
                raise RefusedInput(
                    f"Input {value.name!r} of {path.name} must be a tensor of floating-point "
                    "numbers, integers of at least 8 bits, or truth values; convert it beforehand"
                )
        self._inputs = {value.name: value.type.tensor_type for value in model.graph.input}
        self._data = {} if dataset is None else dataset.x_calib
        sizes = {name: _sizes(kind) for name, kind in self._inputs.items()}
        for name in self._data.keys() & sizes.keys():
            rank, given = len(sizes[name]), self._data[name].ndim
            if self._inputs[name].HasField("shape") and rank != given:
                raise RefusedInput(
                    f"Data of input {name!r} of {path.name} must have {rank} axes, the first for "
                    f"the samples, not {given}"
                )
        firsts = [size[0] for size in sizes.values() if size]
        self.batch = 0 if not all(firsts) else firsts[0] if firsts else 1
        #: Names of the dimension that is the batch.
        self._symbols = {
            kind.shape.dim[0].dim_param
            for kind in self._inputs.values()
            if kind.shape.dim and kind.shape.dim[0].dim_param
        }
        for name, size in sizes.items():
            others = [
                s or (kind.dim_param in self._symbols)
                for s, kind in zip(size[1:], self._inputs[name].shape.dim[1:], strict=True)
            ]
            if name not in self._data and not all(others):
                raise RefusedInput(
                    f"Input {name!r} of {path.name} must have fixed dimensions but for the batch, "
                    f"not {size}; give data (a recipe or --data), or export it with a fixed size"
                )

    def sample(self, index: int) -> dict[str, np.ndarray]:
        """Sample 0 or 1 alone; all of a batch, if the model prescribes one."""
        return {name: self._values(name, [index]) for name in self._inputs}

    def both(self) -> dict[str, np.ndarray]:
        """Samples 0 and 1 in one run."""
        return {name: self._values(name, [0, 1]) for name in self._inputs}

    def _values(self, name: str, indices: list[int]) -> np.ndarray:
        kind = self._inputs[name]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if name in self._data:
            data = self._data[name]
            rows = [i for i in range(self.batch)] if self.batch else indices
            values = np.asarray(data[[i % len(data) for i in rows]], dtype)
            if dtype.kind == "f":  # samples that are alike would hide how a run mixes them
                size = [_SMALLER if i and _like_first(data, i) else 1 for i in rows]
                values = values * np.reshape(size, (-1, *[1] * (data.ndim - 1))).astype(dtype)
            return values
        parts = []
        for index in indices:
            rng = np.random.default_rng(index)
            shape = [dim.dim_value if dim.dim_value > 0 else 1 for dim in kind.shape.dim]
            parts.append(_random(rng, shape, dtype))
        grow = [i for i, dim in enumerate(kind.shape.dim) if self._is_batch(i, dim)]
        return np.concatenate(parts, grow[0]) if len(parts) > 1 and grow else parts[0]

    def _is_batch(self, index: int, dim: onnx.TensorShapeProto.Dimension) -> bool:
        return dim.dim_value <= 0 and (index == 0 or dim.dim_param in self._symbols)


def _random(rng: np.random.Generator, shape: list[int], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return np.asarray(rng.standard_normal(shape), dtype)
    if dtype.kind == "b":
        return np.ones(shape, dtype)
    # Numbers may be indices, of which only 0 is known to be in range.
    return np.zeros(shape, dtype)


def _like_first(data: np.ndarray, index: int) -> bool:
    return np.array_equal(data[index % len(data)], data[0])


def _sizes(kind: onnx.TypeProto.Tensor) -> list[int]:
    """Dimensions, 0 where they are open."""
    return [max(dim.dim_value, 0) for dim in kind.shape.dim]
