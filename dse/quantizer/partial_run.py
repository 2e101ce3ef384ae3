"""Running a network a few nodes at a time."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort

from macwright.dse.quantizer.subgraph import cut, cut_nodes
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.session import session

__all__ = ["Stepper", "run_batches"]

#: Samples that run at once: few enough for their activations to stay in cache.
BATCH = 16


class Stepper:
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
        As of `run_batches`.

    Attributes
    ----------
    values : dict of ndarray
        Tensors that nodes still to be run need, and those asked for last.
    """

    def __init__(
        self,
        workload: Workload,
        graph: onnx.GraphProto,
        feeds: dict[str, np.ndarray],
        *,
        at_once: bool = False,
    ) -> None:
        self.workload, self.graph, self.at_once = workload, graph, at_once
        self.values = dict(feeds)
        self.samples = len(next(iter(feeds.values())))
        self._done: set[str] = set()

    def advance(self, wanted: Sequence[str]) -> list[np.ndarray]:
        """Run the nodes that some tensors need, and return these."""
        missing = [name for name in wanted if name not in self.values]
        if missing:
            self._run(missing)
        found = [self.values[name] for name in wanted]
        rest = [node for node in self.graph.node if node.name not in self._done]
        used = {name for node in rest for name in node.input} | set(wanted)
        self.values = {name: value for name, value in self.values.items() if name in used}
        return found

    def give(self, node: str, tensor: str, values: np.ndarray) -> None:
        """Say what a node computes, so that it does not run."""
        self._done.add(node)
        self.values[tensor] = values

    def pending(self, tensor: str) -> list[str]:
        """Names of the nodes that a tensor waits for."""
        return [node.name for node in cut_nodes(self.graph, self.values, [tensor])]

    def _run(self, missing: list[str]) -> None:
        part = cut(self.workload, self.values, missing, graph=self.graph)
        running = {node.name for node in part.graph.node}
        self._done |= running
        later = {
            name for node in self.graph.node if node.name not in self._done for name in node.input
        }
        made = [name for node in part.graph.node for name in node.output]
        names = [name for name in made if name in later or name in missing]
        model = session(part, outputs=names)
        feeds = {value.name: self.values[value.name] for value in part.graph.input}
        results = run_batches(
            self.workload, model, names, feeds, self.samples, at_once=self.at_once
        )
        self.values.update(zip(names, results, strict=True))


def run_batches(
    workload: Workload,
    model: ort.InferenceSession,
    names: Sequence[str],
    feeds: dict[str, np.ndarray],
    samples: int,
    *,
    at_once: bool = False,
) -> list[np.ndarray]:
    """Run a session on all samples, some at a time.

    Parameters
    ----------
    workload : Workload
        Network that the tensors belong to; tells which of them grow with the samples.
    model : onnxruntime.InferenceSession
        What is run.
    names : sequence of str
        Tensors wanted.
    feeds : dict of ndarray
        Tensors given, for all samples.
    samples : int
        Number of samples.
    at_once : bool
        Whether all run together, where the network allows it: for one that takes means of them.
    """
    rows = {name: workload.shapes[name][:1] for name in {*names, *feeds}}
    each = {name: size[0] // workload.batch for name, size in rows.items() if size}
    grows = {name for name, value in feeds.items() if np.ndim(value)}
    grows = {name for name in grows if each[name] and len(feeds[name]) == each[name] * samples}
    size = workload.batch if workload.fixed_batch else samples if at_once else BATCH
    parts = []
    for start in range(0, samples, size):
        chunk = {
            name: value[start * each[name] : (start + size) * each[name]]
            if name in grows
            else value
            for name, value in feeds.items()
        }
        parts.append(model.run(list(names), chunk))
    return [
        np.concatenate(items)
        if name in each and sum(len(item) for item in items) == each[name] * samples
        else items[0]
        for name, items in zip(names, zip(*parts, strict=True), strict=True)
    ]
