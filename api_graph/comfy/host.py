"""What ComfyUI offers a running node: its folders, its progress bar, its stop button.

Each function does without ComfyUI too, so that a class can be tried where there is none.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from api_graph.comfy.placement import devices
from api_graph.context import Context, SaveContext
from api_graph.errors import Cancelled
from api_graph.folders import Folders
from api_graph.settings import EXAMPLE_MASKS, EXAMPLE_PICTURE, shipped_graphs

MODEL_FOLDER = "api_graph"
_MODEL_FOLDERS = (MODEL_FOLDER, "clip", "clip_vision", "LLM", "VLM")


class _Bar(Protocol):
    """ComfyUI's progress bar."""

    def update_absolute(self, value: int, total: int) -> object: ...


@dataclass
class _Prompt:
    """What the nodes of one prompt share, and the items of a list that is mapped over one: they may wait all at once.

    `items` has how far each item of a node is, (done, total); one bar shows their sum. Only the first to run into a
    stop sees ComfyUI's own flag, which its progress bar takes down: `interrupted` is for the others.
    """

    id: str = ""
    interrupted: bool = False
    items: defaultdict[str, dict[int, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    bars: dict[str, _Bar] = field(default_factory=dict)


_prompt = _Prompt()
_prompt_lock = threading.Lock()


def register_model_folder() -> None:
    """Make `models/api_graph` a folder of its own in ComfyUI, beside those that extra_model_paths.yaml names for it."""
    try:
        import folder_paths  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    path = os.path.join(folder_paths.models_dir, MODEL_FOLDER)
    if path not in _model_paths(MODEL_FOLDER):
        folder_paths.add_model_folder_path(MODEL_FOLDER, path)


def lend_example() -> None:
    """Put the pictures of the shipped graphs into ComfyUI's input folder, unless something there has their name.

    ComfyUI's own Load Image lists, and its editor shows, nothing but what lies at the top of that folder. Where it
    cannot be written, our nodes find the pictures among the shipped graphs still.
    """
    try:
        import folder_paths  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    for name in (EXAMPLE_PICTURE, EXAMPLE_MASKS):
        _lend(name, os.path.join(folder_paths.get_input_directory(), name))


def _lend(name: str, place: str) -> None:
    try:
        picture = (shipped_graphs() / name).read_bytes()
        with open(place, "xb") as file:
            try:
                file.write(picture)
                file.flush()
            except OSError:
                os.remove(place)
                raise
    except FileExistsError:
        return
    except OSError as error:
        logging.getLogger("api_graph").warning("The example picture cannot be put into the input folder: %s", error)


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
    node, run, item = _running()
    prompt_now = _prompt_of(run)
    context = kind(
        host_folders(),
        node,
        on_progress=partial(_tell, prompt_now, node, item),
        is_cancelled=partial(_is_interrupted, prompt_now),
        run_id=run,
        **devices(),
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


def _prompt_of(id: str) -> _Prompt:
    """The prompt that runs now; ComfyUI runs one at a time. A new one for each call where nobody says which runs."""
    global _prompt
    with _prompt_lock:
        if not id or _prompt.id != id:
            _prompt = _Prompt(id)
        return _prompt


def _is_interrupted(prompt: _Prompt) -> bool:
    """Whether the user pressed stop. It only looks: raising ComfyUI's exception takes its flag down."""
    try:
        from comfy.model_management import processing_interrupted  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return prompt.interrupted or processing_interrupted()


def _tell(prompt: _Prompt, node: str, item: int, done: int, total: int) -> None:
    """Show the progress of one item of a node on ComfyUI's bar under it, which is made when the first step is told.

    ComfyUI stops a run here too, by an exception that is an Exception in old versions and a BaseException in new ones.
    """
    try:
        from comfy.model_management import InterruptProcessingException  # pyright: ignore[reportMissingImports]
        from comfy.utils import ProgressBar  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    with _prompt_lock:
        items = prompt.items[node]
        items[item] = (done, total)
        all_done, all_total = (sum(each[i] for each in items.values()) for i in (0, 1))
        if node not in prompt.bars:
            # A thread of ours that has no context of ComfyUI's would show it under the node that was started last.
            prompt.bars[node] = ProgressBar(all_total, node_id=node) if node else ProgressBar(all_total)
        try:
            prompt.bars[node].update_absolute(all_done, all_total)
        except InterruptProcessingException:
            prompt.interrupted = True
            raise


def _running() -> tuple[str, str, int]:
    """Which node runs, in which prompt, for which item of a mapped list; empty, and 0, where nobody says."""
    # Asking for the hidden UNIQUE_ID instead would put the id into ComfyUI's cache key.
    try:
        from comfy_execution.utils import get_executing_context  # pyright: ignore[reportMissingImports]
    except ImportError:
        return "", "", 0
    running = get_executing_context()
    if running is None:
        return "", "", 0
    return str(running.node_id), str(running.prompt_id), running.list_index or 0


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
