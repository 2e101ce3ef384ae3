"""What a search found."""

from dataclasses import dataclass, field

from macwright.dse.search.points import Point
from macwright.dse.solver.front import Front

__all__ = ["SearchResult"]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Points to report.

    Attributes
    ----------
    front, uniforms : list of Point
        Points of the front by rising cost, and baselines.
    size : int
        Points of the whole front, of which `front` is a selection.
    columns : dict from str to str
        Cost columns and their units.
    solver : str
        What found and proved the front.
    measured : set of str
        Names of the points to measure, of the front and of the baselines.
    confirmed : int
        Points that OR-Tools proved again, on its own.
    complete : bool
        False if the time was too short for some point.
    whole : Front or None
        The whole front, where it was found at one clock.
    wholes : list of (float or None, Front)
        Clocks with the whole front at each, where those were found.
    sequential, beside : list of Point
        Best choice of hardware after the formats, and the joint choice at the same cost.
    """

    front: list[Point]
    uniforms: list[Point]
    size: int
    columns: dict[str, str]
    solver: str
    measured: frozenset[str] = frozenset()
    confirmed: int = 0
    complete: bool = True
    whole: Front | None = None
    wholes: list[tuple[float | None, Front]] = field(default_factory=list)
    sequential: list[Point] = field(default_factory=list)
    beside: list[Point] = field(default_factory=list)
