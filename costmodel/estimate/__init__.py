"""Estimates of costs without synthesis, labelled as such."""
