"""Benchmarks over graphs: a folder with a table, a folder of results for each graph, and their scores side by side.

`api_graph.bench` says what a benchmark is and how an answer is scored; here graphs are run and their results scored.
"""
