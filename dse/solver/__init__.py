"""Choice of one option for each layer: proved optima and whole fronts of anybody's table.

:func:`solve` and :func:`front` choose options; :func:`choose_temporal` and :func:`choose_dataflow`
choose the hardware with them, and the functions named sequential choose it afterwards.
"""

from macwright.dse.solver.confirm import confirm
from macwright.dse.solver.front import Front, front
from macwright.dse.solver.front3 import front_of_three
from macwright.dse.solver.joint.dataflow import choose_dataflow
from macwright.dse.solver.joint.problem import ArrayShape, JointChoice
from macwright.dse.solver.joint.sequential import (
    FormatFront,
    sequential_dataflow,
    sequential_temporal,
)
from macwright.dse.solver.joint.temporal import choose_temporal
from macwright.dse.solver.model.problem import Budget, Count
from macwright.dse.solver.model.rules import Effort, Rules
from macwright.dse.solver.model.solution import Solution
from macwright.dse.solver.model.table import OptionTable
from macwright.dse.solver.solve import solve
from macwright.hw.errors import Infeasible

__all__ = [
    "ArrayShape",
    "Budget",
    "Count",
    "Effort",
    "FormatFront",
    "Front",
    "Infeasible",
    "JointChoice",
    "OptionTable",
    "Rules",
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
