"""`api-graph edit`: build graphs by hand, in the browser."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from api_graph.cli.console import complain, say
from api_graph.cli.exits import cancelled
from api_graph.cli.options import (
    CacheFolder,
    Debug,
    Models,
    NoCache,
    NoMetadata,
    existing_folders,
    kept_results,
    writable_folder,
)

Folder = Annotated[
    Path,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Where the editor works: input/ (pictures), output/ (what graphs save), workflows/ (saved graphs).",
    ),
]
MoreInputs = Annotated[
    list[Path] | None,
    typer.Option("--input", metavar="DIR", help="Another folder with images, which is only read. Repeatable."),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for the files that graphs save, instead of FOLDER/output."),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes any free one.")]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="HOST", help="Address to listen on. Others than this machine need the token that is printed."
    ),
]


def edit(
    folder: Folder = Path("api-graph"),
    input_: MoreInputs = None,
    out: OutputFolder = None,
    models: Models = None,
    port: Port = 8288,
    host: Host = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = False,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    no_metadata: NoMetadata = False,
    debug: Debug = False,
) -> int:
    """Open the editor: ComfyUI's own frontend, over this runner and its cache.

    Needs the extra `editor`. Ctrl-C ends it. Saved graphs run with `api-graph run FOLDER/workflows/NAME.json --input
    FOLDER/input`.
    """
    import secrets

    from api_graph.editor.security import is_loopback
    from api_graph.editor.server import EditorServer, Options

    options = Options(
        folder=writable_folder(folder, "--folder"),
        inputs=existing_folders(input_, "--input"),
        output=writable_folder(out, "--out") if out else None,
        models=existing_folders(models, "--models"),
        cache=kept_results(cache, no_cache),
        metadata=not no_metadata,
        host=host,
        port=port,
        token=None if is_loopback(host) else secrets.token_urlsafe(32),
    )
    with EditorServer(options) as server:
        say(f"The editor is at {server.url}")
        sys.stdout.flush()  # whoever started us in a pipe waits for the address
        complain("Ctrl-C ends it", kind="note")
        if not no_browser:
            _open_browser(server.url)
        while not cancelled.wait(1.0):  # the signal's handler leaves this by an exception
            pass
    return 0


def _open_browser(url: str) -> None:
    import webbrowser

    # A browser in the terminal would not return before it is left.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
