"""What layers may take, what connects them, and how hard a solver tries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from macwright.dse.solver.model.pairs import PairTerm

__all__ = ["AS_NEEDED", "NO_RULES", "Effort", "Rules"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What layers may take, alone and together, besides limits of totals.

    Parameters
    ----------
    ties : iterable of sequences of str
        Layers that take the option of the same name.
    allow : mapping from str to iterable of str, optional
        Shell patterns of layers to patterns of the options they may take.
    types : tuple of (str, int), optional
        Label column (or ``"option"``), such as the unit type, and how many different entries of
        it the allocation may use.
    pairs : iterable of (layer, option, layer, option, loss)
        Losses that two options add together, in the unit of the objective, any sign.

    Examples
    --------
    >>> Rules(ties=[["conv", "fc"]], allow={"fc": ["int8*"]}).types is None
    True
    """

    ties: Iterable[Sequence[str]] = ()
    allow: Mapping[str, Iterable[str]] | None = None
    types: tuple[str, int] | None = None
    pairs: Iterable[PairTerm] = ()


@dataclass(frozen=True, kw_only=True)
class Effort:
    """By which solver, and how long.

    Parameters
    ----------
    solver : {"auto", "cp-sat", "scip", "highs", "cbc"}
        ``"auto"`` chooses by size and kind of limits; the others are for comparison.
    time_limit_s : float, optional
        Wall-clock seconds after which the best so far is returned with its gap; of a front, for
        all points.
    most_points : int, default=1_000_000
        Longer lists of a front are thinned, and the gap of each point says what that can have
        cost.

    Examples
    --------
    >>> Effort(time_limit_s=10).solver
    'auto'
    """

    solver: str = "auto"
    time_limit_s: float | None = None
    most_points: int = 1_000_000


#: Every layer may take every option.
NO_RULES = Rules()
#: Until it is proved.
AS_NEEDED = Effort()
