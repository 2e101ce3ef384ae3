"""Limits as the user writes them."""

import re

from macwright.hw.errors import RefusedInput

__all__ = ["parse_limit"]

LIMIT = re.compile(r"(?P<name>.+?)\s*(?P<sign><=|>=)\s*(?P<value>[^<>=]+)")


def parse_limit(text: str, what: str) -> tuple[str, str, float]:
    """Name, sign and value of ``'NAME<=VALUE'``.

    Raises
    ------
    ValueError
        If the text is something else.

    Examples
    --------
    >>> parse_limit("bops<=1e9", "Budget")
    ('bops', '<=', 1000000000.0)
    """
    match = LIMIT.fullmatch(text.strip())
    try:
        if match:
            return match["name"], match["sign"], float(match["value"])
    except ValueError:
        pass
    raise RefusedInput(f"{what} must be 'NAME<=NUMBER' or 'NAME>=NUMBER', not {text!r}")
