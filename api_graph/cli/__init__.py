"""The `api-graph` command."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line. Ends the process: see `api_graph.cli.exits` for the exit codes."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a Ψ must not end a run where the terminal has none
    from api_graph.cli.interrupts import interruptible

    with interruptible():  # before anything slow is imported: Ctrl-C may come at any time
        from api_graph.cli.app import app

        app(prog_name="api-graph")
