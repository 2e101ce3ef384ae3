"""Cost rows of units: synthesis, measurement, processes."""
