"""The rows of runs side by side on one HTML page: what each of them saw, what it gave, and which is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.comparison.compare import SAME, ComparedItem, ComparedResults
from api_graph.comparison.sides import Side
from api_graph.comparison.tables import caption, cells, headings, subject
from api_graph.report.facts import facts_of
from api_graph.report.html import rendered_page, write_page
from api_graph.report.journals import JournalReader, journals_in
from api_graph.report.pictures import Card, Picture, Pictures
from api_graph.report.row import LONGEST_TEXT, ReportRow, report_row
from api_graph.report.sample import EvenSample, fitting
from api_graph.report.text import clipped

MOST = 200
_BYTES = 8_000_000  # a page stays below 10 MB
_LONGEST_NAME, _MOST_TRUTHS = 120, 10
_HERE = Path(__file__).parent
_NO_ROW = ReportRow(0, False, (), (), "there is no such row in the results", "", None, "", ())
_STYLE = """
.cards.rows { grid-template-columns: 1fr; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: 0.75rem 1.5rem; }
.side { min-width: 0; }
.side h4 { margin: 0 0 0.35rem; font-size: 0.875rem; overflow-wrap: anywhere; }
.side .number:not(.state) { color: var(--quiet); font-weight: 400; }
.lines { width: auto; }
.lines th:not(:first-child), .lines td { text-align: end; white-space: nowrap; font-variant-numeric: tabular-nums; }
.lines th { overflow-wrap: anywhere; }
.lines th:first-child { min-width: 8rem; }
.verdict { margin: 1.25rem 0 0.5rem; font-size: 1.05rem; }
"""


@dataclass(frozen=True)
class SideOfRow:
    """What one side gave for a row: its score as a text, how that differs from the first's, and its own pictures."""

    name: str
    score: str
    kind: str
    card: Card


@dataclass(frozen=True)
class RowOfSides:
    """A row as each side has it. `kind`: the later sides score higher than the first, lower, both, or the same."""

    number: int
    name: str
    category: str
    kind: str
    row: ReportRow
    truth: Sequence[tuple[str, str]]
    originals: Sequence[Picture]
    sides: Sequence[SideOfRow]

    @property
    def size(self) -> int:
        """Approximate number of bytes that it takes on the page."""
        return sum(side.card.size for side in self.sides)


@dataclass(frozen=True)
class ComparisonPage:
    """What was written, and where: how many rows differ, how many of them are shown, and how many rows in all."""

    page: Path
    differ: int
    differ_shown: int
    shown: int


def write_comparison(compared: ComparedResults, out: Path, *, most: int = MOST) -> ComparisonPage:
    """Write the page of a comparison to `out`: its tables, and the rows of all sides with their pictures.

    At most `most` rows are shown, evenly spread: first of those on which the sides differ, then of the others; fewer if
    the page would become larger than 10 MB. Raises BadInput if results cannot be read, or the page cannot be written.
    """
    differing = [item for item in compared.items if compared.change(item.scores) != SAME]
    equal = [item for item in compared.items if compared.change(item.scores) == SAME]
    items = _evenly(differing, most)
    items += _evenly(equal, most - len(items))
    cards = [_cards(side, [item.rows[index] for item in items]) for index, side in enumerate(compared.sides)]
    # Where a side's pictures alone are too many, it has fewer cards than items.
    found = [_row(item, compared, own) for item, *own in zip(items, *cards, strict=False)]
    rows = fitting(found, lambda row: row.size, _BYTES)
    rows.sort(key=lambda row: row.number)
    differ_shown = sum(row.kind != SAME for row in rows)
    page = rendered_page(
        "compare.html.j2",
        _title(compared.sides),
        templates=_HERE,
        more_style=_STYLE,
        filters={"count": _count},
        subject=subject(compared),
        tables=[(pair, headings(pair), cells(pair)) for pair in compared.pairs],
        caption=caption(compared),
        notes=compared.notes,
        sides=compared.sides,
        items=len(compared.items),
        differ=len(differing),
        differ_shown=differ_shown,
        rows=rows,
        kinds=[kind for kind in compared.changes if any(row.kind == kind for row in rows)],
    )
    write_page(out, page, option="--page")
    return ComparisonPage(out, len(differing), differ_shown, len(rows))


def _evenly(items: Sequence[ComparedItem], most: int) -> list[ComparedItem]:
    sample: EvenSample[ComparedItem] = EvenSample(most)
    for index, item in enumerate(items):
        sample.add(index, item)
    return sample.ranked()


def _cards(side: Side, numbers: Sequence[int]) -> list[Card]:
    """The rows of these numbers with their pictures, in this order; the first of them, as many as fit on a page."""
    journals, wanted, rows = journals_in(side.folder), set(numbers), dict[int, ReportRow]()
    facts = facts_of(journals)
    for journal in journals:
        for record in JournalReader(journal.path):
            if record.number in wanted:
                rows[record.number] = report_row(record, facts)
    return Pictures(side.folder, facts).cards([rows.get(number, _NO_ROW) for number in numbers], _BYTES)


def _row(item: ComparedItem, compared: ComparedResults, cards: Sequence[Card]) -> RowOfSides:
    first, values = cards[0], {text for _, text in cards[0].row.values}
    return RowOfSides(
        number=item.rows[0],
        name=clipped(item.name, _LONGEST_NAME),
        category=clipped(item.category or "", _LONGEST_NAME),
        kind=compared.change(item.scores),
        row=first.row,
        truth=[("truth", clipped(text, LONGEST_TEXT)) for text in item.truth[:_MOST_TRUTHS] if text not in values],
        originals=[picture for picture in first.pictures if picture.kind == "original"],
        sides=[
            SideOfRow(
                side.name,
                _score(score, percent=compared.percent),
                compared.change([item.scores[0], score]),
                _without_original(card),
            )
            for side, score, card in zip(compared.sides, item.scores, cards, strict=True)
        ],
    )


def _without_original(card: Card) -> Card:
    return Card(card.row, [picture for picture in card.pictures if picture.kind != "original"])


def _score(score: float, *, percent: bool) -> str:
    if not percent:
        return f"{score:.4g}"
    return {0.0: "wrong", 1.0: "right"}.get(score, f"{100 * score:.0f} %")


def _title(sides: Sequence[Side]) -> str:
    *others, last = [side.name for side in sides]
    return clipped(f"{', '.join(others)} and {last}", _LONGEST_NAME)


def _count(number: int) -> str:
    return f"{number:,}"
