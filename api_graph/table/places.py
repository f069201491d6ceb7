"""Where the files of one row lie."""

from __future__ import annotations

import shutil
from pathlib import Path

from api_graph.table.writing import write_errors


def row_folder(root: Path, key: str) -> Path:
    """`root`/files/3f/3f9a...: of a million rows' folders no folder holds more than some thousands."""
    return root.joinpath("files", key[:2], key)


def clear_row_folder(root: Path, key: str) -> None:
    """Remove what an earlier try of the row has left. Raises WriteFailed."""
    folder = row_folder(root, key)
    with write_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
