"""Questions that are answered by yes or no: POPE and MME."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from api_graph.errors import BadInput

YesNo = Literal["yes", "no", "other"]

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")

_POPE_NO = {"No", "not", "no"}


def parse_pope(response: str) -> YesNo:
    """POPE's own reading: "no" where a word before the first full stop is No, no or not; everything else is "yes".

    So are "NO", "None" and an empty answer: count errors apart. `strict_yes_no` is the reading of other harnesses.
    """
    words = response.partition(".")[0].replace(",", "").split(" ")
    return "no" if any(word in _POPE_NO for word in words) else "yes"


def parse_mme(response: str) -> YesNo:
    """MME's own reading: yes or no exactly, else what the first four characters hold, else "other"."""
    said = response.lower()
    if said in ("yes", "no"):
        return said
    start = said[:4]
    return "yes" if "yes" in start else "no" if "no" in start else "other"


def strict_yes_no(response: str) -> YesNo:
    """Yes or no, letter case, blanks and a full stop aside; everything else is "other"."""
    said = response.strip().lower().removesuffix(".")
    return "yes" if said == "yes" else "no" if said == "no" else "other"


@dataclass(frozen=True)
class PopeScores:
    """POPE's figures; positive is "yes". Precision, recall and F1 are 0 where they divide by nought."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def count(self) -> int:
        """Number of questions."""
        return self.true_positives + self.false_positives + self.true_negatives + self.false_negatives

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return (self.true_positives + self.true_negatives) / self.count

    @property
    def precision(self) -> float:
        """Share of yes that is right."""
        said = self.true_positives + self.false_positives
        return self.true_positives / said if said else 0.0

    @property
    def recall(self) -> float:
        """Share of the objects that are there and are seen."""
        there = self.true_positives + self.false_negatives
        return self.true_positives / there if there else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def yes_ratio(self) -> float:
        """Share of yes among the answers."""
        return (self.true_positives + self.false_positives) / self.count


def pope_scores(items: Iterable[Mapping[str, object]]) -> PopeScores:
    """POPE: items with the `label` "yes" or "no" and the `prediction`, a raw response.

    Raises BadInput where there are none, and for another label.
    """
    counts = Counter((_label(item["label"]), parse_pope(str(item["prediction"]))) for item in items)
    if not counts:
        raise BadInput("there is nothing to score", input="items")
    return PopeScores(counts["yes", "yes"], counts["no", "yes"], counts["no", "no"], counts["yes", "no"])


@dataclass(frozen=True)
class MmeTask:
    """One of MME's tasks: shares in [0, 1]. `pair_accuracy` counts images with both questions right."""

    accuracy: float
    pair_accuracy: float
    questions: int
    other: int

    @property
    def score(self) -> float:
        """100 · (accuracy + pair accuracy), at most 200."""
        return 100 * (self.accuracy + self.pair_accuracy)


@dataclass(frozen=True)
class MmeScores:
    """MME's figures by task. `matching_accuracy`, the share of all questions, is what the API paper's table shows."""

    tasks: Mapping[str, MmeTask]

    @property
    def perception(self) -> float:
        """Sum of the perception tasks' scores, at most 2000."""
        return sum(self.tasks[name].score for name in PERCEPTION if name in self.tasks)

    @property
    def cognition(self) -> float:
        """Sum of the cognition tasks' scores, at most 800."""
        return sum(self.tasks[name].score for name in COGNITION if name in self.tasks)

    @property
    def matching_accuracy(self) -> float:
        """Share of right answers over all questions."""
        right = sum(task.accuracy * task.questions for task in self.tasks.values())
        return right / sum(task.questions for task in self.tasks.values())


def mme_scores(items: Iterable[Mapping[str, object]]) -> MmeScores:
    """MME: items with `task`, `image`, `answer` ("Yes" or "No") and the `prediction`, a raw response.

    Each image has two questions, one after the other. Raises BadInput for an unknown task, an image with another
    number of questions, and another answer.
    """
    by_task: dict[str, list[tuple[str, bool, bool]]] = {}
    for item in items:
        task = str(item["task"])
        if task not in PERCEPTION + COGNITION:
            raise BadInput("MME has no such task", input="task", value=task)
        said = parse_mme(str(item["prediction"]))
        rows = by_task.setdefault(task, [])
        rows.append((str(item["image"]), said == _label(item["answer"]), said == "other"))
    if not by_task:
        raise BadInput("there is nothing to score", input="items")
    return MmeScores({task: _task(task, rows) for task, rows in by_task.items()})


def _task(name: str, rows: list[tuple[str, bool, bool]]) -> MmeTask:
    pairs = list(zip(rows[::2], rows[1::2], strict=False))
    odd = next((first[0] for first, second in pairs if first[0] != second[0]), None)
    if odd is not None or len(rows) % 2:
        raise BadInput(
            f"an image of the task {name} has not two questions, one after the other",
            input="image",
            value=odd or rows[-1][0],
            hint="Score whole images, in the order of MME's files.",
        )
    return MmeTask(
        accuracy=sum(right for _, right, _ in rows) / len(rows),
        pair_accuracy=sum(first[1] and second[1] for first, second in pairs) / len(pairs),
        questions=len(rows),
        other=sum(other for _, _, other in rows),
    )


def _label(value: object) -> str:
    label = str(value).strip().lower()
    if label not in ("yes", "no"):
        raise BadInput("the right answer is yes or no", input="label", value=value)
    return label
