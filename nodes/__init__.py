"""The typed nodes: thin functions over the rooms that hold the methods, one file per stage of the pipeline.

`pack` lists them. Nothing is imported here: who makes keys (`fingerprints`) waits for no model.
"""
