"""Where a model's weights lie: one reading of names for all loaders, and one identity of weights for cache keys.

Keys are made before anything runs, and of most runs nothing else is: no tensor is needed here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import Any

from api_graph.errors import BadInput, inputs_named
from api_graph.files import expanded, sha256_of
from api_graph.json_values import JsonObject
from api_graph.models.hub import offline_hint, revision_key, revision_of

_LONGEST = 260  # of what another library says

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


def first_line(error: Exception) -> str:
    """What an error of another library says first; its type if it says nothing."""
    text = str(error).strip()
    return shortened(text.splitlines()[0]) if text else type(error).__name__


def shortened(text: str) -> str:
    """A line, cut after a sentence or a word where it is long; without the full stop that a complaint brings itself."""
    line = shorten(text, _LONGEST, placeholder=" …")
    if line.endswith(" …") and line.rfind(". ") > _LONGEST // 2:
        return line[: line.rindex(". ")]
    return text[:_LONGEST] + "…" if line == "…" else line.removesuffix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the known words that are most like `word`, and a space after it; "" if none is."""
    close = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}? " if close else ""


# ------------------------------------------------------------------------------------------ CLIP

RANDOM = "random"
"""The `pretrained` that stands for random weights."""
CLIP_CONFIG = "open_clip_config.json"
_CHECKPOINTS = (".safetensors", ".pt", ".pth", ".bin")
_FOLDER_WEIGHTS = (".safetensors", ".pth", ".bin")  # open_clip looks for no .pt in a folder
_CLIP_FOLDER = ModelFolder(
    config=CLIP_CONFIG,
    key="model_cfg",
    kind=dict,
    weights=_FOLDER_WEIGHTS,
    deciding=(*_FOLDER_WEIGHTS, ".json", ".txt", ".model"),
    holds=f"A model's folder holds {CLIP_CONFIG}, its weights (open_clip_model.safetensors) and its tokenizer.",
    demo=Path(__file__).parent.parent / "demo" / "clip",
)


def clip_source(name: str, pretrained: str | None = None) -> Source:
    """Read a model's name and checkpoint as `load_clip` takes them; BadInput where they lead nowhere."""
    found = read_name(name, _CLIP_FOLDER, pretrained, bare=False)
    if found is not None:
        return found
    architecture, tag = architecture_and_tag(name)
    if tag is None:
        return _architecture(architecture, pretrained, name)
    if pretrained is not None:
        problem = f"{name!r} says already which weights"
        raise BadInput(problem, input="pretrained", value=pretrained, hint=f"Leave it out, or name {architecture!r}.")
    with inputs_named(pretrained="name"):
        return _architecture(architecture, tag, name)


def architecture_and_tag(name: str) -> tuple[str, str | None]:
    """What graphs, the command line and Python call a model of open_clip: ARCHITECTURE/TAG, or an architecture alone.

    "ViT-B/16", as papers write it, is "ViT-B-16". What is no name of open_clip's is left as it is, with no tag; a
    misspelt architecture with a tag of open_clip's is one.
    """
    if "/" not in name:
        return name, None
    import open_clip

    known = open_clip.list_models()
    if (architecture := name.replace("/", "-")) in known:
        return architecture, None
    written, _, tag = name.rpartition("/")
    architecture = written.replace("/", "-")
    tags = {tag for _, tag in open_clip.list_pretrained()}
    if architecture in known or (tag in tags and get_close_matches(architecture, known)):
        return architecture, tag
    return name, None


def names_open_clip(name: str) -> bool:
    """Whether a name is ARCHITECTURE/TAG, or an architecture, of open_clip, even if its other half is misspelt."""
    import open_clip

    architecture, tag = architecture_and_tag(name)
    return tag is not None or architecture in open_clip.list_models()


def clip_identity(name: str = "demo", pretrained: str | None = None) -> JsonObject:
    """What a model's results depend on, as JSON: equal identities are equal weights.

    Files on this machine are named by their content (sha256), models on the hub by their revision, tags that lead
    elsewhere by name and tag. Raises BadInput as `load_clip` does, as far as that is known before loading.
    """
    source = clip_source(name, pretrained)
    identity = source.identity()
    if source.repository is None or source.revision is None:
        return identity
    try:
        text = text_config(source)
    except Exception as error:
        raise download_failed(source, error) from error
    # The tokenizer, and the shape of a text tower of transformers, may come from other repositories.
    others = {text[key] for key in ("hf_tokenizer_name", "hf_model_name") if text.get(key)}
    return {**identity, "text": {repository: revision_key(repository) for repository in others}}


def _architecture(name: str, pretrained: str | None, written: str) -> Source:
    """An architecture and its weights; `written` is what the user called the model."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    known = open_clip.list_models()
    if name not in known:
        like = did_you_mean(name.replace("/", "-"), ["demo", *known])
        hint = f"{like}Use 'demo', an open_clip model (ARCHITECTURE/TAG), 'hf-hub:ORG/REPO', a folder."
        raise BadInput("unknown model", input="name", value=written, hint=hint)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is None:
        example = f", as in '{name}/{tags[0]}'" if tags else ""
        raise BadInput(
            "an architecture alone would have random weights",
            input="pretrained",
            value=written,
            hint=f"Say which weights{example}: {', '.join([*tags, 'the path of a checkpoint', repr(RANDOM)])}.",
        )
    if pretrained == RANDOM:
        return Source(name, pretrained=RANDOM)
    if tag := get_pretrained_cfg(name, pretrained):
        # As open_clip does: a file of the tag's own goes before the hub, and the hub before a URL.
        repository = "" if "file" in tag else os.path.dirname(tag.get("hf_hub", ""))
        return Source(name, pretrained=pretrained, repository=repository or None)
    path = expanded(pretrained)
    if path.suffix not in _CHECKPOINTS:
        raise BadInput(
            f"{name} has no weights of that name",
            input="pretrained",
            value=pretrained,
            hint=f"{did_you_mean(pretrained, tags)}Its tags: {', '.join(tags) or 'none'}; or give a checkpoint file.",
        )
    if not path.is_file():
        raise BadInput("there is no such file", input="pretrained", value=pretrained)
    return Source(name, path=path, pretrained=str(path))


def text_config(source: Source) -> dict[str, Any]:
    """What is said of texts in the config of a model on the hub; a tag's is its architecture's, in open_clip."""
    import open_clip

    if source.pretrained is not None:
        return (open_clip.get_model_config(source.name) or {})["text_cfg"]
    return json.loads(Path(fetched(source, CLIP_CONFIG)).read_text("utf-8"))["model_cfg"]["text_cfg"]


def fetched(source: Source, file: str | None) -> str:
    """Where a file of the source's repository lies after its download; without a name, that of the weights."""
    from open_clip.pretrained import download_pretrained_from_hf

    return download_pretrained_from_hf(str(source.repository), file, revision=source.revision)


# ------------------------------------------------------------------------------------------ LVLM

_LVLM_CONFIG = "config.json"
_PROCESSOR = ("processor_config.json", "preprocessor_config.json")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")
_LVLM_FOLDER = ModelFolder(
    config=_LVLM_CONFIG,
    key="model_type",
    kind=str,
    weights=(".safetensors",),
    deciding=(".safetensors", ".json", ".jinja", ".model", ".txt"),
    holds=f"A model's folder is what save_pretrained writes: {_LVLM_CONFIG}, *.safetensors (weights in other formats "
    "may hold code, and are never read), and its processor's files.",
    demo=Path(__file__).parent.parent / "demo" / "lvlm",
)


def lvlm_source(name: str) -> Source:
    """Read a model's name as `load_lvlm` takes it; BadInput where it leads nowhere."""
    if "cogvlm" in name.lower():
        raise BadInput(
            "CogVLM has no class in transformers, and the code in its repository no longer runs with it",
            input="name",
            value=name,
            hint="Serve it behind an OpenAI-compatible endpoint (vLLM, SGLang), and ask that.",
        )
    source = read_name(name, _LVLM_FOLDER)
    if source is None:
        hint = "Use 'demo', a model's folder, or ORG/NAME on the Hugging Face hub."
        raise BadInput("unknown model", input="name", value=name, hint=hint)
    if source.path is not None and not is_lvlm(source.path):
        lacking = "the model's folder holds no processor: its tokenizer or its image settings are missing"
        raise BadInput(lacking, input="name", value=name, hint=_LVLM_FOLDER.holds)
    return source


def lvlm_identity(name: str = "demo", quantization: str | None = None) -> JsonObject:
    """What a model's results depend on, as JSON: equal identities are equal weights.

    A folder's files are named by their content (sha256), a model on the hub by its revision. Raises BadInput as
    `load_lvlm` does, as far as that is known before loading.
    """
    return {**lvlm_source(name).identity(), "quantization": quantization}


def is_lvlm(folder: Path) -> bool:
    """Whether a folder holds what a model that reads images and text needs; its files are not looked into."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return _LVLM_CONFIG in names and bool(names.intersection(_PROCESSOR) and names.intersection(_TOKENIZER))


# ------------------------------------------------------------------------------------------ segmenters

SEGMENTER_TYPES = ("sam", "sam2", "sam2_video")
"""Of a SAM 2 for videos, only the part for single images is loaded."""

SEGMENTER_FOLDER = ModelFolder(
    config="config.json",
    key="model_type",
    kind=str,
    weights=(".safetensors",),
    deciding=(".safetensors", ".json"),
    holds="A model's folder holds config.json, model.safetensors (pickled weights are never read) and its processor's "
    "configuration. A model on the hub is 'hf-hub:ORG/NAME'.",
)


def segmenter_source(name: str) -> Source:
    """Read a segmenter's name as `load_segmenter` takes it; BadInput where it leads nowhere."""
    source = read_name(name, SEGMENTER_FOLDER)
    if source is None:
        raise BadInput("there is no such folder", input="name", value=name, hint="Give a folder or 'hf-hub:ORG/NAME'.")
    return source


def segmenter_identity(name: str) -> JsonObject:
    """What a segmenter's masks depend on, as JSON: equal identities are equal weights.

    A folder's files are named by their content (sha256), a model on the hub by its revision. Raises BadInput for a name
    that leads nowhere.
    """
    return segmenter_source(name).identity()


def is_segmenter(folder: Path) -> bool:
    """Whether a folder's config.json describes a model that can be loaded as a segmenter."""
    try:
        described = json.loads((folder / SEGMENTER_FOLDER.config).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(described, dict) and described.get(SEGMENTER_FOLDER.key) in SEGMENTER_TYPES
