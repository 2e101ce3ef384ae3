"""Reductions: smaller problems with the same optima."""
