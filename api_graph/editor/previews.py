"""The temp folder of previews: a slider that is moved for an hour must not fill the disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from api_graph.editor import limits


def trim_previews(folder: Path) -> None:
    """Remove the oldest files, once there are more than `MOST_PREVIEWS`, down to half of that."""
    try:
        files = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return
    if len(files) <= limits.MOST_PREVIEWS:
        return
    with suppress(OSError):
        files.sort(key=lambda entry: entry.stat().st_mtime_ns)
    for entry in files[: -limits.MOST_PREVIEWS // 2]:
        with suppress(OSError):
            os.unlink(entry.path)
