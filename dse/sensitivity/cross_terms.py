"""Errors of tensors that point the same way lose more together than their sum."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHARE", "Coherence"]

#: Share of the products of two changes that is counted. All of it would be right if changes were
#: small; but narrow formats shrink the outputs, and what is shrunk once does not shrink as much
#: again. `benchmarks/accuracy.py ranking` prints what other shares give.
SHARE = 0.25

_Tensor = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Coherence:
    """Mean products of the changes that tensors, each alone in a format, make to the outputs.

    The mean squared sum of changes is the sum of their mean squares and of the mean products of
    all pairs of them. The first is the loss that a search minimises; of the second, which is zero
    where errors are independent, a share is added to rank allocations whose weights are rounded to
    nearest. With GPTQ later layers make up for much of what errors have in common.

    Parameters
    ----------
    tensors : sequence of (layer, "weight" or "activation", format)
        What was changed.
    products : array of float, shape (n_tensors, n_tensors)
        In squared units of the outputs.

    Examples
    --------
    >>> tensors = [("a", "weight", "int4"), ("a", "activation", "int8")]
    >>> Coherence(tensors, np.array([[2.0, 1.0], [1.0, 3.0]])).together({"a": ("int4", "int8")})
    0.5
    """

    tensors: Sequence[_Tensor]
    products: NDArray[np.floating]

    @cached_property
    def _places(self) -> dict[_Tensor, int]:
        return {tensor: place for place, tensor in enumerate(self.tensors)}

    def together(self, formats: Mapping[str, tuple[str, str]], *, share: float = SHARE) -> float:
        """What an allocation loses beyond the sum of its tensors' losses.

        Parameters
        ----------
        formats : mapping from str to (str, str)
            Formats of the weights and of the activations of each layer.
        share : float
            Of the products that is counted.

        Returns
        -------
        float
            In squared units of the outputs; negative where changes point against each other, but
            never by more than the sum of the losses.

        Raises
        ------
        KeyError
            If a tensor was not measured in its format.
        """
        rows = [
            self._places[layer, kind, name]
            for layer, pair in formats.items()
            for kind, name in zip(("weight", "activation"), pair, strict=True)
        ]
        products = self.products[np.ix_(rows, rows)].astype(np.float64)
        return share * float(products.sum() - np.trace(products))

    @classmethod
    def of_changes(cls, tensors: Sequence[_Tensor], changes: NDArray[np.floating]) -> "Coherence":
        """From changes of the outputs, shape (n_tensors, n_entries)."""
        return cls(tensors, (changes @ changes.T / changes.shape[1]).astype(np.float32))

    def to_text(self) -> str:
        """The products, for a JSON file."""
        return base64.b64encode(self.products.astype("<f4").tobytes()).decode()

    @classmethod
    def from_text(cls, tensors: Sequence[_Tensor], text: str) -> "Coherence":
        """What `to_text` gave, of the same tensors."""
        products = np.frombuffer(base64.b64decode(text), "<f4")
        return cls(tensors, products.reshape(len(tensors), len(tensors)))
