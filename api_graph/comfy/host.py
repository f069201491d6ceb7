"""What ComfyUI offers a running node: its folders, its progress bar, its stop button.

Each function does without ComfyUI too, so that a class can be tried where there is none.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from api_graph.comfy.placement import devices
from api_graph.context import Context, SaveContext
from api_graph.errors import Cancelled
from api_graph.folders import Folders
from api_graph.settings import shipped_graphs

MODEL_FOLDER = "api_graph"
_MODEL_FOLDERS = (MODEL_FOLDER, "clip", "clip_vision", "LLM", "VLM")


class _Bar(Protocol):
    """ComfyUI's progress bar."""

    def update_absolute(self, value: int, total: int) -> object: ...


def register_model_folder() -> None:
    """Make `models/api_graph` a folder of its own in ComfyUI, beside those that extra_model_paths.yaml names for it."""
    try:
        import folder_paths  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    path = os.path.join(folder_paths.models_dir, MODEL_FOLDER)
    if path not in _model_paths(MODEL_FOLDER):
        folder_paths.add_model_folder_path(MODEL_FOLDER, path)


def host_folders() -> Folders:
    """Where ComfyUI reads and writes. No path in a graph is trusted: whoever reaches the server may have sent it.

    What the shipped graphs open with is found as well, so that they run as soon as they are dropped onto the canvas.
    """
    try:
        import folder_paths  # pyright: ignore[reportMissingImports]
    except ImportError:
        return Folders(inputs=(), output=Path("output"), temp=Path(tempfile.gettempdir()))
    return Folders(
        inputs=(Path(folder_paths.get_input_directory()), shipped_graphs()),
        output=Path(folder_paths.get_output_directory()),
        temp=Path(folder_paths.get_temp_directory()),
        models=tuple(Path(path) for kind in _MODEL_FOLDERS for path in _model_paths(kind)),
    )


def host_context(kind: type[Context], *, prompt: object = None, extra: object = None) -> Context:
    """The Context (or SaveContext, with the graph that saved images embed) of the node that runs now."""
    node, run = _running()
    context = kind(
        host_folders(), node, on_progress=_progress_bar(), is_cancelled=_is_interrupted, run_id=run, **devices()
    )
    if isinstance(context, SaveContext) and _embeds_metadata():
        embedded = {"prompt": _without_marks(prompt), **(extra if isinstance(extra, dict) else {})}
        context.texts = {name: json.dumps(value) for name, value in embedded.items() if value is not None}
    return context


@contextmanager
def interrupts_of_host() -> Iterator[None]:
    """Turn our Cancelled, which no `except Exception` may swallow, into the exception that ComfyUI waits for."""
    try:
        yield
    except Cancelled as cancelled:
        try:
            from comfy.model_management import InterruptProcessingException  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise cancelled from None  # no ComfyUI: whoever called knows our own
        raise InterruptProcessingException from cancelled


def _model_paths(kind: str) -> list[str]:
    import folder_paths  # pyright: ignore[reportMissingImports]

    try:
        return folder_paths.get_folder_paths(kind)
    except KeyError:
        return []


def _is_interrupted() -> bool:
    """Whether the user pressed stop. ComfyUI says so by an ordinary Exception, which a node's code might swallow."""
    try:
        from comfy.model_management import (  # pyright: ignore[reportMissingImports]
            InterruptProcessingException,
            throw_exception_if_processing_interrupted,
        )
    except ImportError:
        return False
    try:
        throw_exception_if_processing_interrupted()
    except InterruptProcessingException:
        return True
    return False


def _progress_bar() -> Callable[[int, int], None]:
    """ComfyUI's bar under the node, made when the first step is told: most nodes have nothing to tell."""
    bars: list[_Bar] = []

    def on_progress(done: int, total: int) -> None:
        if not bars:
            try:
                from comfy.utils import ProgressBar  # pyright: ignore[reportMissingImports]
            except ImportError:
                return
            bars.append(ProgressBar(total))
        bars[0].update_absolute(done, total)

    return on_progress


def _running() -> tuple[str, str]:
    """Which node runs, and in which run; empty where nobody says."""
    # Asking for the hidden UNIQUE_ID instead would put the id into ComfyUI's cache key.
    try:
        from comfy_execution.utils import get_executing_context  # pyright: ignore[reportMissingImports]
    except ImportError:
        return "", ""
    running = get_executing_context()
    return ("", "") if running is None else (str(running.node_id), str(running.prompt_id))


def _embeds_metadata() -> bool:
    """False where the user started ComfyUI with --disable-metadata."""
    try:
        from comfy.cli_args import args  # pyright: ignore[reportMissingImports]
    except ImportError:
        return True
    return not args.disable_metadata


def _without_marks(prompt: object) -> dict[str, object] | None:
    """The graph without ComfyUI's notes on its cache, which it would believe when the graph is sent again."""
    if not isinstance(prompt, dict):
        return None
    return {id: {k: v for k, v in node.items() if k != "is_changed"} for id, node in prompt.items()}
