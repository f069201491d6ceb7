"""Keep transformers' warnings, log lines and progress bars from the user, safely across threads."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_users = 0
_saved = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """While any thread is inside, transformers says nothing; its callers raise what matters.

    The settings are the whole program's: the first thread inside saves them, the last one puts them back.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _silence(_saved)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _saved.close()


def _silence(saved: ExitStack) -> None:
    from transformers.utils import logging as library

    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.CRITICAL)
    saved.callback(library.set_verbosity, level)
    if bars:
        library.disable_progress_bar()
        saved.callback(library.enable_progress_bar)
    saved.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
