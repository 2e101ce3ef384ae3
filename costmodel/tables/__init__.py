"""Cost tables: look-up, shipped rows, default units."""
