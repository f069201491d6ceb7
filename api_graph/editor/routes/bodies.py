"""What requests bring, read within bounds, and answers that several routes give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

PICTURES = (*TYPES, ".tif", ".tiff")
"""Endings of the files that are uploaded as pictures, and listed as such."""


def refusal(status: int, error: dict[str, object], node_errors: dict[str, object] | None = None) -> web.Response:
    """ComfyUI's answer to a prompt that cannot run."""
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=status)


def user_file(path: Path) -> web.FileResponse:
    """A file from one of the user's folders."""
    kind = TYPES.get(path.suffix.lower())
    if kind is not None:
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": "no-cache"})
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
    return web.FileResponse(path, headers=headers)


@contextmanager
def disk_errors() -> Iterator[None]:
    """What the disk refuses is said in one line."""
    try:
        yield
    except OSError as error:
        raise web.HTTPInsufficientStorage(text=f"it cannot be kept: {error.strerror or error}") from error


async def json_body(request: web.Request) -> object:
    """The request's JSON. A body that is too large is answered 413 by aiohttp; one that is no JSON is a 400."""
    data = await request.read()
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="the body is not JSON that can be read") from None


async def json_object(request: web.Request) -> dict[str, object]:
    """The request's JSON object; {} for an empty body."""
    if not request.can_read_body:
        return {}
    body = await json_body(request)
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object")
    return body


def whole_number(text: str | None, default: int, most: int) -> int:
    """A query's whole number from 0 to `most`; anything else counts as `default`."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return default
    return min(int(text), most)
