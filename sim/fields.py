"""Dataclasses from documents that others may have written: every value of the type that it says."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["from_document", "shown"]

#: What a message calls a value of a type.
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
}
#: Largest whole number, in bits: that of NumPy's and of all that computes with them.
_BITS = 63


def from_document(
    cls: Any,
    value: Any,
    what: str,
    *,
    readers: Mapping[type, Callable[[Any, str], Any]] | None = None,
) -> Any:
    """Value of a type from JSON or TOML.

    Parameters
    ----------
    cls : type
        A dataclass, or what the fields of one are: numbers, texts, tuples, mappings of texts,
        unions with None.
    value : JSON value
        What the document says.
    what : str
        Where it stands in the document, as a message begins: ``"machine"``; names of fields follow.
    readers : mapping of type to callable, optional
        For other classes: what makes one of a value and its place.

    Raises
    ------
    RefusedInput
        If a field is missing or unknown, or a value is of another type, not finite, or of more than
        63 bits.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: float
    ...     names: tuple[str, ...] = ()
    >>> from_document(Point, {"x": 3, "names": ["a"]}, "point")
    Point(x=3.0, names=('a',))
    >>> from_document(Point, {"x": "3"}, "point")
    Traceback (most recent call last):
    ...
    macwright.hw.errors.RefusedInput: Field point.x must be a finite number, not '3'
    """
    readers = readers or {}
    if cls is Any:
        return value
    if cls in readers:
        return readers[cls](value, what)
    if dataclasses.is_dataclass(cls):
        return _object(cls, value, what, readers)
    origin, inner = typing.get_origin(cls), typing.get_args(cls)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        (other,) = (kind for kind in inner if kind is not type(None))
        return from_document(other, value, what, readers=readers)
    if origin is tuple:
        return _tuple(inner, value, what, readers)
    if origin is not None and issubclass(origin, Mapping):
        _check(isinstance(value, dict), what, "an object", value)
        return {
            key: from_document(inner[1], item, f"{what}.{key}", readers=readers)
            for key, item in value.items()
        }
    return _scalar(cls, value, what)


def _object(cls: Any, value: Any, what: str, readers: Mapping[type, Any]) -> Any:
    _check(isinstance(value, dict), what, "an object", value)
    hints = _hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    if unknown := [name for name in value if name not in fields]:
        raise RefusedInput(
            f"Fields of {what} must be among {', '.join(fields)}, and {unknown[0]!r} is not"
        )
    for name, field in fields.items():
        absent = field.default is dataclasses.MISSING is field.default_factory
        if absent and name not in value:
            raise RefusedInput(f"Field {what}.{name} must be there, and is missing")
    return cls(
        **{
            name: from_document(hints[name], item, f"{what}.{name}", readers=readers)
            for name, item in value.items()
        }
    )


#: Types of a class's fields; a run of many points has many objects of few classes.
_hints = functools.cache(typing.get_type_hints)


def _tuple(inner: tuple[Any, ...], value: Any, what: str, readers: Mapping[type, Any]) -> Any:
    _check(isinstance(value, list | tuple), what, "a list", value)
    if inner[-1] is Ellipsis:
        inner = (inner[0],) * len(value)
    _check(len(value) == len(inner), what, f"a list of {len(inner)}", value)
    return tuple(
        from_document(kind, item, f"{what}[{number}]", readers=readers)
        for number, (kind, item) in enumerate(zip(inner, value, strict=True))
    )


def _scalar(cls: Any, value: Any, what: str) -> Any:
    if cls is float:
        is_number = type(value) in (int, float) and _is_small(value) and math.isfinite(value)
        _check(is_number, what, _WORDS[float], value)
        return float(value)
    _check(type(value) is cls, what, _WORDS[cls], value)
    if cls is int:
        _check(_is_small(value), what, f"{_WORDS[int]} of at most {_BITS} bits", value)
    return value


def _is_small(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) < 1 << _BITS


def _check(holds: bool, what: str, wanted: str, value: Any) -> None:
    if not holds:
        raise RefusedInput(f"Field {what} must be {wanted}, not {shown(value)}")


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    if isinstance(value, int) and not _is_small(value):
        return f"one of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
