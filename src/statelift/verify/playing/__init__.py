"""Two programs and events -> where they part."""
