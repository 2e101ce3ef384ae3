"""The network that comes with macwright, so that it runs with no argument and no internet."""

from importlib.resources import files
from pathlib import Path

__all__ = ["embedded_model"]


def embedded_model() -> Path:
    """Path of the embedded network; its recipe and data are beside it.

    Examples
    --------
    >>> embedded_model().name
    'fashion_cnn.onnx'
    """
    return Path(str(files("macwright.dse.models").joinpath("fashion_cnn.onnx")))
