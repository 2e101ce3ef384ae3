"""Number formats: what a code word of so many bits stands for."""
