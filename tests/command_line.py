"""The command line, built once for all tests that call it in their own process."""

from __future__ import annotations

from functools import cache
from typing import Any

from typer.main import get_command


@cache
def commands() -> Any:
    """What `app()` builds anew each time: that takes longer than most commands do."""
    from api_graph.cli.app import app

    return get_command(app)
