"""Quantised layers that allocations have in common."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import networkx as nx

from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.workload.layer import Workload

__all__ = ["PLANS", "SharedPlan", "SharedPlans", "upstream"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedPlan:
    """A layer's plan, and whether it was made for the inputs of the float network."""

    plan: LayerPlan
    near: bool

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        plan = self.plan
        arrays = (plan.weight, plan.bias, plan.weight_scale, plan.act.channels)
        return sum(array.nbytes for array in arrays if array is not None)


class SharedPlans:
    """Plans by what they depend on, in memory; those not used for longest are given up.

    Threads may use one at once.

    Parameters
    ----------
    limit : int
        Bytes of weights that are kept at most.

    Attributes
    ----------
    size, hits : int
        Bytes that are kept, and how often a plan was found.

    Examples
    --------
    >>> SharedPlans(1 << 20).get("unknown") is None
    True
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.hits = limit, 0, 0
        self._plans: OrderedDict[str, SharedPlan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> SharedPlan | None:
        """Plan of a key, if it is kept."""
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                self.hits += 1
            return plan

    def put(self, key: str, plan: SharedPlan) -> None:
        """Keep a plan, and give up others where there is no room."""
        with self._lock:
            if key in self._plans:
                return
            self._plans[key] = plan
            self.size += plan.nbytes
            while self.size > self.limit:
                _, old = self._plans.popitem(last=False)
                self.size -= old.nbytes

    def clear(self) -> None:
        """Give up all of them."""
        with self._lock:
            self._plans.clear()
            self.size = 0


#: Those of this process.
PLANS = SharedPlans(1 << 28)


def upstream(workload: Workload) -> dict[str, frozenset[str]]:
    """Layers whose formats a layer's plan depends on, by its name, itself included.

    They are those that it reads from and, where its outputs are added to another tensor, those
    which that comes from, as far as they are quantised before it.
    """
    sources: dict[str, frozenset[str]] = {}
    for index, layer in enumerate(workload.layers):
        before = {layer.name} | nx.ancestors(workload.graph, layer.name)
        for node in workload.graph.successors(layer.name):
            before |= nx.ancestors(workload.graph, node)
        sources[layer.name] = frozenset(
            x.name for x in workload.layers[: index + 1] if x.name in before
        )
    return sources
