"""What a conformance suite answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Conformance", "ConformanceError", "require"]


class ConformanceError(AssertionError):
    """A format or a unit breaks what all of them must keep; the message names the first input.

    Examples
    --------
    >>> raise ConformanceError("int8: decode(encode(3.0)) must be 3.0, not 4.0")
    Traceback (most recent call last):
    ...
    macwright.testing.report.ConformanceError: int8: decode(encode(3.0)) must be 3.0, not 4.0
    """


@dataclass(frozen=True)
class Conformance:
    """What was checked, and what could not be and why.

    Parameters
    ----------
    name : str
        Of the format or unit.
    checked : mapping from str to int
        Number of cases of each law that was checked.
    left_out : mapping from str to str
        Laws that were not checked, and the reason.

    Examples
    --------
    >>> Conformance("mine", {"ports": 5}, {"simulation": "no simulator is installed"})
    Conformance(mine: ports 5; left out: simulation (no simulator is installed))
    """

    name: str
    checked: Mapping[str, int]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        done = ", ".join(f"{law} {cases}" for law, cases in self.checked.items())
        gaps = ", ".join(f"{law} ({reason})" for law, reason in self.left_out.items())
        return f"Conformance({self.name}: {done}{f'; left out: {gaps}' if gaps else ''})"


def require(holds: Any, sentence: str) -> None:
    """Raise `ConformanceError` with a sentence unless something holds."""
    if not holds:
        raise ConformanceError(sentence)
