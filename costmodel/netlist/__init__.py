"""Mapped netlists and their static timing."""
