"""What a node may ask of its host: progress, cancellation, folders, waiting, and to show texts and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.errors import Cancelled
from api_graph.files import ALL_PNG, SaveFormats, name_below
from api_graph.folders import Folders
from api_graph.json_values import Json

if TYPE_CHECKING:
    import torch


@dataclass
class Context:
    """Injected into a node function by type; never an input of the graph, never part of a cache key.

    `ui` collects what the editor shows under the node, in ComfyUI's own form: `{"images": [...], "text": [...]}`.
    `run_id` names the run: what is limited per run is counted under it. A node that computes and also waits, for a
    server's answer say, does the waiting in `with context.waiting():`, so that other runs may compute meanwhile.
    With `eight_bits` a node may give pictures as uint8, 8 bits as files have them, in place of floats.
    `device` is what "auto" means to a loader (None: the best there is), and `staging` where it reads weights to, for a
    host that moves them to their device itself (None: straight onto the device).
    """

    folders: Folders
    node_id: str = ""
    on_progress: Callable[[int, int], None] = lambda done, total: None
    is_cancelled: Callable[[], bool] = lambda: False
    ui: dict[str, list[Json]] = field(default_factory=dict)
    run_id: str = ""
    cacheable: bool = True
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    eight_bits: bool = False
    device: torch.device | None = None
    staging: torch.device | None = None

    def keep_for_this_run_only(self) -> None:
        """The result only replaces one that could not be had: no cache may hold it, nor what is made from it."""
        self.cacheable = False

    def progress(self, done: int, total: int) -> None:
        """Say that `done` of `total` steps are done. Raises Cancelled when the user has asked to stop."""
        self.check_cancelled()
        self.on_progress(done, total)

    def check_cancelled(self) -> None:
        """Raise Cancelled when the user has asked to stop. Long loops call it; `progress` does too."""
        if self.is_cancelled():
            raise Cancelled

    def show_text(self, text: str) -> None:
        """Show a text under the node."""
        self.ui.setdefault("text", []).append(text)

    def show_file(self, path: str | Path, *, temporary: bool = False, kind: str = "images") -> None:
        """Show an image file of the output folder, or of the temp folder, under the node.

        An editor draws `images` by itself. `pages` are HTML files and `profiles` JSON files of heads, which belong to a
        row's files as images do. Other kinds are for the pack's own extension of it (`web/js`). Raises ValueError for a
        file outside that folder.
        """
        root = self.folders.temp if temporary else self.folders.output
        name = name_below(root, path)
        if name is None:
            name = Path(path).resolve().relative_to(root.resolve()).as_posix()
        subfolder, _, filename = name.rpartition("/")
        self.ui.setdefault(kind, []).append(
            {
                "filename": filename,
                "subfolder": subfolder,
                "type": "temp" if temporary else "output",
            }
        )


@dataclass
class SaveContext(Context):
    """A Context for nodes that write files: it also carries `texts`, JSON by keyword, which saved images embed.

    As in ComfyUI's own files these are the graph in its API format (`prompt`) and the editor's form of it (`workflow`).
    There are none where the user does not want them in files. `formats` are those of the files.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    formats: SaveFormats = ALL_PNG
