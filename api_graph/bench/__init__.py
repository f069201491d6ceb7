"""Benchmarks: readers of data sets, scorers of maps and answers, and the statistics of both."""
