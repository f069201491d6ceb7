"""Loaded models, shared: two loader nodes with equal settings hold one model.

ComfyUI's cache shares results within one prompt only as long as it keeps them; this pool shares whatever is still alive
anywhere, and keeps nothing alive itself. Where the weights lie is ComfyUI's to say: `api_graph.comfy.placement`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary


class ModelPool:
    """Models that somebody still uses, by the settings they were loaded with."""

    def __init__(self) -> None:
        self._alive: WeakValueDictionary[str, Any] = WeakValueDictionary()

    def get(self, key: str, load: Callable[[], Any]) -> Any:
        """The model loaded with these settings: the one that is alive, else what `load` gives."""
        model = self._alive.get(key)
        if model is None:
            model = load()
            with suppress(TypeError):  # a value that takes no weak reference is not shared
                self._alive[key] = model
        return model


POOL = ModelPool()
