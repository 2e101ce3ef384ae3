"""Switching activity, glitches and energy of mapped netlists."""
