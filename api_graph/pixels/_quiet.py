"""Keep Pillow's warnings about odd files from the user, and nobody else's, safely across threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_users = 0
_saved: warnings.catch_warnings | None = None


@contextmanager
def pillow_warnings_ignored() -> Iterator[None]:
    """While any thread is inside, warnings raised from Pillow's own modules are ignored.

    `warnings.catch_warnings` saves and restores a list that all threads share, so that two overlapping uses
    leave the wrong list behind; here the first one in saves it and the last one out restores it.
    """
    global _users, _saved
    with _lock:
        _users += 1
        if _users == 1:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None
