"""Errors of macwright: one tree, which the command line turns into one sentence.

::

    MacwrightError
    ├── RefusedInput (ValueError)      a value, a name, a file or an option will not do
    │   ├── RefusedType (TypeError)    an object of another class was given
    │   ├── NotSupported               it makes sense, but macwright cannot do it
    │   └── Infeasible                 nothing is within the limits
    └── ToolError (RuntimeError)       an outside tool is missing or failed

Operating-system errors, and `TimeoutError` where a time limit passed before anything was found,
stay what they are. Anything else that leaves macwright (a `KeyError`, a `ValueError` of a library)
is a defect: the command line shows its traceback and asks for a report.
"""

__all__ = [
    "Infeasible",
    "MacwrightError",
    "NotSupported",
    "RefusedInput",
    "RefusedType",
    "ToolError",
]


class MacwrightError(Exception):
    """Base of all errors that macwright raises on purpose; the message is a sentence for users.

    Examples
    --------
    >>> issubclass(ToolError, MacwrightError), issubclass(RefusedInput, MacwrightError)
    (True, True)
    """


class RefusedInput(MacwrightError, ValueError):
    """What was given will not do; the message says what must be what, and not what was given.

    Examples
    --------
    >>> try:
    ...     raise RefusedInput("Rows must be at least 1, not 0")
    ... except ValueError as error:
    ...     print(error)
    Rows must be at least 1, not 0
    """


class RefusedType(RefusedInput, TypeError):
    """An object of another class was given, such as a float format for an integer one.

    Examples
    --------
    >>> issubclass(RefusedType, TypeError), issubclass(RefusedType, ValueError)
    (True, True)
    """


class NotSupported(RefusedInput):
    """What was given is meaningful, but macwright cannot do it.

    Examples
    --------
    >>> issubclass(NotSupported, RefusedInput)
    True
    """


class Infeasible(RefusedInput):
    """No choice is within the limits.

    Examples
    --------
    >>> issubclass(Infeasible, ValueError)
    True
    """


class ToolError(MacwrightError, RuntimeError):
    """An outside tool (simulator, synthesiser) is missing or failed; the message is for users.

    Examples
    --------
    >>> issubclass(ToolError, RuntimeError)
    True
    """
