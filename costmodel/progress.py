"""How long work says how far it is."""

from collections.abc import Callable

__all__ = ["Progress"]

#: Called with what is done (``"units characterised"``), how many of them, and how many in all.
Progress = Callable[[str, int, int], None]
