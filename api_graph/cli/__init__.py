"""The `api-graph` command."""

from api_graph.cli.exits import main

__all__ = ["main"]
