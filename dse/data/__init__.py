"""Recipes: samples of a model and how its task is scored."""
