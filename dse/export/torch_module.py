"""torch: a file of plain modules and its state dict, an archive of arrays without pickles.

No text of the network's goes into the file of modules but letters, digits and underscores of the
names of its layers.
"""

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from macwright.dse.data.npz import npz_bytes
from macwright.dse.export.rewrite import rewrite, without_unused
from macwright.dse.export.source import SourceRun
from macwright.dse.export.torch_call import TorchCall
from macwright.dse.export.torch_operators import OPERATORS
from macwright.dse.export.torch_quantisers import CLASSES, quantiser
from macwright.dse.export.torch_windows import HELPERS
from macwright.dse.export.weights import WeightTensor
from macwright.dse.quantizer.activation import Operand
from macwright.dse.workload.onnx_builder import Chain
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic

__all__ = ["export"]

#: Domain of the nodes that stand for quantisers, and types that buffers may have.
_DOMAIN, _TYPES = "macwright.torch", ("float32", "int64")


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL_N.py``, whose ``load()`` gives the network, and its state in ``MODEL_N.npz``.

    Weights are rounded, scales included; activations are rounded by a module before each layer.

    Raises
    ------
    RefusedInput
        If an operator or a format has no torch module here; the message names the node or layer.
    """
    quantised = run.quantised(point)
    model, dialect = onnx.ModelProto(), _Dialect()
    model.CopyFrom(quantised.network.model)
    rewrite(model.graph, quantised.plans, dialect)
    without_unused(model)
    module = _Module(model.graph, dialect.calls)
    stem = _identifier(quantised.stem)
    path, state = folder / f"{stem}.py", folder / f"{stem}.npz"
    text = module.text(stem, point, run.workload.sha256)
    write_atomic(state, npz_bytes(module.state))
    write_atomic(path, text)
    return [path, state]


class _Dialect:
    """Quantisers as nodes of our own, which name the number of their call."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def activation(self, chain: Chain, operand: Operand, where: str) -> None:
        self.calls.append(quantiser(operand, where))
        chain.node("Quantiser", [chain.tensor], domain=_DOMAIN, call=len(self.calls) - 1)

    def weight(self, chain: Chain, weights: WeightTensor, where: str) -> None:
        chain.tensor = chain.constant(weights.values)


class _Module:
    """Lines of a module, and the state that it is loaded with."""

    def __init__(self, graph: onnx.GraphProto, quantisers: list[str]) -> None:
        self.state: dict[str, NDArray[Any]] = {}
        self._quantisers = quantisers
        self._constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._parts: list[str] = []
        self._lines: list[str] = []
        self._names: dict[str, str] = {"": "None"}
        inputs = [item.name for item in graph.input if item.name not in self._constants]
        self._inputs = [f"x{i}" if len(inputs) > 1 else "x" for i in range(len(inputs))]
        self._names.update(zip(inputs, self._inputs, strict=True))
        for node in graph.node:
            self._add(node)
        self._results = ", ".join(self._tensor(item.name) for item in graph.output)

    def _add(self, node: onnx.NodeProto) -> None:
        call = TorchCall(
            node=node,
            constants=self._constants,
            tensor=self._tensor,
            module=lambda text, state: self._part(node.name, text, state),
        )
        if node.domain == _DOMAIN:
            number = call.attributes(call=0)["call"]
            part = self._part(node.name.rsplit("::", 1)[0], self._quantisers[number], {})
            expression = f"{part}({self._tensor(node.input[0])})"
        elif node.domain in ("", "ai.onnx") and node.op_type in OPERATORS:
            expression = OPERATORS[node.op_type](call)
        else:
            raise call.refusal(f"one of {', '.join(OPERATORS)}")
        result = f"t{len(self._lines)}"
        self._lines.append(f"{result} = {expression}")
        self._names[node.output[0]] = result

    def _part(self, name: str, text: str, state: Mapping[str, NDArray[Any]]) -> str:
        own = f"m{len(self._parts)}_{_identifier(name)}"
        self._parts.append(f"self.{own} = {text}")
        for key, values in state.items():
            self.state[f"{own}.{key}"] = np.ascontiguousarray(values)
        return f"self.{own}"

    def _tensor(self, name: str) -> str:
        if name not in self._names:
            values = self._constants[name]
            if str(values.dtype) not in _TYPES:
                raise RefusedInput(
                    f"Constant {name!r} must be of {' or '.join(_TYPES)} for torch, not "
                    f"{values.dtype}; choose another kind, such as onnx"
                )
            own = f"c{len(self._parts)}"
            zeros = f"torch.zeros({values.shape}, dtype=torch.{values.dtype})"
            self._parts.append(f'self.register_buffer("{own}", {zeros})')
            self.state[own] = values
            self._names[name] = f"self.{own}"
        return self._names[name]

    def text(self, stem: str, point: int, digest: str) -> str:
        """The whole file."""
        parts = "\n".join(f"        {line}" for line in self._parts)
        lines = "\n".join(f"        {line}" for line in self._lines)
        tool = f"macwright {version('macwright')}"
        return f'''"""Quantised network: point {point} of a run, made by {tool}.

    from {stem} import load

    network = load()

Inputs are those of the ONNX model, whose SHA-256 begins with {digest[:12]}.
Needs torch and NumPy; the weights are in {stem}.npz beside this file.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional


{CLASSES}

{HELPERS}

class Network(nn.Module):
    """The network; its modules are numbered in the order in which they compute."""

    def __init__(self):
        super().__init__()
{parts}

    def forward(self, {", ".join(self._inputs)}):
{lines}
        return {self._results}


def load(path=None):
    """The network with its weights, for inference."""
    network = Network()
    with np.load(path or Path(__file__).with_suffix(".npz"), allow_pickle=False) as arrays:
        state = {{name: torch.from_numpy(arrays[name]) for name in arrays.files}}
    network.load_state_dict(state)
    return network.eval()
'''


def _identifier(name: str) -> str:
    """Letters, digits and underscores of a name."""
    text = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")
    return text if text and not text[0].isdigit() else f"n{text}"
