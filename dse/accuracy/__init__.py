"""Accuracy of allocations: measured and predicted."""
