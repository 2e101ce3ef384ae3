"""Keywords of the solver's functions, from a flat dict of what is asked for."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from macwright.dse.solver import Effort, Rules

__all__ = ["asked"]


def asked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, those of `Rules` and `Effort` in objects of these."""
    rest = dict(arguments)
    grouped = {
        name: kind(**{f.name: rest.pop(f.name) for f in fields(kind) if f.name in rest})
        for name, kind in (("rules", Rules), ("effort", Effort))
    }
    return rest | grouped
