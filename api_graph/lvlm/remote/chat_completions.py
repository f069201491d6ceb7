"""Chat completions, as OpenAI defined them: the body that asks a request, and the answer in a reply."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from api_graph.json_values import JsonObject
from api_graph.lvlm.remote.failure import ServerError, error_in
from api_graph.lvlm.remote.pictures import data_url, hint_if_large
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret
from api_graph.lvlm.request import Answer, Request, Sampling

_REFUSALS = frozenset({"content_filter", "refusal", "safety"})
_CUT = frozenset({"length", "max_tokens"})
_FILTERED = frozenset({"content_filter", "content_policy_violation"})  # codes of error replies
_UNSAID = re.compile("think|thought|reason|tool|function", re.IGNORECASE)  # kinds of parts that are no answer
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
# As models write it: <think>, <thinking>, <thought>, <reasoning>, <seed:think>, [THINK], ◁think▷.
_KIND = r"(?:\w{1,20}:)?(?:think|thinking|thought|reasoning)"
_TAGS = re.compile(
    rf"(?P<open>^[ \t]*(?:<{_KIND}>|\[{_KIND}\]|◁{_KIND}▷))|(?P<close></{_KIND}>|\[/{_KIND}\]|◁/{_KIND}▷)",
    re.IGNORECASE | re.MULTILINE,
)
_COMMENT = b":"  # begins a line with which a proxy keeps the connection open
_HINT = "Is this an OpenAI-compatible server? See `base_url`."
_LESS_THOUGHT = "Turn the model's thinking off at the server, or give it more `max_tokens`."
_LONGEST_ID = 256


class Malformed(ValueError):
    """A reply without an answer. Its text says what it is, and `hint` what helps."""

    def __init__(self, problem: str, hint: str = _HINT) -> None:
        super().__init__(problem)
        self.hint = hint


class ErrorInside(ValueError):
    """A reply whose HTTP status says success, and which holds an error."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.code)
        self.error = error


def chat_body(request: Request, model: str, sampling: Sampling, profile: Profile) -> bytes:
    """The JSON body that asks `request`: its text, and its images in order, as data URLs."""
    text: JsonObject = {"type": "text", "text": request.question}
    detail: JsonObject = {} if profile.detail == "none" else {"detail": profile.detail}
    images: list[JsonObject] = [
        {"type": "image_url", "image_url": {"url": data_url(image, profile), **detail}} for image in request.images
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
    written = json.dumps(body).encode()
    hint_if_large(profile, len(written))
    return written


def refused(code: str) -> bool:
    """Whether an error reply's code says that the request was filtered: some servers refuse in this way."""
    return code in _FILTERED


def read_answer(
    body: bytes, model: str, seconds: float, secret: Secret | None, *, keep_reasoning: bool = False
) -> Answer:
    """The answer in the body of a reply; if it repeats the key, the key is masked.

    What the model wrote before its answer, to itself, is taken off unless it is to be kept. Raises Malformed where
    there is no answer, ErrorInside where there is an error instead.
    """
    document = _document(body)
    choice = _first(document.get("choices"))
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("the reply is no chat completion: it has no choices[0].message")
    ended = str(choice.get("finish_reason") or "stop").lower()
    reason = "length" if ended in _CUT else "stop"
    tokens, served = _completion_tokens(document.get("usage")), document.get("model")
    if ended in _REFUSALS or message.get("refusal") or _refuses(message.get("content")):
        text, reason = "", "refusal"
    else:
        said = _text(message.get("content"))
        text = said if keep_reasoning else without_reasoning(said)
        if not text.strip():
            raise _no_answer(message, said, tokens if reason == "length" else None)
    return Answer(
        text=_clean(text, secret),
        tokens=tokens,
        seconds=seconds,
        model=_identifier(_clean(served, secret)) if isinstance(served, str) and served else model,
        finish_reason=reason,
    )


def without_reasoning(text: str) -> str:
    """What stands after a model's reasoning: blocks of it that begin a line, or whose beginning the prompt holds.

    A block that does not end leaves what stands before it.
    """
    kept: list[str] = []
    begun: int | None = None
    after = 0
    for tag in _TAGS.finditer(text):
        if tag["open"]:
            begun = tag.start() if begun is None else begun
        elif begun is not None or not kept:
            if begun is not None:
                kept.append(text[after:begun])
            begun, after = None, tag.end()
    kept.append(text[after:begun])
    return "".join(kept).strip() if after or begun is not None else text


def _document(body: bytes) -> dict[str, object]:
    if body.startswith(_COMMENT):
        body = b"\n".join(line for line in body.split(b"\n") if not line.startswith(_COMMENT))
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
        fault = "it is not JSON" if body.strip() else "it is empty"
    else:
        fault = "it is no JSON object"
    error = error_in(document)
    if error is not None:
        raise ErrorInside(error)
    if not isinstance(document, dict):
        raise Malformed(f"the reply is no chat completion: {fault}")
    return document


def _first(choices: object) -> dict[str, object]:
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Malformed("the reply is no chat completion: it has no choices[0]")
    choice = choices[0]
    error = error_in({"error": choice.get("error")})
    if error is None and str(choice.get("finish_reason")).lower() == "error":
        error = error_in({"error": choice.get("message")}) or ServerError()
        error = error._replace(message=error.message or "the answer ended with an error")
    if error is not None:
        raise ErrorInside(error)
    return choice


def _text(content: object) -> str:
    """The text of a message's content: a text, or parts of any kind, without those that are thoughts or calls."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    return "".join(map(_part, content))


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or _is_thought(part):
        return ""
    text = part.get("text")
    text = text.get("value") if isinstance(text, dict) else text
    return text if isinstance(text, str) else ""


def _refuses(content: object) -> bool:
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("refusal") for part in content)


def _no_answer(message: Mapping[str, object], said: str, cut_after: int | None) -> Malformed:
    """Why a message has no text, and what helps. `cut_after` are the tokens of an answer that was cut."""
    calls = message.get("tool_calls") or message.get("function_call")
    if calls:
        first = calls[0] if isinstance(calls, list) else {"function": calls}
        function = first.get("function") if isinstance(first, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        called = f"the tool {name}" if isinstance(name, str) and name else "a tool"
        return Malformed(f"the model called {called} instead of answering", "Let the server answer without tools.")
    content = message.get("content")
    thought = said.strip() or any(message.get(name) for name in _REASONING_FIELDS)
    thought = thought or (isinstance(content, list) and any(map(_is_thought, content)))
    if cut_after is not None:
        spent = f"its {cut_after} tokens" if cut_after else "all of its tokens"
        return Malformed(f"the model used up {spent} before it gave an answer", _LESS_THOUGHT)
    if thought:
        return Malformed("the model thought, and then gave no answer", _LESS_THOUGHT)
    if isinstance(content, str):
        return Malformed("the model gave an empty answer", "Ask in other words, or look at the server's chat template.")
    hint = "Look at the server's log; a model that thinks may need it turned off, or more `max_tokens`."
    return Malformed("the reply has no text in choices[0].message.content", hint)


def _is_thought(part: object) -> bool:
    return isinstance(part, dict) and bool(part.get("thought") is True or _UNSAID.search(str(part.get("type") or "")))


def _completion_tokens(usage: object) -> int:
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    count = int(count) if isinstance(count, float) and count.is_integer() else count
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _clean(text: str, secret: Secret | None) -> str:
    """`text` as UTF-8 can hold it (JSON can hold half a surrogate pair), without the key."""
    text = text.encode("utf-8", "replace").decode()
    return secret.masked_in(text) if secret else text


def _identifier(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST_ID]
