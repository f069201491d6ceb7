"""Benchmarks in their official layouts, read record by record.

A malformed record is a BadInput that names its file, line and field.
"""
