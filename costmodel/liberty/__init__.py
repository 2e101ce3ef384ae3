"""Liberty files: cells, their logic and their tables."""
