"""How much a browser, or whoever else reaches the server, may ask of it."""

from __future__ import annotations

MIB = 1 << 20

LARGEST_PROMPT = 16 * MIB
"""Bytes of one request's JSON: a graph of thousands of nodes, twice (as the editor draws it, and as it runs)."""

LARGEST_UPLOAD = 64 * MIB
"""Bytes of one picture."""

MOST_NODES = 10_000
"""Nodes of one prompt."""

MOST_PENDING = 100
"""Prompts that wait."""

MOST_PENDING_BYTES = 4 * LARGEST_PROMPT
"""Bytes of JSON of all prompts that wait."""

MOST_HISTORY = 200
"""Finished prompts that are remembered, the last ones, as far as `MOST_HISTORY_BYTES` allow."""

MOST_HISTORY_BYTES = 4 * LARGEST_PROMPT

MOST_SOCKETS = 64
"""Open pages."""

MOST_UNSENT = 2000
"""Messages that wait for one page to read them; a page that does not is cut off."""

MOST_PREVIEWS = 1000
"""Preview files in the temp folder; the oldest go first."""
