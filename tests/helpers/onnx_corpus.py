"""The operator tests of the `onnx` wheel, each as a float workload beside its own outputs."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.workload import load_workload

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")
NO_LAYER = "must have a layer that multiplies"


@dataclass(frozen=True)
class Case:
    """A model with inputs and the outputs that they give."""

    name: str
    model: onnx.ModelProto
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    input_names: list[str]


def files() -> Iterator[Case]:
    """Models on disk."""
    root = Path(str(onnx.__file__)).parent / "backend" / "test" / "data"
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*/model.onnx")):
            sets = sorted(path.parent.glob("test_data_set_*"))
            if sets:
                inputs, outputs = (_tensors(sets[0], kind) for kind in ("input", "output"))
                if inputs is not None and outputs is not None:
                    yield _case(f"{folder}/{path.parent.name}", onnx.load(path), inputs, outputs)


def nodes() -> Iterator[Case]:
    """Models of one operator, which the wheel computes (seconds)."""
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        if case.model is None or not case.data_sets:
            continue
        inputs, outputs = ([_array(x) for x in side] for side in case.data_sets[0])
        yield _case(f"node/{case.name}", case.model, inputs, outputs)


def _case(name: str, model: onnx.ModelProto, inputs: list, outputs: list) -> Case:
    constants = {item.name for item in model.graph.initializer}
    names = [value.name for value in model.graph.input]
    if len(names) != len(inputs):
        names = [name for name in names if name not in constants]
    return Case(name, model, inputs, outputs, names)


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def verdict(case: Case) -> tuple[str, str]:
    """``equal``, ``as onnxruntime``, ``refused``, ``different`` or ``fails``, and why.

    ``as onnxruntime`` is equal to what onnxruntime gives for the original, which is not what the
    wheel says.

    A model is tried as it is, and, if it is refused, with all inputs but the first as constants, as
    networks have them. One without a layer gets one that changes nothing behind its output.
    """
    last = ("refused", "no output of numbers")
    for model in (case.model, _with_constants(case)):
        for index, value in enumerate(model.graph.output):
            if value.type.tensor_type.elem_type in (0, TensorProto.STRING, 14, 15):
                continue
            result = _tried(replace(case, model=model), value, case.outputs[index])
            if result[0] != "refused":
                return result
            last = result
    return last


def _tried(case: Case, value: onnx.ValueInfoProto, expected: np.ndarray) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        onnx.save(case.model, path)
        result = _loaded(case, path, value.name, expected)
        whole = value.type.tensor_type.elem_type not in FLOATS
        if NO_LAYER in result[1] or (result[0] == "refused" and whole):
            onnx.save(_with_layer(case.model, value), path)
            return _loaded(case, path, "::out", np.ravel(expected))
        return result


def _with_constants(case: Case) -> onnx.ModelProto:
    """The model with all inputs but the first of floating point as constants."""
    copy = onnx.ModelProto()
    copy.CopyFrom(case.model)
    copy.ir_version = max(copy.ir_version, 4)
    inputs = [x for name in case.input_names for x in copy.graph.input if x.name == name]
    free = next((x for x in inputs if x.type.tensor_type.elem_type in FLOATS), None)
    for value, values in zip(inputs, case.inputs, strict=False):
        if value is not free and value.type.HasField("tensor_type") and values is not None:
            copy.graph.initializer.append(numpy_helper.from_array(np.asarray(values), value.name))
            copy.graph.input.remove(value)
    return copy


def _loaded(case: Case, path: Path, output: str, expected: np.ndarray) -> tuple[str, str]:
    try:
        workload = load_workload(path, output=output)
    except (ValueError, OSError) as error:
        bad = "\n" in str(error) or len(str(error)) > 700 or len(str(error)) < 20
        return ("fails" if bad else "refused", f"{type(error).__name__}: {error}")
    except Exception as error:
        return "fails", f"{type(error).__name__}: {error}"
    names = [value.name for value in case.model.graph.input]
    given = {
        name: values
        for name, values in zip(case.input_names, case.inputs, strict=False)
        if name in names
    }
    kinds = {x.name: x.type.tensor_type.elem_type for x in workload.model.graph.input}
    with np.errstate(over="ignore"):  # float64 beyond float32
        feeds = {
            name: np.asarray(given[name]).astype(helper.tensor_dtype_to_np_dtype(kind), copy=False)
            for name, kind in kinds.items()
        }
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        running = onnxruntime.InferenceSession(workload.model.SerializeToString(), options)
        (got,) = running.run(None, feeds)
    except Exception as error:
        return "fails", f"does not run: {str(error)[:200]}"
    got = np.asarray(got)
    with np.errstate(over="ignore"):
        wanted = np.asarray(expected).astype(np.float32)
    if got.shape != wanted.shape:
        return "different", f"shape {got.shape}, not {wanted.shape}"
    # float16 and bfloat16 round what float32 does not.
    kinds = [
        x.type.tensor_type.elem_type for x in (*case.model.graph.input, *case.model.graph.output)
    ]
    half = bool({TensorProto.FLOAT16, TensorProto.BFLOAT16}.intersection(kinds))
    close = 2e-2 if half else 1e-3
    if np.allclose(got, wanted, rtol=close, atol=close, equal_nan=True):
        return "equal", ""
    original = onnxruntime.InferenceSession(path.read_bytes(), options)
    theirs = np.asarray(original.run([output], given)[0]).astype(np.float32)
    if np.allclose(got, theirs, rtol=close, atol=close, equal_nan=True):
        return "as onnxruntime", ""
    return "different", f"by {np.nanmax(np.abs(got - wanted)):.3g}"


def _with_layer(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> onnx.ModelProto:
    """The model with a product by one behind an output, whose elements are its rows."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(copy.ir_version, 4)
    graph = copy.graph
    one = np.ones((1, 1), np.float32)
    for name, values in (("::rows", np.array([-1, 1])), ("::all", np.array([-1])), ("::one", one)):
        graph.initializer.append(numpy_helper.from_array(values, name))
    graph.node.extend(
        [
            helper.make_node("Cast", [value.name], ["::float"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["::float", "::rows"], ["::column"]),
            helper.make_node("MatMul", ["::column", "::one"], ["::product"]),
            helper.make_node("Reshape", ["::product", "::all"], ["::out"]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("::out", TensorProto.FLOAT, [None]))
    return copy


def _tensors(folder: Path, kind: str) -> list[np.ndarray] | None:
    values = []
    for index in range(len(list(folder.glob(f"{kind}_*.pb")))):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((folder / f"{kind}_{index}.pb").read_bytes())
        if not tensor.data_type:
            return None
        values.append(numpy_helper.to_array(tensor))
    return values
