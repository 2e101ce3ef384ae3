"""Choice of one option for each layer: proved optima and whole fronts of anybody's table.

:func:`solve` and :func:`front` choose options; :func:`choose_temporal` and :func:`choose_dataflow`
choose the hardware with them, and the functions named sequential choose it afterwards.
"""

from macwright.dse.solver.confirm import confirm
from macwright.dse.solver.front import Front, front
from macwright.dse.solver.front3 import front_of_three
from macwright.dse.solver.infeasible import Infeasible
from macwright.dse.solver.joint import ArrayShape, JointChoice
from macwright.dse.solver.joint_dataflow import choose_dataflow
from macwright.dse.solver.joint_sequential import sequential_dataflow, sequential_temporal
from macwright.dse.solver.joint_temporal import choose_temporal
from macwright.dse.solver.problem import Budget, Count
from macwright.dse.solver.solution import Solution
from macwright.dse.solver.solve import solve
from macwright.dse.solver.table import OptionTable

__all__ = [
    "ArrayShape",
    "Budget",
    "Count",
    "Front",
    "Infeasible",
    "JointChoice",
    "OptionTable",
    "Solution",
    "choose_dataflow",
    "choose_temporal",
    "confirm",
    "front",
    "front_of_three",
    "sequential_dataflow",
    "sequential_temporal",
    "solve",
]
