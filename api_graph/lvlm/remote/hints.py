"""What helps, by what a server says: each hint belongs to words that are about it, and to no others."""

from __future__ import annotations

import re
from typing import Literal

from api_graph.lvlm.remote.profile import Profile

Topic = Literal[
    "account",
    "model",
    "vision",
    "count",
    "size",
    "context",
    "system",
    "picture",
    "detail",
    "tokens",
    "seed",
    "sampling",
]

_NOT = r"(?:not|n't|never|only|unsupported|unexpected|unknown|unrecognized|invalid|remove|instead)"
# The first that fits: what a message is about stands before what it mentions.
_SAID: tuple[tuple[Topic, str], ...] = (
    (
        "account",
        r"insufficient[\s_-]*(?:balance|credit|fund|quota)|not enough (?:credit|balance|quota)|payment required"
        r"|(?:out of|no|add|more|purchase) credits?\b|credit balance|billing|exceeded your current quota"
        r"|spend(?:ing)? limit",
    ),
    (
        "count",
        r"at most [1-9]\d* image|too many images|(?:number|count) of images|max(?:imum)? (?:of )?[1-9]\d* images"
        r"|more than [1-9]\d* images?",
    ),
    (
        "vision",
        r"(?:not|n't|cannot|can't)[^.]{0,40}(?:support|accept|take)[^.]{0,30}"
        r"(?:image|vision|multi-?modal|picture)"
        r"|(?:image|vision|multi-?modal|picture)[^.]{0,60}(?:not|n't) (?:supported|allowed|enabled|accepted|available)"
        r"|\bmmproj\b|not a (?:multi-?modal|vision)|at most 0 image|text-only|only (?:supports? )?text"
        r"|(?:image_url|content type)[^.]{0,40}only supported|unknown variant `?image_url|str type expected"
        r"|input should be a valid string|content must be a string|support image input",
    ),
    (
        "model",
        r"model[\s_]*not[\s_]*found|unknown model|no such model|invalid model\b|not a valid model|no endpoints found"
        r"|\bmodel\b[^.]{0,300}?(?:not found|not exist|n't exist|not available|no access)",
    ),
    (
        "size",
        r"entity too large|(?:image|picture|file|payload|request|body|base64|pixels?|dimensions?|data)\b[^.]{0,80}"
        r"(?:exceeds?|too (?:large|big)|over the limit|larger than|maximum (?:size|allowed))"
        r"|maximum (?:image|file|request|payload) size",
    ),
    (
        "context",
        r"context[\s_]*(?:length|window|size)|prompt is too long|too many (?:input )?tokens|input (?:is )?too long"
        r"|max_model_len|exceeds? the (?:available )?context|token limit",
    ),
    (
        "system",
        r"system[\s_]*(?:role|message|prompt|instruction)s?\b[^.]{0,60}"
        r"(?:not|n't|unsupported|only|must)|developer instruction|roles must alternate"
        r"|(?:not|n't)[^.]{0,40}system (?:role|message|prompt|instruction)|role\W{0,3}system",
    ),
    ("tokens", r"max_(?:completion_|output_|new_)?tokens"),
    ("detail", rf"{_NOT}\b[^.]{{0,40}}\bdetail\b|\bdetail\b[^.]{{0,40}}{_NOT}\b"),
    ("seed", rf"\bseed\b[^.]{{0,60}}{_NOT}\b|{_NOT}\b[^.]{{0,60}}\bseed\b"),
    ("sampling", r"\btemperature\b|\btop_p\b"),
    (
        "picture",
        r"base64|image (?:format|type)|media[\s_]type|mime|"
        r"(?:invalid|corrupt|unsupported|bad|decode|load|process|read|parse)[^.]{0,40}(?:image|picture)",
    ),
)
_TOPICS: tuple[tuple[Topic, re.Pattern[str]], ...] = tuple(
    (topic, re.compile(words, re.IGNORECASE)) for topic, words in _SAID
)

_HELPS: dict[Topic, str] = {
    "account": "Look at the account's credit, and at the limits of its key.",
    "model": "Check the model's id in the profile's `models`; a server of your own must have it loaded or pulled.",
    "count": "Send fewer images, or let the server take more (vLLM: --limit-mm-per-prompt).",
    "vision": "This model takes no images: name one that sees, or start the server with its vision part.",
    "size": 'Send smaller or fewer images: the profile\'s `max_side = 1536`, or `picture_format = "jpeg"`.',
    "context": "Send smaller or fewer images (the profile's `max_side`) or a shorter text, or raise its context.",
    "system": "This model takes no system prompt: leave it empty, and put its words into the question.",
    "picture": 'The server cannot read the picture: try the profile\'s `picture_format = "jpeg"`.',
    "detail": 'Set the profile\'s `detail = "none"`.',
    "tokens": 'Set the profile\'s `token_field = "max_completion_tokens"`, or ask for fewer `max_tokens`.',
    "seed": "Set the profile's `send_seed = false`.",
    "sampling": "Set the profile's `send_sampling = false`.",
}
OF_THE_REQUEST = frozenset(
    {"count", "vision", "size", "context", "system", "picture", "detail", "tokens", "seed", "sampling"}
)
"""Topics of what was sent: the same request fails again, whatever the status."""


def topic_of(code: str, message: str) -> Topic | None:
    """What a server's error is about; None where its words do not say."""
    said = f"{code} {message}"
    return next((topic for topic, words in _TOPICS if words.search(said)), None)


def hint_of(profile: Profile, status: int, topic: Topic | None) -> str:
    """What helps against an error with this HTTP status and topic."""
    if topic is not None and status not in (401, 408):
        return _HELPS[topic]
    key = f"${profile.key_env}" if profile.key_env else ""
    if status == 401:
        return f"Check the key in {key}." if key else "This server wants a key: set the profile's `key_env`."
    if status == 403:
        return f"See what the key in {key} may use." if key else "This server wants a key, or refuses this machine."
    hints = {
        402: _HELPS["account"],
        404: "Check the profile's `base_url` (mostly it ends in /v1) and the model's id.",
        405: "Check the profile's `base_url`: mostly it ends in /v1.",
        408: "Ask again later.",
        413: _HELPS["size"],
        429: "Lower the profile's `concurrency`, or set its `requests_per_minute`.",
    }
    if status >= 500:
        return "Look into the server's log, or ask again later."
    return hints.get(status, "The server refuses this request: its documentation or its log says why.")
