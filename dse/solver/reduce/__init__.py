"""Reductions: a smaller problem with the same optima, and the way back.

:func:`~macwright.dse.solver.reduce.restriction.restrict` leaves out options,
:func:`~macwright.dse.solver.reduce.dominance.drop_dominated` those that no best choice needs, and
:func:`~macwright.dse.solver.reduce.merge_pairs.merge_pairs` turns pairwise terms into options of
larger groups. What each returns has the smaller `groups`, ``expand(chosen)`` and
``outcome(outcome)``.
"""
