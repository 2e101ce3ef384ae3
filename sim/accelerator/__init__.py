"""Whole machines: what they compute, and their benches."""
