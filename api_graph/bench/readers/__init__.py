"""Benchmarks in their official layouts, read record by record."""
