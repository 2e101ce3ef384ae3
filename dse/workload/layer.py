"""The values that describe a workload."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.mac_operator import MacOperator
from macwright.dse.workload.mac_operators import MAC_OPERATORS

__all__ = ["Layer", "Workload"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One MAC operator of a model, as `groups` products of an M-by-K and a K-by-N matrix.

    All counts are for one sample.

    Parameters
    ----------
    name : str
        Name of the ONNX node.
    op : str
        ``Conv``, ``ConvTranspose``, ``Gemm`` or ``MatMul``.
    act, weight, out : str
        Names of the tensors: activations read, weights (an initializer; the second activation
        if `dynamic`) and result.
    m, k, n : int
        Output positions, products in each sum, and output channels of a group.
    groups : int
        Groups of a convolution, or products in a batched matrix product.
    weights : int
        Weights; 0 if `dynamic`.
    activations, outputs : int
        Elements of the activation tensor read, and of the result.
    act_signed : bool
        False if the activations are proved to be at least zero, so that an unsigned format fits.
    weight_signed : bool
        The same of the second operand; True for weights.
    dynamic : bool
        Whether both operands are activations, as in attention.
    attributes : mapping
        The node's ONNX attributes, such as ``strides``.

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> from macwright.dse.workload import load_workload
    >>> layer = load_workload(embedded_model()).layers[0]
    >>> layer.name, layer.m, layer.k, layer.n, layer.macs
    ('stem', 784, 9, 24, 169344)
    """

    name: str
    op: str
    act: str
    weight: str
    out: str
    m: int
    k: int
    n: int
    groups: int
    weights: int
    activations: int
    outputs: int
    act_signed: bool
    weight_signed: bool = True
    dynamic: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operator(self) -> MacOperator:
        """What the ONNX operator means."""
        return MAC_OPERATORS[self.op]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return self.groups * self.m * self.k * self.n


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model that is ready to be quantised.

    Parameters
    ----------
    path : Path
        File that it came from.
    sha256 : str
        Digest of the model's bytes, external weights included.
    model : onnx.ModelProto
        The model with batch normalisation folded, constants as initializers, and weights that no
        two layers share.
    layers : list of Layer
        MAC operators in the order of execution.
    graph : networkx.DiGraph
        ONNX nodes by name, with ``op``; edges carry ``tensor``.
    shapes : dict
        Shape of every tensor for `batch` samples.
    dtypes : dict
        Element type of every tensor that a node computes or the model reads.
    batch : int
        Elements of the inputs' first axis in each run of `shapes`.
    fixed_batch : bool
        Whether the model takes no other number of them, or samples cannot be told apart in a run.
    batch_axes : mapping
        Axis that the samples of a run lie along, by tensor that a node computes or the model
        reads; absent where all samples share the tensor, or there is no such axis.
    notes : tuple of str
        What was done to the model that a user should know of, a sentence each.
    fixed : mapping
        Formats of weights and activations that the model prescribes, by layer.

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> from macwright.dse.workload import load_workload
    >>> workload = load_workload(embedded_model())
    >>> len(workload.layers), sum(layer.macs for layer in workload.layers)
    (9, 4391360)
    """

    path: Path
    sha256: str
    model: onnx.ModelProto
    layers: list[Layer]
    graph: nx.DiGraph
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]
    batch: int
    fixed_batch: bool
    batch_axes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fixed: Mapping[str, tuple[FixedTensor | None, FixedTensor | None]] = field(default_factory=dict)

    @property
    def inputs(self) -> list[str]:
        """Names of the model's inputs."""
        return [value.name for value in self.model.graph.input]

    @property
    def output(self) -> str:
        """Name of the model's result."""
        return self.model.graph.output[0].name

    @cached_property
    def identity(self) -> str:
        """Digest of all that its results depend on: the file, and what was made of its graph."""
        digest = hashlib.sha256(self.sha256.encode())
        for node in self.model.graph.node:
            digest.update(node.SerializeToString(deterministic=True))
        digest.update(repr((self.output, self.batch, list(self.fixed))).encode())
        return digest.hexdigest()

    def layer(self, name: str) -> Layer:
        """Layer of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"Layer must be one of the model's, not {name!r}")

    def tensor(self, name: str) -> np.ndarray:
        """Values of an initializer.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        for item in self.model.graph.initializer:
            if item.name == name:
                return numpy_helper.to_array(item)
        raise KeyError(f"Tensor must be a constant of the model, not {name!r}")

    def node(self, layer: Layer) -> onnx.NodeProto:
        """ONNX node of a layer."""
        return next(node for node in self.model.graph.node if node.name == layer.name)
