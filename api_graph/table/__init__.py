"""Tables: one graph run over many rows, and what came of it."""
