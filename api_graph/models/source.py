"""Where a model's weights lie: one reading of names for all loaders, and one identity of weights for cache keys."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten

from api_graph.errors import BadInput
from api_graph.files import expanded, sha256_of
from api_graph.json_values import JsonObject
from api_graph.models.hub import revision_key, revision_of

_LONGEST = 200  # of what another library says
_CACHED = "use a model that is in the Hugging Face cache already, or a model's folder"

_HUB, _LOCAL = "hf-hub:", "local-dir:"
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class ModelFolder:
    """What a loader needs to find in a model's folder.

    The file `config` describes the model and holds `key`, of type `kind`. Weights lie in files that end in one of
    `weights`, and results depend on those that end in one of `deciding`. `holds` says in words what belongs there.
    `demo` is the folder of the model that comes with this package, if there is one.
    """

    config: str
    key: str
    kind: type
    weights: tuple[str, ...]
    deciding: tuple[str, ...]
    holds: str
    demo: Path | None = None


@dataclass(frozen=True)
class Source:
    """Where a model's weights lie: at `path` (a folder or a checkpoint), or in a `repository` of the hub.

    `name` is what its library calls the model. `pretrained` says which weights, where an architecture has several.
    `deciding` are the endings of the files in a folder that results depend on.
    """

    name: str
    path: Path | None = None
    repository: str | None = None
    pretrained: str | None = None
    deciding: tuple[str, ...] = ()

    @property
    def revision(self) -> str | None:
        """The revision of the repository that `identity` names and that is to be loaded; None where nobody knows it."""
        return None if self.repository is None else revision_of(self.repository)

    @property
    def whole_name(self) -> str:
        """What a complaint calls the model: its checkpoint's path, or its name with the tag of its weights."""
        if self.path is not None:
            return self.pretrained or self.name
        return f"{self.name}/{self.pretrained}" if self.pretrained else self.name

    def identity(self) -> JsonObject:
        """What results depend on, as JSON for a cache key: equal identities are equal weights.

        Files on this machine are named by their content (sha256), models on the hub by name and revision, and other
        downloads by name and tag.
        """
        if self.path is not None and self.path.is_dir():
            deciding = [file for file in self.path.iterdir() if file.suffix in self.deciding and file.is_file()]
            return {"folder": {file.name: sha256_of(file) for file in sorted(deciding)}}
        if self.path is not None:
            return {"name": self.name, "checkpoint": sha256_of(self.path)}
        found: JsonObject = {"name": self.name}
        if self.pretrained is not None:
            found["pretrained"] = self.pretrained
        if self.repository is not None:
            found["revision"] = revision_key(self.repository)
        return found


def names_repository(name: str, *, bare: bool = True) -> bool:
    """Whether a name is that of a repository on the hub: "hf-hub:ORG/NAME" and, if `bare`, "ORG/NAME"."""
    repository = name.removeprefix(_HUB)
    return (bare or repository != name) and _REPOSITORY.fullmatch(repository) is not None


def read_name(name: str, expected: ModelFolder, pretrained: str | None = None, *, bare: bool = True) -> Source | None:
    """What a model's name means; None where it means neither a folder nor a repository of the hub.

    A folder is "demo", "local-dir:PATH", whatever is written as a path, and a name that a folder has here. A repository
    is "hf-hub:ORG/NAME" and, if `bare`, "ORG/NAME".

    Raises BadInput if `pretrained` is given too, since both bring their own weights; for a folder that cannot be a
    model; and for a repository whose name a file or folder has here: `bare` names go to transformers, which would read
    that instead.
    """

    def wrong(problem: str, hint: str) -> BadInput:
        return BadInput(problem, input="name", value=name, hint=hint)

    repository = name.removeprefix(_HUB)
    written_as_path = name.startswith((_LOCAL, ".", "~")) or Path(name).is_absolute()
    if name == "demo" and expected.demo is not None:
        folder = expected.demo
    elif repository == name and (written_as_path or os.path.isdir(name)):
        folder = expanded(name.removeprefix(_LOCAL))
    elif names_repository(name, bare=bare):
        folder = None
    else:
        return None
    if pretrained is not None:
        raise BadInput(f"{name!r} brings its own weights", input="pretrained", value=pretrained, hint="Leave it empty.")

    if folder is None:
        if bare and os.path.exists(repository):
            raise wrong("a file or folder of that name lies here", "Rename it, or work in another folder.")
        return Source(repository, repository=repository)

    config = folder / expected.config
    if not config.is_file():
        missing = f"there is no model there: {config.name} is missing" if folder.is_dir() else "there is no such folder"
        raise wrong(missing, expected.holds)
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        described = None
    if not (isinstance(described, dict) and isinstance(described.get(expected.key), expected.kind)):
        raise wrong(f"{config.name} is damaged: it describes no model by its {expected.key}", "Download it again.")
    if not any(path.suffix in expected.weights for path in folder.iterdir()):
        raise wrong(f"the model's folder holds no weights ({', '.join(expected.weights)})", expected.holds)
    return Source(str(folder), path=folder, deciding=expected.deciding)


def download_failed(source: Source, error: Exception) -> BadInput:
    """What to tell a user whose model could not be fetched from the hub."""
    return BadInput(
        f"the model could not be downloaded: {first_line(error)}",
        input="pretrained" if source.pretrained else "name",
        value=source.whole_name,
        hint=offline_hint(),
    )


def offline_hint() -> str:
    """What to do if nothing can be downloaded."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return f"HF_HUB_OFFLINE is set, so nothing is downloaded: unset it, or {_CACHED}."
    return f"Without a network, set HF_HUB_OFFLINE=1 and {_CACHED}. Gated models need `hf auth login`."


def first_line(error: Exception) -> str:
    """What an error of another library says first; its type if it says nothing."""
    text = str(error).strip()
    return shortened(text.splitlines()[0]) if text else type(error).__name__


def shortened(text: str) -> str:
    """A line, cut between words where it is long; without the full stop that a complaint brings itself."""
    line = shorten(text, _LONGEST, placeholder=" …")
    return text[:_LONGEST] + "…" if line == "…" else line.removesuffix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the known words that are most like `word`, and a space after it; "" if none is."""
    close = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}? " if close else ""
