"""From a file to parsed JSON: a .json file, or the graph that ComfyUI embeds in a saved PNG or WebP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_graph.graph.faults import file_error
from api_graph.graph.images import embedded_texts, is_image
from api_graph.graph.words import path_words

LARGEST_FILE = 64 * 2**20
MOST_NODES = 100_000

_EXPORT_AGAIN = "Export it again from the editor."


class Repeated(dict[str, Any]):
    """A JSON object in which `keys_twice` are written more than once; `dict` would keep the last, silently."""

    keys_twice: tuple[str, ...] = ()


def load_document(path: Path) -> Any:
    """The JSON in a file, or the `{"prompt": ..., "workflow": ...}` embedded in an image. Raises GraphError."""
    data, name = _read(path), path_words(path)
    if is_image(data):
        return _embedded(data, name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise file_error(
            f"{name} is not UTF-8 text", "Give a graph's .json file, or a PNG with a graph in it."
        ) from None
    return _parse(text, name)


def _read(path: Path) -> bytes:
    name = path_words(path)
    try:
        if path.is_dir():
            raise file_error(f"{name} is a folder", "Name the graph's file in it.")
        if path.exists() and not path.is_file():
            raise file_error(f"{name} is not a plain file", "Give a graph's .json file.")
        if path.stat().st_size > LARGEST_FILE:
            raise file_error(f"{name} is larger than {LARGEST_FILE // 2**20} MB", "Is it a graph?")
        return path.read_bytes()
    except FileNotFoundError:
        raise file_error(f"there is no file {name}", "Check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise file_error(f"{name} cannot be read ({reason})", "Check the path and its permissions.") from None


def _parse(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        problem = f"{name} is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}"
        raise file_error(problem, "Mend it there, or export it again from the editor.") from None
    except RecursionError:
        raise file_error(f"{name} nests too deeply", _EXPORT_AGAIN) from None
    except ValueError:  # an integer of thousands of digits
        raise file_error(f"{name} holds a number with too many digits", _EXPORT_AGAIN) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    times = Counter(key for key, _ in pairs)
    repeated = Repeated(plain)
    repeated.keys_twice = tuple(key for key in plain if times[key] > 1)
    return repeated


def _embedded(data: bytes, name: str) -> Mapping[str, Any]:
    """ComfyUI writes `prompt` (API format) and usually `workflow` (the editor's own format); one of them will do."""
    texts = embedded_texts(data)
    document = {key: _parse(texts[key], f"the {key} in {name}") for key in ("prompt", "workflow") if key in texts}
    if not document:
        raise file_error(f"{name} has no graph in it", "Give a picture that ComfyUI saved, or the graph's .json file.")
    return document
