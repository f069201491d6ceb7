"""Chat completions, as OpenAI defined them: the body that asks a request, and the answer in a reply."""

from __future__ import annotations

import base64
import io
import json
import threading

from PIL import Image

from api_graph.errors import BadInput
from api_graph.json_values import JsonObject
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.pixels.read import to_rgb_or_rgba

_REFUSALS = frozenset({"content_filter", "refusal", "safety"})
_CUT = frozenset({"length", "max_tokens"})
_FILTERED = frozenset({"content_filter", "content_policy_violation"})  # codes of error replies
_LONGEST_ID = 256
_FAST = 1  # zlib's level: photographs shrink little, and time spent here is time that the server is idle
_loading = threading.Lock()  # Pillow reads a file when its pixels are needed, and only one thread may do so


class Malformed(ValueError):
    """A reply that is no chat completion. Its text says what was missing."""


def chat_body(request: Request, model: str, sampling: Sampling, profile: Profile) -> bytes:
    """The JSON body that asks `request`: its text, and its images in order, as PNG data URLs."""
    text: JsonObject = {"type": "text", "text": request.question}
    images: list[JsonObject] = [
        {"type": "image_url", "image_url": {"url": data_url(image), "detail": profile.detail}}
        for image in request.images
    ]
    content = [text, *images] if profile.order == "text_first" else [*images, text]
    messages: list[JsonObject] = [{"role": "system", "content": request.system}] if request.system else []
    body: JsonObject = {
        "model": model,
        "messages": [*messages, {"role": "user", "content": content}],
        profile.token_field: sampling.max_tokens,
    }
    if profile.send_sampling:
        body["temperature"] = sampling.temperature
        if profile.send_seed and sampling.temperature > 0:  # greedy answers need none, and Gemini refuses it
            body["seed"] = sampling.seed
    return json.dumps(body).encode()


def data_url(image: Image.Image) -> str:
    """`image` as a PNG of its RGB values alone: a file's notes on camera and location stay on this machine.

    Raises BadInput for an image without pixels.
    """
    if not image.width or not image.height:
        raise BadInput("an image has no pixels", input="images", value=image.size, hint="Give another.")
    with _loading:
        image.load()
    bare = to_rgb_or_rgba(image).convert("RGB")
    bare.info = {}
    file = io.BytesIO()
    bare.save(file, "PNG", compress_level=_FAST)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def refused(code: str) -> bool:
    """Whether an error reply's code says that the request was filtered: some servers refuse in this way."""
    return code in _FILTERED


def read_answer(body: bytes, model: str, seconds: float, secret: Secret | None) -> Answer:
    """The answer in the body of a reply; if it repeats the key, the key is masked. Raises Malformed."""
    document = _document(body)
    choice = _first(document.get("choices"))
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("it has no choices[0].message")
    ended = str(choice.get("finish_reason") or "stop").lower()
    reason = "length" if ended in _CUT else "stop"
    if ended in _REFUSALS or message.get("refusal"):
        text, reason = "", "refusal"
    else:
        text = _text(message.get("content"), reason)
    served = document.get("model")
    return Answer(
        text=_clean(text, secret),
        tokens=_completion_tokens(document.get("usage")),
        seconds=seconds,
        model=_identifier(_clean(served, secret)) if isinstance(served, str) and served else model,
        finish_reason=reason,
    )


def _document(body: bytes) -> dict[str, object]:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
        fault = "it is not JSON" if body.strip() else "it is empty"
    else:
        fault = "it is no JSON object"
    if not isinstance(document, dict):
        raise Malformed(fault)
    return document


def _first(choices: object) -> dict[str, object]:
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Malformed("it has no choices[0]")
    return choices[0]


def _text(content: object, reason: str) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str))
    if content is None and reason == "length":  # all tokens went into the model's reasoning
        return ""
    raise Malformed("it has no text in choices[0].message.content")


def _completion_tokens(usage: object) -> int:
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _clean(text: str, secret: Secret | None) -> str:
    """`text` as UTF-8 can hold it (JSON can hold half a surrogate pair), without the key."""
    text = text.encode("utf-8", "replace").decode()
    return secret.masked_in(text) if secret else text


def _identifier(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST_ID]
