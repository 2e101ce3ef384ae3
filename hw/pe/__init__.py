"""Processing elements: one file for each unit family."""
