"""Checks of a front: accuracy, units, ranking, energies."""
