"""facevoice."""
