"""The official ComfyUI frontend, served on this machine over our executor: what `api-graph edit` opens.

The frontend is the pip package `comfyui-frontend-package`, unchanged; the routes and the socket are those that it asks
for. aiohttp is imported at the top of these modules: nothing imports them but the command and its tests. torch is not:
it is loaded while the page is.
"""

from __future__ import annotations

PACK = "api-graph"
"""The folder that our nodes lie in, as ComfyUI has it: scripts and help pages are looked for under this name."""
