"""Saved graphs: each opens in the editor and runs headless. And the picture that they show first."""
