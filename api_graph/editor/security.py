"""Who may ask: this machine's own pages, and, where the server listens to others, whoever has the token.

A page of some other site can make a browser send requests to this machine, and can have its own name resolve to it
(DNS rebinding). So the name in Host must be this machine's, and what a browser sends for another origin is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_COOKIE_DAYS = 30
_CSP = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # the frontend does not load without any of them
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",  # the page calls nobody but this server
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port, is this machine to itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guard(token: str | None) -> Middleware:
    """The middleware in front of every route. Without a token only loopback names are served."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None:
            if not is_loopback(_hostname(request.host)):
                raise web.HTTPForbidden(text="this server answers to localhost only")
        elif not _authorised(request, token):
            return _let_in(request, token)
        if _from_elsewhere(request):
            raise web.HTTPForbidden(text="requests of other sites are refused")
        return await handler(request)

    return check


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says to the browser. A signal of aiohttp, so that errors and files are covered as well."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _hostname(host: str) -> str:
    """`[::1]:8288` -> `::1`; "" for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _from_elsewhere(request: web.Request) -> bool:
    """Whether a browser sends this on behalf of a page of another origin."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        return True
    site = request.headers.get("Sec-Fetch-Site", "none")
    opened = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"  # a link was followed
    return site in ("cross-site", "same-site") and not opened


# ------------------------------------------------------------------------------------------------------- token


def _cookie_name(request: web.Request) -> str:
    # Cookies know no ports: two servers on one machine must not take each other's.
    return f"api_graph_{urlsplit(f'//{request.host}').port or 80}"


def _authorised(request: web.Request, token: str) -> bool:
    given = request.cookies.get(_cookie_name(request), "")
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return _equal(given, token) or _equal(bearer, token)


def _let_in(request: web.Request, token: str) -> web.StreamResponse:
    """Exchange the token in the address for a cookie, and take it out of the address."""
    if request.method != "GET" or not _equal(request.query.get("token", ""), token):
        raise web.HTTPUnauthorized(text="open the address that `api-graph edit` has printed: it carries the token")
    query = {key: value for key, value in request.query.items() if key != "token"}
    answer = web.Response(status=303, headers={"Location": str(request.rel_url.with_query(query))})
    answer.set_cookie(
        _cookie_name(request), token, max_age=_COOKIE_DAYS * 86400, path="/", httponly=True, samesite="Strict"
    )
    return answer


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
