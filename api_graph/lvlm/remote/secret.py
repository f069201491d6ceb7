"""Keys: read when a request is made, shown to nobody, and masked in everything that a server says."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from api_graph.errors import BadInput
from api_graph.lvlm.remote.profile import Profile

MASK = "***"
_PRINTABLE = re.compile(r"[!-~]+")
_SHORT = 8  # a key below this many characters may be a part of ordinary words
_LOOKS_LIKE_A_KEY = re.compile(r"(?i)\bbearer\s+[^\s\"',;]+|\bsk-[^\s\"',;]{6,}")


class Secret:
    """A key. Only `reveal` gives its text: `repr`, `str` and formats do not, and it cannot be pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The key itself, for the Authorization header of its own server."""
        return self._text

    def masked_in(self, text: str) -> str:
        """`text` with the key masked, in upper or lower case."""
        key = re.escape(self._text)
        if len(self._text) < _SHORT:
            key = rf"(?<![A-Za-z0-9]){key}(?![A-Za-z0-9])"
        return re.sub(key, MASK, text, flags=re.IGNORECASE)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


def key_of(profile: Profile) -> Secret | None:
    """The profile's key, from the environment; None for a server that wants none. Raises BadInput if it is not set."""
    if profile.key_env is None:
        return None
    text = os.environ.get(profile.key_env, "").strip()
    if not text:
        hint = f"Set it to the key of the endpoint {profile.name}."
        raise BadInput("this environment variable is not set", input=profile.key_env, hint=hint)
    if not _PRINTABLE.fullmatch(text):
        hint = "Copy the key again."
        raise BadInput("holds spaces or other characters that no key has", input=profile.key_env, hint=hint)
    return Secret(text)


def redact(text: str, profile: Profile, secret: Secret | None) -> str:
    """`text` without the key, without anything that looks like one, and without the profile's URL."""
    text = secret.masked_in(text) if secret else text
    text = _LOOKS_LIKE_A_KEY.sub(MASK, text)
    for url in (profile.base_url, str(profile.origin), f"{profile.host}:{profile.origin.port}"):
        text = re.sub(re.escape(url), MASK, text, flags=re.IGNORECASE)
    return text
