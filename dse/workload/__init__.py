"""Workload: what an ONNX model multiplies and accumulates, layer by layer."""

from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.layer import Layer, Workload
from macwright.dse.workload.load import load_workload

__all__ = ["FixedTensor", "Layer", "Workload", "load_workload"]
