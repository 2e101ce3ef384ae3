"""onnxruntime sessions of one thread each."""

from collections.abc import Sequence

import onnx
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state  # pyright: ignore

__all__ = ["run_error", "session"]


def session(
    model: onnx.ModelProto, *, outputs: Sequence[str] | None = None, optimise: bool = True
) -> ort.InferenceSession:
    """Make a session that uses one thread, so that results do not depend on the machine's load.

    Parameters
    ----------
    model : onnx.ModelProto
        Model to run; not changed.
    outputs : sequence of str, optional
        Tensors that can be asked for; the model's own outputs if absent.
    optimise : bool
        Whether onnxruntime may fuse nodes; not worth it for a single run.
    """
    if outputs is not None:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.output[:]
        copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        model = copy
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except run_error() as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"The model must be one that onnxruntime runs: {reason}") from error


def run_error() -> tuple[type[Exception], ...]:
    """Exceptions that onnxruntime raises for a model or data it cannot take."""
    names = ("Fail", "InvalidArgument", "InvalidGraph", "NotImplemented", "RuntimeException")
    return tuple(getattr(state, name) for name in names)
