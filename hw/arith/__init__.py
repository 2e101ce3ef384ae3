"""Arithmetic building blocks in Amaranth."""
