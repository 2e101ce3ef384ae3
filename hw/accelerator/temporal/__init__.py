"""The temporal machine: one array that all layers share, one after the other.

`compile_network` makes a program of an integer network; `TemporalMachine` is the hardware that
runs it: controller (`issue`), array, requantisers (`lane`), memories and both ends.
"""
