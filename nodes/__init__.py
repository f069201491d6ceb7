"""The typed nodes: thin functions over the rooms that hold the methods, one file per stage of the pipeline."""

NODES = ()
