"""Wrong copies of a Verilog text, each with one operator or constant changed."""

import random
import re
from dataclasses import dataclass

__all__ = ["Mutant", "mutants"]

#: What may stand in the place of each operator between two operands.
_BINARY = {
    "+": "-",
    "-": "+",
    "*": "+",
    "&": "|^",
    "|": "&^",
    "^": "|&",
    "<<": [">>"],
    ">>": ["<<"],
    ">>>": [">>"],
    "==": ["!="],
    "!=": ["=="],
    "<": ["<=", ">="],
    ">": [">=", "<="],
    "<=": ["<", ">"],
    ">=": [">", "<"],
}
#: Likewise before one operand.
_UNARY = {"~": [""], "!": [""], "-": [""], "|": ["&"], "&": ["|"], "^": ["|"]}

_DECLARATION = re.compile(r"\s*(module|endmodule|input|output|wire|reg|\(\*|\.|\)|$|macwright_)")
_TOKEN = re.compile(
    r"(?P<operator>(?<=\s)(?:[-+*&|^~!]|<<|>>>?|[=!]=|[<>]=?)(?=\s))"
    r"|(?P<width>\d+)'(?:s?h(?P<hex>[0-9a-f]+)|s?b(?P<bin>[01]+)|s?d(?P<dec>\d+))(?![0-9a-fxz?])"
    r"|(?P<condition>(?:\\\S+ |\w+)(?: ?\[[0-9:]+\])?)\s+\?"
    r"|if \((?P<test>[^()]*)\)"
)


@dataclass(frozen=True)
class Mutant:
    """A text with one change.

    Parameters
    ----------
    text : str
        The whole text.
    line : int
        Number of the line that was changed, from 1.
    before, after : str
        That line.
    """

    text: str
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.before.strip()} -> {self.after.strip()}"


def mutants(text: str, *, count: int, seed: str) -> list[Mutant]:
    """So many mutants at different places, fewer if there are fewer places.

    Parameters
    ----------
    text : str
        Verilog as Amaranth writes it.
    count : int
        How many.
    seed : str
        Of the choice: the same seed makes the same mutants of the same text.
    """
    lines, rng = text.splitlines(keepends=True), random.Random(seed)
    places = [
        (number, match)
        for number, line in enumerate(lines)
        if not _DECLARATION.match(line) and "$auto$" not in line
        for match in _TOKEN.finditer(line, _start(line))
    ]
    found = []
    for number, match in sorted(
        rng.sample(places, k=min(count, len(places))),
        key=lambda place: (place[0], place[1].start()),
    ):
        line = lines[number]
        changed = _changed(line, match, rng)
        whole = "".join([*lines[:number], changed, *lines[number + 1 :]])
        found.append(Mutant(whole, number + 1, line, changed))
    return found


def _start(line: str) -> int:
    """Where the expression begins: after the assignment, if there is one."""
    match = re.match(r"\s*(?:assign\s+)?[^=(]*?<?=\s", line)
    return match.end() - 1 if match else 0


def _changed(line: str, match: re.Match, rng: random.Random) -> str:
    """The line with what was matched changed."""
    if match["operator"]:
        before = line[: match.start()].rstrip()
        choices = _UNARY if before[-1:] in "=(?:{,&|^+-*~!<>" else _BINARY
        new = rng.choice(choices[match["operator"]])
        return line[: match.start()] + new + line[match.end() :]
    if match["width"]:
        width = int(match["width"])
        value = int(
            match["hex"] or match["bin"] or match["dec"],
            16 if match["hex"] else 2 if match["bin"] else 10,
        )
        value ^= 1 << rng.randrange(width)
        new = f"{width}'h{value:x}"
        return line[: match.start()] + new + line[match.end() :]
    name = "condition" if match["condition"] else "test"
    return line[: match.start(name)] + f"!({match[name]})" + line[match.end(name) :]
