"""Options of hardware that is chosen with the formats."""
