"""Workloads, quantisation, sensitivity, search, report and the command line."""
