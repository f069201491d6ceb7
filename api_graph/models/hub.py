"""Which revision of a repository on the Hugging Face hub is meant, by cache keys and by loading; and being offline."""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path

from api_graph.files import whole_file

_SHORT, _LONG = 5.0, 10.0  # seconds to wait for the hub: with a cached revision to fall back on, and without

_CACHED = "use a model that is in the Hugging Face cache already, or a model's folder"

_revisions: dict[str, str] = {}
_asking = threading.Lock()
_session = uuid.uuid4().hex


def revision_of(repository: str) -> str | None:
    """The commit that `repository` ("ORG/NAME") stands at, as long as this process lives; None if nobody can say.

    The hub is asked once, and its answer noted in the Hugging Face cache as `refs/main`, where a later process without
    a network finds it. Where HF_HUB_OFFLINE is set or the hub does not answer, the cache's own `refs/main` counts.
    """
    with _asking:  # two threads must not get different answers
        if repository not in _revisions:
            found = _asked(repository)
            if found is None:
                return None
            _revisions[repository] = found
        return _revisions[repository]


def revision_key(repository: str) -> str:
    """The revision as cache keys name it. One that nobody knows equals no other, of any process."""
    return revision_of(repository) or f"unknown in process {os.getpid()} of {_session}"


def offline_hint() -> str:
    """What to do if nothing can be downloaded."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return f"HF_HUB_OFFLINE is set, so nothing is downloaded: unset it, or {_CACHED}."
    return f"Without a network, set HF_HUB_OFFLINE=1 and {_CACHED}. Gated models need `hf auth login`."


def _asked(repository: str) -> str | None:
    from huggingface_hub import constants, model_info
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=repository, repo_type="model")
    reference = Path(constants.HF_HUB_CACHE) / folder / "refs" / "main"
    try:
        cached = reference.read_text("utf-8").strip() or None
    except (OSError, ValueError):
        cached = None
    if constants.HF_HUB_OFFLINE:
        return cached
    try:
        current = model_info(repository, timeout=_SHORT if cached else _LONG).sha
    except Exception:  # no network, no such repository, no access: what the cache holds may still be loaded
        return cached
    if current and current != cached:
        # Downloads of a given commit leave no reference behind. Without one, none of them is found offline.
        with suppress(OSError), whole_file(reference) as file:
            file.write(current.encode())
    return current or cached
