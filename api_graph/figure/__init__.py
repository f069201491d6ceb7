"""Rows of a run as a figure for a paper: a grid of pictures and answers."""
