"""Liberty text as a tree of groups: the syntax, without what it means."""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["Group", "LibertyError", "Source", "parse_groups", "plain"]

#: Groups in each other; libraries have six at most.
_DEEPEST = 64

# Quantifiers are possessive (`*+`): nothing is tried twice, so the time is linear in the text.
# Groups are atomic (`(?>`) inside one: Python before 3.11.5 finds no match of `(?:a|b)*+` where
# part of the group must be tried again.
_STRING = r'"(?>[^"\\]++|\\.)*+"'
_COMMENT = r"/\*(?>[^*]++|\*(?!/))*+\*/|//[^\r\n]*+"
_BLANK = rf"(?>\s++|\\\s|{_COMMENT})*+"
_ARGUMENTS = rf'(?>[^"(){{}};/]++|{_STRING}|{_COMMENT}|/)*+'
_BARE = r'(?>[^;{}\r\n"/\\]++|/(?![/*])|\\.)*+'

#: One statement: `name (arguments) {`, `name (arguments);`, `name : value;`, `}` or a lone `;`.
_STATEMENT = re.compile(
    rf"""{_BLANK}(?:
      ([\w\[\].$-]++|"[\w\[\].$-]++"){_BLANK}(?:
          \(({_ARGUMENTS})\){_BLANK}(?:(\{{)|;)?
        | :{_BLANK}({_STRING}(?>{_BLANK}{_STRING})*+|{_BARE}){_BLANK};?
      )
    | (\}}){_BLANK};?
    | ;
    )""",
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(rf"({_STRING})|{_COMMENT}", re.DOTALL)
_ESCAPE = re.compile(r"\\(\r?\n|.)", re.DOTALL)
_END = re.compile(_BLANK, re.DOTALL)
_SEPARATORS = str.maketrans('",\\\n\r\t', "      ")


class LibertyError(RefusedInput):
    """A Liberty file is not what it must be; the message names the file and the line."""


@dataclass(frozen=True)
class Source:
    """Text of one file, and where errors in it are.

    Parameters
    ----------
    name : str
        File name for messages.
    text : str
        Content.
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
        simple ones and without comments. The last one of a name wins.
    groups : list of Group
    repeated : list of (str, str)
        Complex attributes of which a group has several, such as `voltage_map`, in order.
    """

    kind: str
    name: str
    position: int
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)

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
            source.fail(self.position, f"{name} must be one number, not {text[:60]!r}")
        return float(values[0])

    def numbers(self, source: Source, name: str) -> NDArray[np.float64]:
        """Numbers of an attribute such as `values`, shape (n,), all finite."""
        text = self.attributes[name]
        try:
            if "_" in text:  # Python leaves it out of numbers, and nobody else does
                raise ValueError
            values = np.array(text.translate(_SEPARATORS).split(), dtype=np.float64)
        except ValueError:
            source.fail(self.position, f"{name} must be numbers, not {text.strip()[:60]!r}")
        if not np.isfinite(values).all():
            source.fail(self.position, f"{name} must be finite numbers, not {text.strip()[:60]!r}")
        return values

    def flag(self, source: Source, name: str) -> bool:
        """Value of an attribute that is true or false; false if absent."""
        text = plain(self.attributes.get(name, "false")).lower()
        if text not in ("true", "false"):
            source.fail(self.position, f"{name} must be true or false, not {text[:60]!r}")
        return text == "true"


#: Attributes that a group must not state in two ways: readers differ in which one they take.
_ONCE = frozenset(
    """area capacitance capacitive_load_unit cell_leakage_power clear clocked_on
    default_operating_conditions default_wire_load delay_model direction fall_capacitance function
    index_1 index_2 leakage_power_unit next_state nom_temperature nom_voltage preset related_pin
    rise_capacitance temperature time_unit timing_sense timing_type value values variable_1
    variable_2 voltage voltage_unit when""".split()
)

#: Complex attributes that a group repeats.
_REPEATED = ("fanout_length", "voltage_map", "wire_load_from_area")


def plain(text: str) -> str:
    """Words of an attribute, without quotes and commas, a blank between them."""
    return " ".join(text.translate(_SEPARATORS).split())


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
    source = Source(name, text)
    root = Group("file", name, 0)
    stack = [root]
    scanner = _STATEMENT.scanner(text)  # type: ignore[attr-defined]  # not in the stubs
    end = 0
    while (match := scanner.match()) is not None:
        end = match.end()
        word, arguments, opened, value, closed = match.groups()
        if value is not None:
            _put(source, stack[-1], match.start(1), word.strip('"'), _value(value))
        elif word:
            word, arguments = word.strip('"'), _arguments(arguments)
            if word == "include_file":
                source.fail(match.start(1), "include_file must be replaced by the file's content")
            if opened:
                group = Group(word, arguments.replace('"', "").strip(), match.start(1))
                stack[-1].groups.append(group)
                stack.append(group)
                if len(stack) > _DEEPEST:
                    source.fail(group.position, f"groups must nest at most {_DEEPEST} deep")
            else:
                _put(source, stack[-1], match.start(1), word, arguments)
                if word in _REPEATED:
                    stack[-1].repeated.append((word, plain(arguments)))
        elif closed:
            if len(stack) == 1:
                source.fail(match.start(5), "the file must not close a group that is not open")
            stack.pop()
    _check_end(source, end, stack)
    libraries = root.all("library")
    if len(libraries) != 1:
        source.fail(0, f"the file must hold one library group, not {len(libraries)}")
    return source, libraries[0]


def _put(source: Source, group: Group, position: int, word: str, text: str) -> None:
    """Store an attribute."""
    before = group.attributes.get(word)
    if before is not None and word in _ONCE and plain(before) != plain(text):
        source.fail(
            position,
            f"{word} must be stated once in {group.kind} ({group.name[:60]}), not as "
            f"{plain(before)[:40]!r} and {plain(text)[:40]!r}",
        )
    group.attributes[word] = text


def _check_end(source: Source, end: int, stack: list[Group]) -> None:
    """Check that nothing but blanks and comments is left, and that all groups are closed."""
    rest = _END.match(source.text, end)
    where = rest.end() if rest else end
    if where < len(source.text):
        line = re.split(r"[\r\n]", source.text[where : where + 200], maxsplit=1)[0].strip()
        if line.startswith("/*"):
            source.fail(where, "the comment must end before the file does")
        source.fail(where, f"the text must be a Liberty statement, not {line[:60]!r}")
    if len(stack) > 1:
        last = stack[-1]
        source.fail(
            max(end - 1, 0), f"the file must not end inside group {last.kind} ({last.name[:60]})"
        )


def _arguments(text: str) -> str:
    """Text between parentheses without comments; strings without escapes."""
    if "/" in text:
        text = _PART.sub(lambda match: match[1] or " ", text)
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _value(text: str) -> str:
    """Text of a simple attribute without quotes and escapes."""
    text = text.strip()
    if text.startswith('"'):
        # Strings one after the other are one.
        text = "".join(match[1][1:-1] for match in _PART.finditer(text) if match[1])
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    return match[1] if match[1] in ('"', "\\") else " " if match[1].isspace() else match[0]
