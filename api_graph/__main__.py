"""`python -m api_graph` is `api-graph`."""

from __future__ import annotations

from api_graph.cli import main

if __name__ == "__main__":
    main()
