"""Shape of every tensor, seen by running one sample."""

from pathlib import Path

import numpy as np
import onnx

from macwright.dse.workload.samples import Samples
from macwright.dse.workload.session import run_error, session

__all__ = ["probe_shapes"]


def probe_shapes(
    model: onnx.ModelProto, path: Path, dataset: Samples | None
) -> tuple[dict[str, tuple[int, ...]], dict[str, np.dtype], int, bool]:
    """Run zeros, or the first calibration sample, and note what comes out of each node.

    Returns
    -------
    shapes : dict of tuple
        By tensor, for `batch` samples.
    dtypes : dict
        Element type of the same tensors, constants excepted.
    batch : int
        1, or what the model prescribes.
    fixed : bool
        Whether it prescribes it.

    Raises
    ------
    ValueError
        If a dimension is open that no data fixes, or onnxruntime cannot run the model.
    """
    feeds = {}
    sizes = [
        [item.dim_value if item.HasField("dim_value") else 0 for item in _dims(value)]
        for value in model.graph.input
    ]
    batch = next((size[0] for size in sizes if size and size[0]), 0)
    for value, size in zip(model.graph.input, sizes, strict=True):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if dataset is not None and value.name in dataset.x_calib:
            sample = dataset.x_calib[value.name][: max(batch, 1)]
            feeds[value.name] = np.asarray(sample, dtype)
        elif 0 in size[1:]:
            raise ValueError(
                f"Input {value.name!r} of {path.name} must have fixed dimensions but for the "
                f"batch, not {size}; give data (a recipe or --data), or export it with a fixed size"
            )
        else:
            feeds[value.name] = np.zeros([max(batch, 1), *size[1:]], dtype)
    names = [name for node in model.graph.node for name in node.output if name]
    try:
        results = session(model, outputs=names, optimise=False).run(names, feeds)
    except run_error() as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path.name} must run in onnxruntime, not fail with: {reason}") from error
    values = {**feeds, **dict(zip(names, results, strict=True))}
    shapes = {name: np.shape(item) for name, item in values.items()}
    shapes.update({item.name: tuple(item.dims) for item in model.graph.initializer})
    dtypes = {name: np.asarray(item).dtype for name, item in values.items()}
    return shapes, dtypes, max(batch, 1), bool(batch)


def _dims(value: onnx.ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)
