"""Running a network a few nodes at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from macwright.dse.quantizer.batches import Batches
from macwright.dse.quantizer.subgraph import cut, cut_nodes
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.session import session

__all__ = ["PartialRun", "Parts", "run_batches"]

#: A tensor as the runs computed it, one array for each.
Parts = list[np.ndarray]


class PartialRun:
    """A run of a network that stops at tensors, and computes nothing twice.

    Parameters
    ----------
    workload : Workload
        The network.
    graph : onnx.GraphProto
        Graph that is run; nodes that have not run yet may be replaced at any time.
    feeds : dict of ndarray
        Values of the network's inputs.
    at_once : bool
        As of `Batches`.

    Attributes
    ----------
    parts : dict of list of ndarray
        Tensors that nodes still to be run need, and those asked for last. They stay as they were
        computed: a tensor without samples, such as a shape, may differ from run to run.
    batches : Batches
        The runs.
    """

    def __init__(
        self,
        workload: Workload,
        graph: onnx.GraphProto,
        feeds: dict[str, np.ndarray],
        *,
        at_once: bool = False,
    ) -> None:
        self.workload, self.graph = workload, graph
        samples = len(next(iter(feeds.values())))
        self.batches = Batches(workload, samples, at_once=at_once)
        self.parts = {
            name: self.batches.split(name, value)
            for name, value in feeds.items()
            if name in workload.inputs
        }
        self._done: set[str] = set()

    def advance(self, wanted: Sequence[str]) -> list[np.ndarray]:
        """Run the nodes that some tensors need, and return these."""
        missing = [name for name in wanted if name not in self.parts]
        if missing:
            self._run(missing)
        rest = [node for node in self.graph.node if node.name not in self._done]
        used = {name for node in rest for name in node.input} | set(wanted)
        self.parts = {name: value for name, value in self.parts.items() if name in used}
        return [self.batches.join(name, self.parts[name]) for name in wanted]

    def give(self, node: str, tensor: str, values: np.ndarray) -> None:
        """Say what a node computes, so that it does not run."""
        self._done.add(node)
        self.parts[tensor] = self.batches.split(tensor, values)

    def pending(self, tensor: str) -> list[str]:
        """Names of the nodes that a tensor waits for."""
        return [node.name for node in cut_nodes(self.graph, self.parts, [tensor])]

    def _run(self, missing: list[str]) -> None:
        part = cut(self.workload, self.parts, missing, graph=self.graph)
        running = {node.name for node in part.graph.node}
        self._done |= running
        later = {
            name for node in self.graph.node if node.name not in self._done for name in node.input
        }
        computed = [name for node in part.graph.node for name in node.output]
        names = [name for name in computed if name in later or name in missing]
        model = session(part, outputs=names)
        feeds = {value.name: self.parts[value.name] for value in part.graph.input}
        self.parts.update(run_batches(self.batches, model, names, feeds))


def run_batches(
    batches: Batches,
    model: ort.InferenceSession,
    names: Sequence[str],
    feeds: Mapping[str, np.ndarray | Parts],
) -> dict[str, Parts]:
    """Run a session on all samples, some at a time.

    Parameters
    ----------
    batches : Batches
        The runs.
    model : onnxruntime.InferenceSession
        What is run.
    names : sequence of str
        Tensors wanted.
    feeds : mapping
        Tensors given, for all samples, or in parts.
    """
    parts = {
        name: value if isinstance(value, list) else batches.split(name, value)
        for name, value in feeds.items()
    }
    results: dict[str, Parts] = {name: [] for name in names}
    for index in range(len(batches)):
        chunk = {name: part[index] for name, part in parts.items()}
        for name, value in zip(names, model.run(list(names), chunk), strict=True):
            results[name].append(np.asarray(value))
    return results
