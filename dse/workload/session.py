"""onnxruntime sessions of one thread each."""

from collections.abc import Sequence

import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as state  # pyright: ignore

from macwright.hw.errors import RefusedInput

__all__ = ["run_error", "session"]

#: Bytes of a tensor up to which it is part of the message that onnxruntime reads; larger ones are
#: given beside it, so that they are copied once less and may exceed the 2 GiB of a message.
LARGEST_INLINE = 1 << 20


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
    graph = model.graph
    large = [item for item in graph.initializer if len(item.raw_data) > LARGEST_INLINE]
    if outputs is not None or large:
        results = graph.output
        if outputs is not None:
            results = [onnx.ValueInfoProto(name=name) for name in outputs]
        external = {item.name for item in large}
        model = helper.make_model(
            helper.make_graph(
                graph.node,
                graph.name or "network",
                graph.input,
                results,
                [item for item in graph.initializer if item.name not in external]
                + [_outside(item) for item in large],
            ),
            opset_imports=model.opset_import,
            ir_version=model.ir_version,
            functions=model.functions,
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    values = [ort.OrtValue.ortvalue_from_numpy(numpy_helper.to_array(item)) for item in large]
    if large:
        options.add_external_initializers([item.name for item in large], values)
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except run_error() as error:
        reason = " ".join(str(error).split())[:300]
        raise RefusedInput(f"The model must be one that onnxruntime runs: {reason}") from error


def run_error() -> tuple[type[Exception], ...]:
    """Exceptions that onnxruntime raises for a model or data it cannot take."""
    names = ("Fail", "InvalidArgument", "InvalidGraph", "NotImplemented", "RuntimeException")
    # Of types that NumPy lacks it raises a plain one.
    return (*(getattr(state, name) for name in names), RuntimeError)


def _outside(item: onnx.TensorProto) -> onnx.TensorProto:
    """A tensor without its values, which are said to be elsewhere."""
    result = onnx.TensorProto(name=item.name, data_type=item.data_type, dims=item.dims)
    result.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "beside"), ("length", str(len(item.raw_data)))):
        result.external_data.add(key=key, value=value)
    return result
