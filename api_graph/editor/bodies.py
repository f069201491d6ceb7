"""Reading what a request brings, within bounds."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


async def json_body(request: web.Request) -> Any:
    """The request's JSON. A body that is too large is answered 413 by aiohttp; one that is no JSON is a 400."""
    data = await request.read()
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="the body is not JSON that can be read") from None


async def json_object(request: web.Request) -> dict[str, Any]:
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
