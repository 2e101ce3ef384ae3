"""What a workload needs to know of a model's data."""

from typing import Protocol

import numpy as np

__all__ = ["Samples"]


class Samples(Protocol):
    """Samples of a model, such as :class:`macwright.dse.data.recipe.Dataset`."""

    @property
    def x_calib(self) -> dict[str, np.ndarray]:
        """Calibration samples by input of the model, along the first axis."""
        ...
