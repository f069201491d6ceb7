"""Answers that several routes give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".avif": "image/avif",
}
"""Files of users that a browser may show; all others it can only download, so that none can bring a script."""


def refusal(status: int, error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    """ComfyUI's answer to a prompt that cannot run."""
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=status)


def user_file(path: Path) -> web.FileResponse:
    """A file from one of the user's folders."""
    kind = TYPES.get(path.suffix.lower())
    if kind is not None:
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": "no-cache"})
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
    return web.FileResponse(path, headers=headers)
