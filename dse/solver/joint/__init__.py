"""Hardware chosen together with the options."""
