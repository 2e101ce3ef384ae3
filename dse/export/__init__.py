"""Points of a run in the files of other tools: one exporter a file, one table of them."""
