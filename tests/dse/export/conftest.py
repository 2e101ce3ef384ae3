"""Runs to export from."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from helpers.export_run import write_export_run
from helpers.tiny import write_tiny_model

from macwright.dse.export.source import SourceRun


@pytest.fixture
def tiny(tmp_path) -> Path:
    """The tiny network."""
    return write_tiny_model(tmp_path)


@pytest.fixture
def write_run(tiny, tmp_path) -> Callable[..., SourceRun]:
    """Write a run with one point, and open it."""
    return partial(write_export_run, tmp_path)
