"""Why an endpoint gave no answer, as one line with a hint, and whether it is worth asking again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

from api_graph.errors import ApiGraphError
from api_graph.lvlm.remote.hints import OF_THE_REQUEST, Topic, hint_of, topic_of
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret, redact

Kind = Literal["passing", "request", "setup"]

_LONGEST_MESSAGE = 300
_PASSING = frozenset({408, 409, 425, 429})
_SETUP = frozenset({401, 402, 404, 405, 407})  # not 403: some filters reply so to a single picture
# What codes of errors mean that are words, by a part of them.
_NAMED = {
    "rate_limit": 429,
    "resource_exhausted": 429,
    "too_many": 429,
    "insufficient": 402,
    "billing": 402,
    "authentication": 401,
    "unauthenticated": 401,
    "permission": 403,
    "not_found": 404,
    "invalid": 400,
    "bad_request": 400,
    "badrequest": 400,
    "unsupported": 400,
}
_LONGEST_READ = 10_000  # characters of a message that are searched for a pause
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_UNITS = (
    rf"(?:(?P<h>{_NUMBER})\s*h(?:ours?|rs?)?(?![a-z])\s*)?(?:(?P<m>{_NUMBER})\s*m(?:in(?:ute)?s?)?(?![a-z])\s*)?"
    rf"(?:(?P<s>{_NUMBER})\s*s(?:ec(?:ond)?s?)?\b)?(?:(?P<ms>{_NUMBER})\s*m(?:illi)?s(?:ec(?:ond)?s?)?\b)?"
)
_DURATION = re.compile(rf"(?=\d){_UNITS}", re.IGNORECASE)
_ASKS = re.compile(
    rf"(?:again|retry|retrying|wait|available)\s+(?:request\s+)?(?:after|in|for|at least)?\s*(?:about\s+)?"
    rf"(?=\d){_UNITS}(?<=[a-z])",
    re.IGNORECASE,
)


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
    profile: Profile, secret: Secret | None, status: int, headers: Mapping[str, str], error: ServerError
) -> EndpointError:
    """What an error of the server means: one with this HTTP status, or within a reply whose status says success."""
    said = one_line(redact(error.message, profile, secret))
    problem = f"HTTP status {status}"
    if status < 400:
        inside = one_line(redact(error.code, profile, secret))
        problem += ", but an error in the reply" + (f" (code {inside})" if inside else "")
        status = _status_in(error.code)
    problem += f", and the server says: {said.rstrip('.')}" if said else ""
    asked = _asked_pause(headers)
    asked = error.delay if asked is None else asked
    topic = topic_of(error.code, error.message)
    # "Too many tokens per minute" is about the minute, and "billing" too where a pause is named; "the model is not
    # available" of a server that is busy loading it passes.
    if (status == 429 and (topic != "account" or error.delay is not None)) or (status == 503 and topic == "model"):
        topic = None
    return EndpointError(
        profile,
        problem,
        hint_of(profile, status, topic),
        kind=_kind(status, topic),
        status=status,
        retry_after=asked,
    )


def _kind(status: int, topic: Topic | None) -> Kind:
    if topic in ("account", "model"):
        return "setup"
    if topic in OF_THE_REQUEST and status not in _SETUP:
        return "request"
    return "passing" if status in _PASSING or status >= 500 else "setup" if status in _SETUP else "request"


def _status_in(code: str) -> int:
    """The HTTP status that an error's own code means; one that says nothing may pass."""
    if code.isascii() and code.isdigit() and 400 <= int(code[:4]) < 600:
        return int(code[:4])
    named = code.lower()
    return next((status for words, status in _NAMED.items() if words in named), 502)


def redirect_of(profile: Profile, status: int) -> EndpointError:
    """A redirect is an error: image and key go to the profile's own server, or nowhere."""
    hint = "Redirects are not followed: put the server's final URL into the profile."
    return EndpointError(profile, f"HTTP status {status}, a redirect", hint, kind="setup", status=status)


class ServerError(NamedTuple):
    """What a server says of an error, in its own words: do not trust them. `delay` is the pause that it asks for."""

    code: str = ""
    message: str = ""
    delay: float | None = None


def server_error(body: bytes) -> ServerError:
    """The error in the body of a reply with an HTTP error; empty where it says nothing."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        return ServerError() if text.lstrip().startswith("<") else ServerError("", text, _delay_in(text))
    return error_in(document, whole=True) or ServerError()


def error_in(document: object, *, whole: bool = False) -> ServerError | None:
    """The error that stands in a document (a reply, or one of its choices); None where there is none.

    With `whole` the document is known to be an error, in whatever form.
    """
    document = document[0] if isinstance(document, list) and document else document  # as Gemini wraps it
    error = document
    if isinstance(document, dict):
        marked = whole or document.get("object") == "error" or document.get("type") == "error"
        error = document.get("error") or (document if marked else None)
    elif not whole:
        return None
    if not error:
        return None
    if not isinstance(error, dict):
        return ServerError("", str(error), _delay_in(str(error)))
    message = error.get("message") or error.get("detail") or error.get("error") or ""
    if isinstance(message, list):  # as FastAPI lists faults
        message = "; ".join(map(_fault, message))
    code = error.get("code") or error.get("status") or error.get("type") or ""
    return ServerError(str(code), str(message), _delay_of(error, str(message)))


def _fault(fault: object) -> str:
    if not isinstance(fault, dict) or "msg" not in fault:
        return str(fault)
    where = fault.get("loc")
    place = ".".join(map(str, where)) if isinstance(where, list) else ""
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])


def one_line(text: str) -> str:
    """A server's text on one line: printable, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply's headers ask to wait."""
    named = {name.lower(): value for name, value in headers.items()}
    in_ms = _seconds(named.get("retry-after-ms", ""))
    return _seconds(named.get("retry-after", "")) if in_ms is None else in_ms / 1000


def _delay_of(error: Mapping[str, object], message: str) -> float | None:
    """Seconds that an error asks to wait: Google's RetryInfo, or its words."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        stated = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(stated, str) and (found := _DURATION.fullmatch(stated.strip())):
            return _duration(found)
    return _delay_in(message)


def _delay_in(text: str) -> float | None:
    """Seconds of "try again in 20s", "retry after 1m30.5s" and the like."""
    found = _ASKS.search(text[:_LONGEST_READ])
    return _duration(found) if found else None


def _duration(found: re.Match[str]) -> float:
    hours, minutes, seconds, ms = (float(found[name] or 0) for name in ("h", "m", "s", "ms"))
    return 3600 * hours + 60 * minutes + seconds + ms / 1000


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
