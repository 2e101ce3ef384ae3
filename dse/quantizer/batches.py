"""Tensors of many samples, split into runs and joined again."""

from collections.abc import Sequence

import numpy as np

from macwright.dse.workload.layer import Workload

__all__ = ["Batches"]

#: Samples that run at once: few enough for their activations to stay in cache.
BATCH = 16


class Batches:
    """How a network's samples are run: some at a time.

    Parameters
    ----------
    workload : Workload
        Network; tells along which axis of a tensor its samples lie.
    samples : int
        Number of samples, along the first axis of the inputs.
    at_once : bool
        Whether all run together, where the network allows it: for one that takes means of them.
    """

    def __init__(self, workload: Workload, samples: int, *, at_once: bool = False) -> None:
        self.workload, self.samples = workload, samples
        self.size = workload.batch if workload.fixed_batch else samples if at_once else BATCH
        self._starts = range(0, samples, max(self.size, 1))

    def __len__(self) -> int:
        return len(self._starts)

    def split(self, name: str, values: np.ndarray) -> list[np.ndarray]:
        """A tensor's parts, one for each run; a fixed batch is filled up with its last sample."""
        axis = self.workload.batch_axes.get(name)
        if axis is None:
            return [values] * len(self)
        each = self.workload.shapes[name][axis]
        parts = []
        for start in self._starts:
            stop = start + self.size
            first, last = (i * each // self.workload.batch for i in (start, stop))
            part = values[(slice(None),) * axis + (slice(first, last),)]
            missing = last - first - part.shape[axis]
            if missing and self.workload.fixed_batch:
                end = part.take([-1], axis)
                part = np.concatenate([part, np.repeat(end, missing, axis)], axis)
            parts.append(part)
        return parts

    def join(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The inverse of `split`."""
        axis = self.workload.batch_axes.get(name)
        if axis is None:
            return parts[0]
        if len(parts) == 1:
            values = parts[0]
        else:
            values = np.concatenate(parts, axis)
        total = self.samples * self.workload.shapes[name][axis] // self.workload.batch
        if self.workload.fixed_batch and values.shape[axis] > total:
            values = values[(slice(None),) * axis + (slice(total),)]
        return values

    def by_sample(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """A tensor with its samples along the first axis, shape (n_samples, ...)."""
        axis = self.workload.batch_axes.get(name)
        alone = self.workload.fixed_batch and self.workload.batch == 1
        if axis is None or (alone and self.workload.shapes[name][axis] != 1):
            return np.stack(parts)
        return np.moveaxis(self.join(name, parts), axis, 0)
