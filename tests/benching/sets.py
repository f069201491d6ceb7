"""Miniature sets in the official layouts, with what a model is asked and what it answers, right and wrong."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from api_graph.bench.scorers.yes_no import COGNITION, PERCEPTION

N = 20
WORD = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."


class Known(NamedTuple):
    """What a model is asked about one item, word for word, and two answers to it."""

    prompt: str
    right: str
    wrong: str


def png(shade: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), (shade % 256, 0, shade // 256)).save(content, "PNG")
    return content.getvalue()


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(png(number))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, rows))


def textvqa(root: Path) -> list[Known]:
    pictures(root / "train_images", *(f"img{i}.jpg" for i in range(N)))
    rows = [
        {
            "question_id": i,
            "image_id": f"img{i}",
            "question": f"what is on sign {i}?",
            "answers": ["stop"] * 8 + ["halt"] * 2,
        }
        for i in range(N)
    ]
    write(root / "TextVQA_0.5.1_val.json", json.dumps({"data": rows}))
    return [Known(f"what is on sign {i}? {WORD}", "Stop.", "go") for i in range(N)]


def vizwiz(root: Path) -> list[Known]:
    """The first five have no answer."""
    names = [f"VizWiz_val_{i:08}.jpg" for i in range(N)]
    pictures(root / "val", *names)
    said = ["unanswerable" if i < 5 else "can" for i in range(N)]
    rows = [
        {
            "image": name,
            "question": f"What is this, {i}?",
            "answers": [{"answer": said[i], "answer_confidence": "yes"}] * 10,
            "answer_type": "unanswerable" if i < 5 else "other",
            "answerable": int(i >= 5),
        }
        for i, name in enumerate(names)
    ]
    write(root / "val.json", json.dumps(rows))
    suffix = f"When the provided information is insufficient, respond with 'Unanswerable'. {WORD}"
    right = ["Unanswerable." if i < 5 else "A can" for i in range(N)]
    return [Known(f"What is this, {i}? {suffix}", right[i], "unanswerable" if i == 7 else "dog") for i in range(N)]


def mmmu(root: Path) -> list[Known]:
    rows = [
        {
            "id": f"validation_{subject}_{i}",
            "question": f"Which is {subject} {i}, <image 1>?",
            "options": "['red', 'blue', 'green']" if i % 2 == 0 else "[]",
            "answer": "B" if i % 2 == 0 else "['9', 'nine']",
            "question_type": "multiple-choice" if i % 2 == 0 else "open",
            "image_1": {"bytes": png(i), "path": None},
        }
        for subject in ("Art", "Math")
        for i in range(N // 2)
    ]
    for subject in ("Art", "Math"):
        (root / subject).mkdir(parents=True, exist_ok=True)
        own = [row for row in rows if f"_{subject}_" in str(row["id"])]
        pq.write_table(pa.Table.from_pylist(own), root / subject / "validation-00000-of-00001.parquet")
    listed = "(A) red\n(B) blue\n(C) green\n"
    return [
        Known(f"{row['question']}\n\n{listed}\n\n{LETTER}", "(B)", "(C)")
        if row["question_type"] == "multiple-choice"
        else Known(f"{row['question']}\n\n{WORD}", "The answer is nine.", "ten")
        for row in rows
    ]


def mme(root: Path) -> list[Known]:
    """All 14 tasks, an image each, in both layouts."""
    known: list[Known] = []
    for task in (*PERCEPTION, *COGNITION):
        apart = task in ("artwork", "celebrity")
        pictures(root / task / ("images" if apart else ""), "0001.jpg")
        asked = [f"Is it {task}? Please answer yes or no.", f"Is it not {task}? Please answer yes or no."]
        write(
            root / task / ("questions_answers_YN" if apart else "") / "0001.txt", f"{asked[0]}\tYes\n{asked[1]}\tNo\n"
        )
        known += [Known(f"{asked[0]} {WORD}", "Yes", "No"), Known(f"{asked[1]} {WORD}", "No", "Yes")]
    return known


def pope(root: Path) -> list[Known]:
    pictures(root / "val2014", *(f"COCO_{i}.jpg" for i in range(N)))
    known: list[Known] = []
    for part in ("random", "popular", "adversarial"):
        rows = [
            {
                "question_id": i + 1,
                "image": f"COCO_{i}.jpg",
                "text": f"Is there a {part} thing {i}?",
                "label": ("yes", "no")[i % 2],
            }
            for i in range(N)
        ]
        write(root / f"coco_pope_{part}.json", lines(rows))
        words = {"yes": "Yes", "no": "No, there is none"}
        known += [
            Known(str(row["text"]), words[str(row["label"])], words["no" if row["label"] == "yes" else "yes"])
            for row in rows
        ]
    return known


def mm_vet(root: Path) -> list[Known]:
    pictures(root / "images", *(f"v1_{i}.png" for i in range(N)))
    rows = {
        f"v1_{i}": {
            "imagename": f"v1_{i}.png",
            "question": f"What is x{i}?",
            "answer": "4<OR>four",
            "capability": ["ocr", "math"] if i % 2 else ["rec"],
        }
        for i in range(N)
    }
    write(root / "mm-vet.json", json.dumps(rows))
    write(root / "judge_prompt.txt", "Question | Ground truth | Prediction | Correctness\n--- | --- | --- | ---\n")
    return [Known(f"What is x{i}?", "It is 4", "It is 5") for i in range(N)]


def llava_bench(root: Path) -> list[Known]:
    pictures(root / "images", *(f"{i:03}.jpg" for i in range(N)))
    kinds = ["conv" if i < 10 else "detail" for i in range(N)]
    write(
        root / "questions.jsonl",
        lines(
            [
                {"question_id": i, "image": f"{i:03}.jpg", "text": f"Describe {i}.", "category": kinds[i]}
                for i in range(N)
            ]
        ),
    )
    write(root / "context.jsonl", lines([{"image": f"{i:03}.jpg", "caption": f"A ring {i}."} for i in range(N)]))
    write(root / "answers_gpt4.jsonl", lines([{"question_id": i, "text": f"It is ring {i}."} for i in range(N)]))
    rule = {"role": "Assistant", "prompt": "Please judge both."}
    write(root / "rule.json", json.dumps({f"llava_bench_{kind}": rule for kind in ("conv", "detail", "complex")}))
    return [Known(f"Describe {i}.", "It is a ring", "It is a cup") for i in range(N)]


def _lettered(question: str, *options: str) -> str:
    return "\n".join([question, *(f"{'ABCD'[i]}. {option}" for i, option in enumerate(options)), LETTER])


def vstar(root: Path) -> list[Known]:
    known: list[Known] = []
    for part in ("direct_attributes", "relative_position"):
        pictures(root / part, *(f"sa_{i}.jpg" for i in range(N // 2)))
        for i in range(N // 2):
            text = f"Which colour, {part} {i}?"
            fields = {"target_object": ["cup"], "bbox": [[1, 2, 5, 6]], "question": text, "options": ["red", "blue"]}
            write(root / part / f"sa_{i}.json", json.dumps(fields))
            known.append(Known(_lettered(text, "red", "blue"), "A. red", "b"))
    return known


def mmvp(root: Path) -> list[Known]:
    pictures(root / "MMVP Images", *(f"{i}.jpg" for i in range(1, N + 1)))
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["Index", "Question", "Options", "Correct Answer"])
    for i in range(1, N + 1):
        table.writerow([i, f"Open or closed, {i}?", "(a) Open (b) Closed", "(a)" if i % 2 else "(b)"])
    write(root / "Questions.csv", text.getvalue())
    return [
        Known(_lettered(f"Open or closed, {i}?", "Open", "Closed"), "(a)" if i % 2 else "(b)", "(b)" if i % 2 else "A")
        for i in range(1, N + 1)
    ]


def tsv(path: Path, **more: Callable[[int], str]) -> list[Known]:
    rows = [
        {
            "index": str(i),
            "question": f"Which, {i}?",
            "image": base64.b64encode(png(i)).decode(),
            "A": "red",
            "B": "blue",
            "C": "green",
            "D": "grey",
            "answer": "ABCD"[i % 4],
            **{name: value(i) for name, value in more.items()},
        }
        for i in range(N)
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), delimiter="\t")
    table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue())
    return [
        Known(_lettered(f"Which, {i}?", "red", "blue", "green", "grey"), "ABCD"[i % 4], "BCDA"[i % 4]) for i in range(N)
    ]


def hr_bench(size: str) -> Callable[[Path], list[Known]]:
    return lambda root: tsv(
        root / f"hr_bench_{size}.tsv",
        category=lambda i: "single" if i < 12 else "cross",
        cycle_category=lambda i: str(i % 4),
    )


SETS: dict[str, Callable[[Path], list[Known]]] = {
    "textvqa": textvqa,
    "vizwiz": vizwiz,
    "mmmu": mmmu,
    "mme": mme,
    "pope": pope,
    "mm-vet": mm_vet,
    "llava-bench": llava_bench,
    "vstar": vstar,
    "hr-bench-4k": hr_bench("4k"),
    "hr-bench-8k": hr_bench("8k"),
    "mmvp": mmvp,
    "realworldqa": lambda root: tsv(root / "RealWorldQA.tsv"),
    "tsv": lambda root: tsv(root / "own.tsv", category=lambda i: "odd" if i % 2 else "even"),
}
"""Writes a set into a folder."""


def wrong_at(place: int) -> bool:
    """Whether the stub answers the item at this place wrongly: a quarter of all."""
    return place % 4 == 3


def answers(known: list[Known]) -> dict[str, str]:
    """By prompt what the stub says."""
    return {each.prompt: each.wrong if wrong_at(place) else each.right for place, each in enumerate(known)}
