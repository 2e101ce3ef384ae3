"""Integer networks: what a machine computes, bit for bit, as one document."""

from macwright.hw.accelerator.network.edge import Edge, level_unit, levels_of
from macwright.hw.accelerator.network.file import read_network, write_network
from macwright.hw.accelerator.network.graph import Network
from macwright.hw.accelerator.network.mac_nodes import Add, AveragePool, Conv, Gemm, MaxPool
from macwright.hw.accelerator.network.node import Node, Requant, SumNode, TableOutput
from macwright.hw.accelerator.network.wiring_nodes import (
    Concat,
    Pad,
    Reshape,
    Slice,
    Table,
    Transpose,
)

__all__ = [
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "Edge",
    "Gemm",
    "MaxPool",
    "Network",
    "Node",
    "Pad",
    "Requant",
    "Reshape",
    "Slice",
    "SumNode",
    "Table",
    "TableOutput",
    "Transpose",
    "level_unit",
    "levels_of",
    "read_network",
    "write_network",
]
