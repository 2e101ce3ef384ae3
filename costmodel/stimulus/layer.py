"""Operands of a layer, as what energy is measured with."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["LayerOperands"]


@dataclass(frozen=True)
class LayerOperands:
    """Codes of a layer's matrix product, walked through in output-stationary order.

    Parameters
    ----------
    layer : str
        Its name.
    acts : ndarray of int64, shape (m, k)
        Unsigned codes of activations.
    weights : ndarray of int64, shape (k, n)
        Unsigned codes of weights.
    lanes : int
        Independent walks; each is 63 transitions long.
    """

    layer: str
    acts: NDArray[np.int64]
    weights: NDArray[np.int64]
    lanes: int = 48

    @cached_property
    def sha256(self) -> str:
        """Hash of the codes."""
        digest = hashlib.sha256(f"{self.lanes}".encode())
        for codes in (self.acts, self.weights):
            digest.update(f" {codes.shape} ".encode() + codes.astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def label(self) -> str:
        """Name for the column `stimulus` of a cost row."""
        return f"{self.layer}@{self.sha256[:12]}"
