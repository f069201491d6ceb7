"""What a table's columns set and what they leave, said before the first row; what must not be left in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api_graph.errors import BadInput, shown
from api_graph.graph.words import closest

MEANINGS: Mapping[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "image": "image images imagepath imagefile imagename imageid imageurl img imgs imgpath imgfile imgname imgid "
        "filename filepath file path picture pictures pic photo frame",
        "query": "query queries question questions prompt prompts text caption captions expression sentence sentences "
        "phrase instruction request referringexpression",
        "boxes": "boxes box bbox bboxes boundingbox boundingboxes region regions rect rects proposals",
        "labels": "labels label class classes classname classnames category categories categoryname",
        "points": "points pointcloud pointclouds pointsfile pointspath cloud pcd ply filename filepath file path",
    }.items()
}
"""By what a row is about: names that people give it, without case, blanks, "_", "-" and "."."""

TRUTHS = frozenset({"answer", "answers", "truth", "target", "targets", "reference", "solution", "gt", "ground_truth"})
"""Columns of right answers, for `compare --truth`: none of them is a misspelt input."""

_MOST_SAID = 20


def meanings(name: str) -> set[str]:
    """What a name could mean: keys of MEANINGS."""
    plain = "".join(c for c in name.casefold() if c.isalnum())
    return {kind for kind, names in MEANINGS.items() if plain in names}


@dataclass(frozen=True)
class KeptInput:
    """An input that stays at the graph's own value. `kinds` are keys of MEANINGS; `chosen`: that `keep` named it."""

    name: str
    value: object
    kinds: frozenset[str] = frozenset()
    chosen: bool = False


@dataclass(frozen=True)
class ColumnReport:
    """What is said before the first row.

    `sets` has by column the input that it sets; `unused` are the columns that set nothing; `kept` has by name the value
    of every titled input that stays as the graph has it. `passed_over` counts, by ending, pictures that are no rows.
    `partial` counts by column the rows that leave it out, where rows name their columns themselves. `grid` says the
    settings that all rows are run with, and `left_out` which controls are not among them, and why. `instead` has by
    name of an input what rows without a value have, where that was set.
    """

    sets: Mapping[str, str]
    unused: tuple[str, ...] = ()
    kept: Mapping[str, object] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)
    partial: Mapping[str, int] = field(default_factory=dict)
    grid: str = ""
    left_out: Sequence[str] = ()
    instead: Mapping[str, object] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report for people."""
        left = [f"{column} ({rows:,} {'row' if rows == 1 else 'rows'})" for column, rows in self.partial.items()]
        found = []
        for what, names in (
            ("columns", [f"{column} sets {name}" for column, name in self.sets.items()]),
            ("columns that set nothing", list(self.unused)),
            ("columns that some rows leave out", left),
        ):
            more = [f"{len(names) - _MOST_SAID:,} more"] if len(names) > _MOST_SAID else []
            if names:
                found.append(f"{what}: {', '.join(names[:_MOST_SAID] + more)}")
        if self.grid:
            found.append(self.grid)
        found += self.left_out
        if self.kept:
            values = "; ".join(f"{name} = {shown(value)}" for name, value in self.kept.items())
            found.append(f"the same for all rows, as the graph has it: {values}")
        if self.instead:
            values = "; ".join(f"{name} = {shown(value)}" for name, value in self.instead.items())
            found.append(f"for rows without a value: {values}")
        if self.passed_over:
            from api_graph.table.formats.images import passed_over_in_words

            found.append(passed_over_in_words(self.passed_over))
        return found


def check_kept(kept: Sequence[KeptInput], unused: Sequence[str], *, shipped: bool) -> None:
    """Raise BadInput if rows would be run with a graph's own picture, question, boxes, labels or points unawares.

    That is so in a shipped graph, whose values are examples, and wherever an unused column could mean the input.
    """
    faults, hints, values = [], [], []
    for each in kept:
        meant = [column for column in unused if meanings(column) & each.kinds or closest(column, [each.name])]
        example = shipped and each.name.rpartition(".")[2] in MEANINGS
        if each.chosen or not each.kinds or not (example or meant):
            continue
        faults.append(each.name)
        values.append(f"{each.name} = {shown(each.value)}")
        column = meant[0] if meant else "COLUMN"
        rename = f"--column {_word(f'{each.name}={column}')}"
        if meant:
            hints.append(f"Say {rename} if that column means it, or --keep {_word(each.name)} for the graph's own.")
        else:
            name = _word(each.name)
            hints.append(f"Say --set {name}=VALUE, {rename}, or --keep {name} for the graph's own.")
    if faults:
        own = "the graph's own value" if len(faults) == 1 else "the graph's own values"
        problem = f"no column sets {' or '.join(faults)}: all rows would have {own}, {'; '.join(values)}"
        raise BadInput(problem, input="ROWS", hint=" ".join(hints))


def _word(text: str) -> str:
    """`text` as one word of a command line."""
    return f"'{text}'" if " " in text else text
