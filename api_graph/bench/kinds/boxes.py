"""RefCOCO, RefCOCO+ and RefCOCOg: which of an image's boxes does a text mean?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict, by_category
from api_graph.bench.readers.questions import Question, needed
from api_graph.bench.scores import Figure
from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.tasks.record import Box

ACCURACY = "accuracy at IoU > 0.5"

_PICTURES = "train2014"
_DETECTED = "{}_dets_dict.json"


def _read(name: str, *, detected: bool, data: Path, parts: Sequence[str]) -> list[Question]:
    """A question for each sentence. Without a box in its image, that is the whole of it, as in ReCLIP."""
    from api_graph.bench.readers.reclip import read_reclip
    from api_graph.pixels.read import read_image

    pictures = needed(data / _PICTURES, name, "COCO's train2014 images")
    boxes = data / _DETECTED.format(name.rstrip("+"))
    if detected:
        needed(boxes, name, "ReCLIP's detections")
    questions: list[Question] = []
    for part in parts:
        path = needed(data / f"{name}_{part}.jsonl", name, "ReCLIP's annotations of RefCOCO, RefCOCO+ and RefCOCOg")
        examples = read_reclip(path, pictures, detections=boxes if detected else None)
        for number, example in enumerate(examples, start=1):
            if not example.image.is_file():
                problem = f"the picture of {path.name}, line {number}, is not there"
                raise BadInput(problem, input="--data", value=str(example.image), hint="Fetch COCO's train2014 images.")
            candidates = example.boxes or example.candidates(read_image(example.image).size)
            facts: dict[str, Json] = {
                "part": part,
                "boxes": [list(box) for box in candidates],
                "targets": [list(box) for box in example.targets],
            }
            answers = tuple(_shown(box) for box in example.targets)
            questions += [
                Question(f"{part}/{number}-{place}", (example.image,), text, text, answers, facts=facts)
                for place, text in enumerate(example.captions, start=1)
            ]
    return questions


def _shown(box: Box) -> str:
    return ", ".join(f"{edge:.1f}" for edge in box)


def _score(question: Question, response: Response) -> Verdict:
    """Whether the chosen box covers one of those that are meant: IoU strictly above a half, as ReCLIP counts."""
    import torch

    from api_graph.tasks.metrics import refers_to

    corners = response.values.get("corners")
    if not isinstance(corners, list) or len(corners) != 4:
        return Verdict(0.0)
    targets = torch.tensor(question.facts["targets"], dtype=torch.float64)
    return Verdict(float(refers_to(torch.tensor([corners], dtype=torch.float64), targets)[0]))


def _figures(scored: Sequence[Scored]) -> list[Figure]:
    """Over sentences: of all, and of each part where there are several."""
    found = by_category(ACCURACY, scored)
    return found if len(found) > 2 else found[:1]


def _referring(name: str, title: str, parts: Sequence[str], *, detected: bool) -> BenchmarkSpec:
    files = [Needed(f"{name}_{part}.jsonl", "ReCLIP's annotations") for part in parts]
    if detected:
        files.append(Needed(_DETECTED.format(name.rstrip("+")), "ReCLIP's detections"))
    return BenchmarkSpec(
        name=f"{name.replace('+', '-plus')}{'-detected' if detected else ''}",
        title=f"{title}, detected boxes" if detected else title,
        about=f"a text and an image: which {'detected' if detected else 'annotated'} box is meant? ReCLIP's files",
        metric="texts whose box has an IoU above 0.5 with the right one",
        paper="" if detected else "FALIP",
        needs=(*files, Needed(_PICTURES, "COCO's train2014 images")),
        parts=tuple(parts),
        read=lambda data, parts: _read(name, detected=detected, data=data, parts=parts),
        score=_score,
        figures=_figures,
        answer="box",
        category=lambda question: str(question.facts["part"]),
        columns=lambda question: {"boxes": question.facts["boxes"]},
    )


_SETS = (
    ("refcoco", "RefCOCO", ("val", "testa", "testb")),
    ("refcoco+", "RefCOCO+", ("val", "testa", "testb")),
    ("refcocog", "RefCOCOg", ("val", "test")),
)

REFERRING = tuple(
    _referring(name, title, parts, detected=detected) for detected in (False, True) for name, title, parts in _SETS
)
