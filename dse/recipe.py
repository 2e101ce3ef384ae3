"""Old place of :mod:`macwright.dse.data.recipe`, for scripts older than the rooms."""

from macwright.dse.data.recipe import Dataset, load_recipe

__all__ = ["Dataset", "load_recipe"]
