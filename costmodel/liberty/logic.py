"""Boolean expressions of Liberty files: syntax tree, truth table, probability."""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["Expression", "inputs_of", "parse_expression", "probability", "truth_table"]

#: `("var", name)`, `("const", bool)`, `("not", e)`, `("and" | "or" | "xor", left, right)`.
Expression = tuple

#: Operations in each other that an expression may have; those of libraries have some ten.
_DEEPEST = 100

_TOKEN = re.compile(r"""\s*([!'^*&+|()]|"?[A-Za-z_][\w.$]*(?:\[\d+\])?"?|[01])""")


@lru_cache(maxsize=65536)
def parse_expression(text: str) -> Expression:
    """Read a Liberty expression: `!`/`'` not, `*`/`&`/blank and, `^` xor, `+`/`|` or.

    Negation binds strongest, then exclusive or, then and, then or (Liberty user guide, as the
    open readers implement it).

    Parameters
    ----------
    text : str
        For example ``"!(A1 & A2)"`` or ``"(A B') + C"``.

    Returns
    -------
    Expression
        Nested tuples.

    Raises
    ------
    ValueError
        If it is not an expression, or one of more than a hundred operations in each other.

    Examples
    --------
    >>> parse_expression("!(A & B)")
    ('not', ('and', ('var', 'A'), ('var', 'B')))
    """
    tokens = [*_tokens(text), ""]
    place = depth = 0

    def fail() -> Expression:
        raise RefusedInput(f"Expression must be a Liberty function, not {text[:60]!r}")

    def primary() -> Expression:
        nonlocal place, depth
        token = tokens[place]
        place += 1
        depth += 1
        if depth > _DEEPEST:
            raise RefusedInput(f"Expression must be nested less deeply than {_DEEPEST} levels")
        if token == "!":
            inner = ("not", primary())
            depth -= 1
            return inner
        if token == "(":
            inner = either()
            if tokens[place] != ")":
                fail()
            place += 1
        elif token in ("0", "1"):
            inner = ("const", token == "1")
        elif token and token not in ")'^*&+|":
            inner = ("var", token)
        else:
            inner = fail()
        depth -= 1
        while tokens[place] == "'":
            place += 1
            inner = ("not", inner)
        return inner

    def exclusive() -> Expression:
        nonlocal place
        left = primary()
        while tokens[place] == "^":
            place += 1
            left = ("xor", left, primary())
        return left

    def both() -> Expression:
        nonlocal place
        left = exclusive()
        while tokens[place] and tokens[place] not in "+|)":
            place += tokens[place] in "*&"
            left = ("and", left, exclusive())
        return left

    def either() -> Expression:
        nonlocal place
        left = both()
        while tokens[place] and tokens[place] in "+|":
            place += 1
            left = ("or", left, both())
        return left

    tree = either()
    if place != len(tokens) - 1:
        fail()
    _check_depth(tree)
    return tree


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RefusedInput(f"Expression must be a Liberty function, not {text[:60]!r}")
        tokens.append(match[1].strip('"'))
        position = match.end()
    return tokens


def _check_depth(tree: Expression) -> None:
    """Check that what walks the tree will not run out of stack."""
    level, depth = [tree], 0
    while level:
        level = [branch for node in level if node[0] not in ("var", "const") for branch in node[1:]]
        depth += 1
        if depth > _DEEPEST:
            raise RefusedInput(f"Expression must be nested less deeply than {_DEEPEST} levels")


@lru_cache(maxsize=65536)
def inputs_of(tree: Expression) -> tuple[str, ...]:
    """Variables of an expression, in order of appearance, each once."""
    if tree[0] == "var":
        return (tree[1],)
    if tree[0] == "const":
        return ()
    return tuple(dict.fromkeys(name for branch in tree[1:] for name in inputs_of(branch)))


@lru_cache(maxsize=65536)
def truth_table(tree: Expression, variables: tuple[str, ...]) -> NDArray[np.bool_]:
    """Value of an expression for every assignment.

    Parameters
    ----------
    tree : Expression
        Function.
    variables : tuple of str
        Bit i of an assignment's index is the value of variable i.

    Returns
    -------
    ndarray of bool, shape (2**n_variables,)
        Read-only.

    Raises
    ------
    KeyError
        If the expression uses another variable.

    Examples
    --------
    >>> truth_table(parse_expression("A & !B"), ("A", "B")).astype(int).tolist()
    [0, 1, 0, 0]
    """
    table = _truth_table(tree, variables)
    table.setflags(write=False)
    return table


def _truth_table(tree: Expression, variables: tuple[str, ...]) -> NDArray[np.bool_]:
    kind = tree[0]
    if kind == "var":
        if tree[1] not in variables:
            raise KeyError(tree[1])
        return (np.arange(1 << len(variables)) >> variables.index(tree[1]) & 1).astype(bool)
    if kind == "const":
        return np.full(1 << len(variables), tree[1])
    first = _truth_table(tree[1], variables)
    if kind == "not":
        return ~first
    second = _truth_table(tree[2], variables)
    if kind == "and":
        return first & second
    return first | second if kind == "or" else first ^ second


def probability(table: NDArray[np.bool_], duties: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that a function is 1 when its inputs are independent.

    Parameters
    ----------
    table : ndarray of bool, shape (2**n,)
        Truth table.
    duties : ndarray of float64, shape (n, m)
        Probability that each input is 1, for m instances.

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    values = np.repeat(table[:, None].astype(np.float64), duties.shape[1], axis=1)
    for duty in duties[::-1]:
        half = len(values) // 2
        values = values[:half] * (1 - duty) + values[half:] * duty
    return values[0]
