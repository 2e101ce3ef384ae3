"""Sensitivities: what each tensor loses in each format."""
