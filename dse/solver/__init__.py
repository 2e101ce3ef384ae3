"""Choice of one option for each layer: proved optima and whole fronts of anybody's table."""

from macwright.dse.solver.confirm import confirm
from macwright.dse.solver.front import Front, front
from macwright.dse.solver.infeasible import Infeasible
from macwright.dse.solver.problem import Budget, Count
from macwright.dse.solver.solution import Solution
from macwright.dse.solver.solve import solve
from macwright.dse.solver.table import OptionTable

__all__ = [
    "Budget",
    "Count",
    "Front",
    "Infeasible",
    "OptionTable",
    "Solution",
    "confirm",
    "front",
    "solve",
]
