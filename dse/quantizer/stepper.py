"""Running a network a few nodes at a time."""

from collections.abc import Sequence

import numpy as np
import onnx

from macwright.dse.quantizer.session import session
from macwright.dse.quantizer.subgraph import cut
from macwright.dse.workload.layer import Workload

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

    Attributes
    ----------
    values : dict of ndarray
        Tensors that nodes still to be run need, and those asked for last.
    """

    def __init__(
        self, workload: Workload, graph: onnx.GraphProto, feeds: dict[str, np.ndarray]
    ) -> None:
        self.workload, self.graph = workload, graph
        self.values = dict(feeds)
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
        results = run_batches(self.workload, model, names, feeds)
        self.values.update(zip(names, results, strict=True))


def run_batches(
    workload: Workload, model: object, names: Sequence[str], feeds: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """Run a session on all samples, some at a time.

    Tensors whose first axis is not that of the samples are passed as they are.
    """
    samples = max((len(value) for value in feeds.values() if value.ndim), default=1)
    size = workload.batch if workload.fixed_batch else BATCH
    parts = []
    for start in range(0, samples, size):
        chunk = {
            name: value[start : start + size] if value.ndim and len(value) == samples else value
            for name, value in feeds.items()
        }
        parts.append(model.run(list(names), chunk))  # type: ignore[attr-defined]
    return [_join(items, samples) for items in zip(*parts, strict=True)]


def _join(items: Sequence[np.ndarray], samples: int) -> np.ndarray:
    if items[0].ndim and sum(len(item) for item in items) == samples:
        return np.concatenate(items)
    return items[0]
