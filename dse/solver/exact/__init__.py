"""Exact methods of our own."""
