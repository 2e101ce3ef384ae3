"""Parts of the temporal machine: the array that all layers share, and its requantisers.

There is no controller yet: `macwright build` builds dataflow machines.
"""
