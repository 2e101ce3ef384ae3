"""Arrays, engines and memories around the units."""
