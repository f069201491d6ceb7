"""Label sets: what a picture or a cloud may be."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from api_graph.errors import BadInput, warn_of_kind
from api_graph.tasks.record import read_text, text_lines

_NUMBER = re.compile(r"^\d+\.")
_SEPARATOR = re.compile(r"[,;|]")
_WORDNET_ID = re.compile(r"^n\d{8}-")

SCANOBJECTNN = (
    "bag", "bin", "box", "cabinet", "chair", "desk", "display", "door",
    "shelf", "table", "bed", "pillow", "sink", "sofa", "toilet",
)  # fmt: skip
"""The 15 classes of ScanObjectNN, in the order of its labels."""

WATERBIRDS = ("landbird", "waterbird")


def checked_labels(labels: str | Sequence[str]) -> tuple[str, ...]:
    """The labels, one per line where they come as one text; BadInput if there is none, or one stands twice.

    Warns of a single label with a comma in it, which may be meant as several.
    """
    given = labels.splitlines() if isinstance(labels, str) else list(labels)
    if not all(isinstance(label, str) for label in given):
        raise BadInput("labels are texts", input="labels", value=given, hint="Give one name per class.")
    names = tuple(label.strip() for label in given if label.strip())
    if len(names) == 1 and _SEPARATOR.search(names[0]):
        warn_of_kind("labels", f"{names[0]!r} is one label: several stand on a line each, or in a list")
    if not names:
        raise BadInput("there is no label", input="labels", hint="Give at least one, one per line.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput("the label stands twice", input="labels", value=twice[0], hint="Name each class once.")
    return names


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """A label set from a text file, one per line; blank lines do not count."""
    return checked_labels(text_lines(read_text(path)))


def readable_name(folder: str) -> str:
    """A benchmark's folder name as a person would say it.

    "001.Black_footed_Albatross" -> "Black footed Albatross", "n02085620-Chihuahua" -> "Chihuahua".
    """
    return _WORDNET_ID.sub("", _NUMBER.sub("", folder)).replace("_", " ").strip()
