"""A grid's results: the score of each setting with its interval, as figures, tables and curves."""
