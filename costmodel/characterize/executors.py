"""Where to characterise: processes of this machine, or a Dask cluster."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from macwright.hw.errors import ToolError
from macwright.sim.owned import own

__all__ = ["MANY", "cluster", "dask_client", "local_executor", "process_pool"]

#: Units from which on processes are worth their start.
MANY = 16


def process_pool(jobs: int | None = None) -> ProcessPoolExecutor:
    """Processes of this machine, for many units: threads share the work in Python.

    Parameters
    ----------
    jobs : int or None
        Processes; None for one a processor.

    Returns
    -------
    ProcessPoolExecutor
        Its processes import the main module, which must therefore do its work under
        ``if __name__ == "__main__":``.
    """
    # Forked processes would share the state of threads that are not there.
    context = multiprocessing.get_context("spawn")
    own()  # they end with us
    return ProcessPoolExecutor(
        max_workers=jobs or os.cpu_count(), mp_context=context, initializer=_leave_signals
    )


def _leave_signals() -> None:
    """Ctrl-C goes to all processes of a terminal; the one that started these ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def local_executor(count: int, jobs: int | None = None) -> AbstractContextManager[Executor | None]:
    """Processes for `count` units if they are many, else None: threads of this process."""
    return process_pool(jobs) if count >= MANY and jobs != 1 else nullcontext()


@contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """Client of a Dask cluster, as a context.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ToolError
        If Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        from distributed import Client  # pyright: ignore[reportMissingImports] - an extra
    except ImportError:
        raise ToolError(
            "A cluster needs Dask, which is not installed: pip install 'macwright[distributed]'"
        ) from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise ToolError(f"Scheduler {address} cannot be reached: {error}") from None
    try:
        yield client
    finally:
        client.close()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Workers of a Dask cluster, as a context; parameters and errors as of `dask_client`.

    A unit in the hands of a worker that dies goes to another one. The workers need macwright,
    the cache folder of this machine (``$MACWRIGHT_CACHE``) and, where there are any, its Liberty
    files at the same places.
    """
    with dask_client(address) as client:
        yield client.get_executor(pure=False)
