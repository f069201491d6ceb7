"""Names of a row's files, by a template such as `{image.stem}_{query.slug}_{key:8}`, fit for every file system."""

from __future__ import annotations

import os
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from api_graph.errors import BadInput
from api_graph.graph import Graph
from api_graph.graph.inputs import InputAddress
from api_graph.table.binding import Binding
from api_graph.table.rows import Row

MOST_BYTES = 100
"""Of a file's name in UTF-8, with its prefix, its number and its ending."""

_DEFAULT = ("image.stem", "query.slug")
_NUMBER = "_00001_"
_LONGEST_PREFIX = 48  # bytes, where a row's name stands before it
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"} | {
    f"{device}{digit}" for device in ("COM", "LPT") for digit in "0123456789¹²³"
}
_EDGES = " ._-"
_FORMS = ("stem", "slug")


class _Field(NamedTuple):
    """One {...} of a template: `whole` as it is written, and `name` without its form. `width` is 0 for all characters.

    `inputs` are the graph's inputs that these two mean, None for a column.
    """

    whole: str
    name: str
    form: str
    width: int
    inputs: tuple[InputAddress | None, InputAddress | None] = (None, None)


@dataclass(frozen=True)
class RowName:
    """The name of one row, in parts: texts, and whether they may be cut. Called with a prefix, it goes before that."""

    parts: tuple[tuple[str, bool], ...]
    ending: str = ".png"

    def __call__(self, prefix: str) -> str:
        """`prefix`, which may name a folder, with the row's name before its last part: at most MOST_BYTES in all."""
        folder, slash, last = prefix.replace("\\", "/").rpartition("/")
        if last in ("", ".", ".."):  # an error, as it is without a template
            return prefix
        last = cut(clean(last), _LONGEST_PREFIX)
        room = MOST_BYTES - len(f"_{last}{_NUMBER}{self.ending}".encode())
        texts = [cut(text, room) if may_be_cut else text for text, may_be_cut in self.parts]
        while len("".join(texts).encode()) > room and (places := self._cuttable(texts)):
            longest = max(places, key=lambda place: len(texts[place].encode()))
            texts[longest] = _trimmed(texts[longest][:-1])
        own = _trimmed(cut("".join(texts), room))
        name = f"{own}_{last}" if own else last
        if name.partition(".")[0].rstrip().upper() in _DEVICES:
            name = cut(f"_{name}", MOST_BYTES - len(_NUMBER + self.ending))
        return f"{folder}{slash}{name}"

    def _cuttable(self, texts: list[str]) -> list[int]:
        return [place for place, (_, may_be_cut) in enumerate(self.parts) if may_be_cut and texts[place]]


class FileNames:
    """The names that a template gives to the files of rows; an empty one gives none.

    A field is `key`, `row`, an input of the graph by its name, or else a column of the table. `.stem` is the name of a
    file without folders and ending, `.slug` the words in lower case with "-" between them. `:8` is at most so many
    characters; of `row` so many digits. A run `alone`, of no table, has neither `key` nor `row`. Raises BadInput for a
    template that cannot be read and, where `columns` are given, for a field that is neither.
    """

    def __init__(
        self,
        template: str,
        binding: Binding,
        columns: Collection[str] | None = None,
        ending: str = ".png",
        *,
        alone: bool = False,
    ) -> None:
        of_rows = () if alone else ("key", "row")
        self._pieces: list[str | _Field] = []
        self._ending = ending
        try:
            parsed = list(string.Formatter().parse(template))
        except ValueError as error:
            raise _bad(template, f"cannot be read ({error})") from None
        for literal, field, width, conversion in parsed:
            if clean(literal) != literal:
                raise _bad(template, f"has what no file may be called: {literal!r}")
            if literal:
                self._pieces.append(literal)
            if field is None:
                continue
            if conversion or not (width == "" or (width or "").isdecimal()):
                raise _bad(template, f"has a field that cannot be read: {field!r}")
            name, _, form = field.rpartition(".")
            if form not in _FORMS:
                name, form = field, ""
            inputs = binding.find(field), binding.find(name)
            known = columns is None or any(inputs) or not {field, name}.isdisjoint(columns)
            if not known and field not in of_rows:
                there = f"There are: {', '.join([*of_rows, *(columns or ())])}, and inputs."
                raise _bad(template, f"has a field that is no column and no input: {field!r}", there)
            self._pieces.append(_Field(field, name, form, int(width or 0), inputs))

    def of(self, row: Row, graph: Graph) -> RowName | None:
        """The name of a row, whose `graph` has its values in it."""
        if not self._pieces:
            return None
        parts: list[tuple[str, bool]] = []
        for piece in self._pieces:
            if isinstance(piece, str):
                # Where a value is empty, there is one mark between its neighbours, and not two.
                follows_empty = bool(parts) and not parts[-1][0]
                parts.append(("" if follows_empty and not piece.strip(_EDGES) else piece, False))
            elif piece.whole == "key":
                parts.append((row.key[: piece.width or None], False))
            elif piece.whole == "row":
                parts.append((f"{row.number:0{piece.width}}", False))
            else:
                form, (own, named) = "", piece.inputs
                if own is None and piece.form and piece.whole not in row.values:
                    form, own = piece.form, named
                if own is None:
                    value = row.values.get(piece.name if form else piece.whole)
                else:
                    value = graph.nodes[own[0]].inputs.get(own[1])
                text = "" if value is None else str(value)
                if form == "stem":
                    text = os.path.splitext(text.replace("\\", "/").rpartition("/")[2])[0]
                if not isinstance(value, int | float):  # -2 is not 2
                    text = slug(text) if form == "slug" else _trimmed(clean(text))
                parts.append((text[: piece.width or None], True))
        return RowName(tuple(parts), self._ending)


def names_of_files(
    asked: str | None, begun: str | None, binding: Binding, columns: Collection[str], settings: Collection[str] = ()
) -> str:
    """The template of a folder: the one that it was `begun` with, the one that was `asked` for, or the default.

    Raises BadInput for one that is not the folder's, and for one that cannot be used with these rows.
    """
    if begun is not None:
        if asked not in (None, begun):
            how = f"by {begun!r}" if begun else "by numbers alone, as in version 0.1"
            hint = "Leave it out, or name another folder."
            raise BadInput(f"the files of this folder are named {how}", input="--names", value=asked, hint=hint)
        return begun
    if asked is None:
        known = {name: binding.find(name) is not None or name in columns for name in ("image", "query")}
        there = [field for name, field in zip(known, _DEFAULT, strict=True) if known[name] and name not in settings]
        own = [name for name in settings if not set("{}:![]") & set(name)]
        return "_".join(f"{{{field}}}" for field in [*there, *own, "key:8"])
    FileNames(asked, binding, columns)
    return asked


def _bad(template: str, problem: str, hint: str = "Write for example '{image.stem}_{key:8}'.") -> BadInput:
    return BadInput(f"the template of file names {problem}", input="--names", value=template, hint=hint)


# ------------------------------------------------------------------------------------------ texts


def clean(text: str) -> str:
    """`text` with "_" for what a name on Linux, macOS or Windows may not have, and without marks that nobody sees."""
    found = []
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if kind == "Zs":
            found.append(" ")
        elif kind != "Cf":
            found.append("_" if kind[0] == "C" or kind in ("Zl", "Zp") or character in _FORBIDDEN else character)
    return "".join(found)


def _trimmed(text: str) -> str:
    """No name begins with "." or "-", and none ends in a mark."""
    return text.lstrip(" .-").rstrip(_EDGES)


def slug(text: str) -> str:
    """The words of `text` in lower case, with "-" between them: letters, marks and digits of any script."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    marked = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    return "-".join(marked.split())


def cut(text: str, most: int) -> str:
    """The beginning of `text`, at most so many bytes of UTF-8, whole characters."""
    return text.encode("utf-8", "replace")[: max(0, most)].decode("utf-8", "ignore")
