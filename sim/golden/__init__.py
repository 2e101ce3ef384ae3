"""Golden models: bit-accurate references in plain Python integers."""
