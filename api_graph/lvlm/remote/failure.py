"""Why an endpoint gave no answer, as one line with a hint, and whether it is worth asking again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

from api_graph.errors import ApiGraphError
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret, redact

Kind = Literal["passing", "request", "setup"]

_LONGEST_MESSAGE = 300
_PASSING = frozenset({408, 409, 425, 429})
_SETUP = frozenset({401, 404, 405, 407})  # not 403: some filters reply so to a single picture


class EndpointError(ApiGraphError):
    """There is no answer, and this is why.

    `kind`: "passing" may be over in a moment, "request" concerns this one request, and "setup" would happen to every
    request. `status` is HTTP's, if there was a reply; `retry_after` is how many seconds the server asked to wait.
    """

    def __init__(
        self,
        profile: Profile,
        problem: str,
        hint: str,
        *,
        kind: Kind,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.profile, self.problem, self.hint = profile.name, problem, hint
        self.kind, self.status, self.retry_after = kind, status, retry_after
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"endpoint {self.profile}: {self.problem}. {self.hint}"


def failure_of(
    profile: Profile, secret: Secret | None, status: int, headers: Mapping[str, str], body: bytes
) -> EndpointError:
    """What a reply with this HTTP status means."""
    code, message = server_error(body)
    said = one_line(redact(message, profile, secret))
    problem = f"HTTP status {status}" + (f", and the server says: {said.rstrip('.')}" if said else "")
    if code == "insufficient_quota":
        return EndpointError(profile, problem, "Look at the account's credit.", kind="setup", status=status)
    return EndpointError(
        profile,
        problem,
        _hint(profile, status),
        kind="passing" if status in _PASSING or status >= 500 else "request" if status not in _SETUP else "setup",
        status=status,
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


def redirect_of(profile: Profile, status: int) -> EndpointError:
    """A redirect is an error: image and key go to the profile's own server, or nowhere."""
    hint = "Redirects are not followed: put the server's final URL into the profile."
    return EndpointError(profile, f"HTTP status {status}, a redirect", hint, kind="setup", status=status)


def server_error(body: bytes) -> tuple[str, str]:
    """Code and message of an error reply, "" where it has none. Both are the server's own words: do not trust them."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        return "", "" if text.lstrip().startswith("<") else text
    document = document[0] if isinstance(document, list) and document else document  # as Gemini wraps it
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return "", "" if error is None else str(error)
    message = error.get("message") or error.get("detail") or ""
    return str(error.get("code") or ""), str(message)


def one_line(text: str) -> str:
    """A server's text on one line: printable, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"


def _hint(profile: Profile, status: int) -> str:
    key = f"${profile.key_env}" if profile.key_env else ""
    if status == 401:
        return f"Check the key in {key}." if key else "This server wants a key: set the profile's `key_env`."
    if status == 403:
        return f"See what the key in {key} may use." if key else "This server wants a key, or refuses this machine."
    hints = {
        404: "Check the profile's `base_url` (mostly it ends in /v1) and the model's id.",
        405: "Check the profile's `base_url`: mostly it ends in /v1.",
        408: "Ask again later.",
        413: "Send smaller or fewer images.",
        429: "Lower the profile's `concurrency`, or set its `requests_per_minute`.",
    }
    if status >= 500:
        return "Look into the server's log, or ask again later."
    return hints.get(
        status, "Some models refuse max_tokens or a temperature: see the profile's `token_field` and `send_sampling`."
    )


def _seconds(retry_after: str) -> float | None:
    """Seconds of a Retry-After header, which holds a number of them, or a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = _until(retry_after)
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None


def _until(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
