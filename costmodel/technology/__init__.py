"""Technologies: what units are mapped to, and by which flow."""
