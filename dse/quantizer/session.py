"""Old place of :mod:`macwright.dse.workload.session`, for scripts older than the rooms."""

from macwright.dse.workload.session import run_error, session

__all__ = ["run_error", "session"]
