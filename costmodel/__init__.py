"""Technologies, synthesis, activity and cost tables."""
