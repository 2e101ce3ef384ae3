"""Liberty text as a tree of groups: the syntax, without what it means."""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = ["Group", "LibertyError", "Source", "parse_groups"]

#: One statement: `name (arguments) {`, `name (arguments);`, `name : value;`, `}` or a lone `;`.
_STATEMENT = re.compile(
    r"""(?:\s|\\\n)*(?:
      ([\w\[\].]+)\s*(?:
          \(([^"(){};]*(?:"[^"]*"[^"(){};]*)*)\)\s*(?:(\{)|;|(?=\s|\}))
        | :\s*("[^"]*"|[^;{}\n"]*)\s*;?
      )
    | (\})\s*;?
    | ;
    )""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*.*?\*/|^[ \t]*//[^\n]*", re.DOTALL | re.MULTILINE)
_SEPARATORS = str.maketrans('",\\\n\r\t', "      ")


class LibertyError(ValueError):
    """A Liberty file is not what it must be; the message names the file and the line."""


@dataclass(frozen=True)
class Source:
    """Text of one file, and where errors in it are.

    Parameters
    ----------
    name : str
        File name for messages.
    text : str
        Content, comments blanked.
    """

    name: str
    text: str

    def fail(self, position: int, message: str) -> NoReturn:
        """Raise `LibertyError` for the character at `position`."""
        line = self.text.count("\n", 0, position) + 1
        raise LibertyError(f"{self.name}:{line}: {message}")


@dataclass(slots=True)
class Group:
    """`kind (name) { … }` with its attributes and the groups inside.

    Parameters
    ----------
    kind, name : str
        Words before and inside the parentheses, without quotes.
    position : int
        Where the group starts in the text.
    attributes : dict
        Simple attributes and complex ones (`values (…)`) by name: the text, without quotes for
        simple ones. The last one of a name wins.
    groups : list of Group
    """

    kind: str
    name: str
    position: int
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, kind: str) -> list["Group"]:
        """Groups of a kind directly inside."""
        return [group for group in self.groups if group.kind == kind]

    def number(self, source: Source, name: str, default: float) -> float:
        """Value of a simple attribute as a finite number."""
        text = self.attributes.get(name)
        if text is None:
            return default
        values = self.numbers(source, name)
        if len(values) != 1:
            source.fail(self.position, f"{name} must be one number, not {text!r}")
        return float(values[0])

    def numbers(self, source: Source, name: str) -> NDArray[np.float64]:
        """Numbers of an attribute such as `values`, shape (n,), all finite."""
        text = self.attributes[name]
        try:
            values = np.array(text.translate(_SEPARATORS).split(), dtype=np.float64)
        except ValueError:
            source.fail(self.position, f"{name} must be numbers, not {text.strip()[:60]!r}")
        if not np.isfinite(values).all():
            source.fail(self.position, f"{name} must be finite numbers, not {text.strip()[:60]!r}")
        return values


def parse_groups(name: str, text: str) -> tuple[Source, Group]:
    """Read the text of one Liberty file.

    Parameters
    ----------
    name : str
        File name for messages.
    text : str
        Content.

    Returns
    -------
    source : Source
        For messages about positions.
    library : Group
        The `library` group.

    Raises
    ------
    LibertyError
        If the text is not a sequence of Liberty statements, or ends too early.
    """
    source = Source(name, _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text))
    root = Group("file", name, 0)
    stack = [root]
    scanner = _STATEMENT.scanner(source.text)  # type: ignore[attr-defined]  # not in the stubs
    end = 0
    while (match := scanner.match()) is not None:
        end = match.end()
        word, arguments, opened, value, closed = match.groups()
        if value is not None:
            stack[-1].attributes[word] = value.strip().strip('"')
        elif opened:
            label = arguments.replace('"', "").strip()
            group = Group(word, label, match.start(1))
            stack[-1].groups.append(group)
            stack.append(group)
        elif word:
            stack[-1].attributes[word] = arguments
        elif closed:
            if len(stack) == 1:
                source.fail(match.start(5), "the file must not close a group that is not open")
            stack.pop()
    rest = source.text[end:]
    if rest.strip():
        where = end + len(rest) - len(rest.lstrip())
        line = source.text[where:].split("\n", 1)[0].strip()
        source.fail(where, f"the text must be a Liberty statement, not {line[:60]!r}")
    if len(stack) > 1:
        last = stack[-1]
        source.fail(
            max(end - 1, 0), f"the file must not end inside group {last.kind} ({last.name})"
        )
    libraries = root.all("library")
    if len(libraries) != 1:
        source.fail(0, f"the file must hold one library group, not {len(libraries)}")
    return source, libraries[0]
