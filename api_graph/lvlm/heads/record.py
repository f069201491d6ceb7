"""A profile of heads as its file has it: checked as it is read, because anyone may have written it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from api_graph.errors import BadInput
from api_graph.files import whole_file

FORMAT = 1
KIND = "api-graph head profile"
MOST_BYTES = 1 << 24
"""Of a file: 65,536 heads, the most that a profile may have, take half of it."""

_MOST_LAYERS = _MOST_HEADS = 1024
_MOST_IN_ALL = 65_536

Text = Annotated[str, StringConstraints(max_length=512)]
Word = Annotated[str, StringConstraints(max_length=64)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1.0001)]
Number = Annotated[int, Field(ge=0, le=2**53)]

Measure: TypeAlias = Literal["gaze", "image_share", "entropy", "sink_share"]


class _Checked(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )


class ModelFacts(_Checked):
    """Whose heads they are. `fingerprint` is of the weights; the others are for people."""

    name: Text
    family: Word
    revision: Text | None
    dtype: Word
    layers: Annotated[int, Field(ge=1, le=_MOST_LAYERS)]
    heads: Annotated[int, Field(ge=1, le=_MOST_HEADS)]
    fingerprint: Digest

    def __str__(self) -> str:
        return f"{self.name} ({self.family}, {self.layers} layers of {self.heads} heads, {self.fingerprint[:12]})"


class MadeFacts(_Checked):
    """How they were found: over how many items, from where, and with which versions.

    `unseen` more items do not count: no image token shows their boxes. Rendered scenes are the first suitable ones of
    the `seeds` from the first to the last. `items_digest` is of all pictures, questions and boxes that count.
    """

    items: Annotated[int, Field(ge=1, le=2**53)]
    unseen: Number
    source: Literal["scenes", "table", "list"]
    table: Text | None
    seeds: tuple[Number, Number] | None
    items_digest: Digest
    versions: Annotated[Mapping[Word, Word], Field(max_length=64)]


class SinkFacts(_Checked):
    """How sinks were told: the `dims` of the hidden state, and above which size there a token is one."""

    dims: Annotated[tuple[Number, ...], Field(max_length=64)]
    threshold: Annotated[float, Field(gt=0)]


class LayerFacts(_Checked):
    """One layer with attention: the dims of its input that are most often largest at the image's tokens."""

    layer: Annotated[int, Field(ge=0, lt=_MOST_LAYERS)]
    sink_dims: Annotated[tuple[Number, ...], Field(max_length=64)]


class HeadScores(_Checked):
    """The measures of one head, means over the items, of the row of the prompt's last token.

    `gaze`: weight on the tokens of the region that is asked about. `image_share`: weight on all of the image's tokens.
    `entropy`: spatial entropy of its map; 0 is one patch without gaps. `sink_share`: of the image's weight, the share
    that lies on attention sinks.
    """

    layer: Annotated[int, Field(ge=0, lt=_MOST_LAYERS)]
    head: Annotated[int, Field(ge=0, lt=_MOST_HEADS)]
    gaze: Share
    image_share: Share
    entropy: Annotated[float, Field(ge=0, le=64)]
    sink_share: Share

    @property
    def place(self) -> tuple[int, int]:
        """Layer and head."""
        return self.layer, self.head


class ProfileRecord(_Checked):
    """All that a profile's file says; one `HeadScores` for every head of every layer that has attention."""

    format: Literal[1] = FORMAT
    kind: Literal["api-graph head profile"] = KIND
    model: ModelFacts
    made: MadeFacts
    sinks: SinkFacts
    layers: Annotated[tuple[LayerFacts, ...], Field(min_length=1, max_length=_MOST_LAYERS)]
    heads: Annotated[tuple[HeadScores, ...], Field(min_length=1, max_length=_MOST_IN_ALL)]

    @model_validator(mode="after")
    def _whole(self) -> ProfileRecord:
        layers = [one.layer for one in self.layers]
        wanted = [(layer, head) for layer in layers for head in range(self.model.heads)]
        if layers != sorted(set(layers)) or layers[-1] >= self.model.layers:
            raise PydanticCustomError("profile", "the layers do not rise, or are not the model's")
        if [one.place for one in self.heads] != wanted:
            raise PydanticCustomError("profile", "the heads are not those of its layers, each once and in order")
        return self


class _Header(BaseModel):
    """What tells a profile from any other file, and which format it has."""

    format: int
    kind: str


def read_record(path: str | os.PathLike[str]) -> ProfileRecord:
    """The profile in a file. Raises BadInput, which names the file and the field."""
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _bad(path, f"it cannot be read ({reason})", "Check the path.") from error
    if len(content) > MOST_BYTES:
        raise _bad(path, f"it is larger than {MOST_BYTES:,} bytes, and no profile is", "Check which file it is.")
    try:
        header = _Header.model_validate_json(content, strict=True)
    except ValidationError as error:
        problem = "this is no profile of heads" if _is_json(error) else "this is no JSON"
        raise _bad(path, problem, "`api-graph find-heads` and the node Save head profile write one.") from error
    if header.kind != KIND:
        raise _bad(path, f"this is no profile of heads, but {header.kind[:64]!r}", "Check which file it is.")
    if header.format != FORMAT:
        problem = f"it has format {header.format}, and this version reads {FORMAT}"
        raise _bad(path, problem, "Use the version that wrote it, or find the heads again.")
    try:
        return ProfileRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = f"{field}: {first['msg']}" if field else first["msg"]
        raise _bad(path, f"the profile is damaged: {problem}", "Find the heads again.") from error


def record_text(record: ProfileRecord) -> str:
    """The profile as its file has it: JSON, a line for each head."""
    facts = record.model_dump(mode="json")
    parts = [
        *(f'"{name}": {json.dumps(facts[name])}' for name in ("format", "kind", "model", "made", "sinks")),
        *(f'"{name}": [\n{_lines(facts[name])}\n ]' for name in ("layers", "heads")),
    ]
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def write_record(record: ProfileRecord, path: str | os.PathLike[str]) -> None:
    """Write the profile, whole or not at all. Raises BadInput where it cannot be written."""
    try:
        with whole_file(Path(path)) as file:
            file.write(record_text(record).encode("ascii"))
    except OSError as error:
        problem = f"it cannot be written ({error.strerror or error})"
        raise BadInput(problem, input="path", value=str(path), hint="Choose a file in a folder of your own.") from error


def _lines(rows: list[object]) -> str:
    return ",\n".join(f"  {json.dumps(row)}" for row in rows)


def _is_json(error: ValidationError) -> bool:
    return all(one["type"] != "json_invalid" for one in error.errors(include_url=False, include_input=False))


def _bad(path: str | os.PathLike[str], problem: str, hint: str) -> BadInput:
    return BadInput(problem, input="profile", value=str(path), hint=hint)
