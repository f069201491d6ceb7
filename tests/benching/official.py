"""Reads exported answers as the official tools do, and gives the predictions in the order of the benchmark."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from api_graph.bench.scorers.yes_no import COGNITION, PERCEPTION


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _pope(folder: Path) -> list[str]:
    files = [folder / f"coco_pope_{part}_answers.json" for part in ("random", "popular", "adversarial")]
    return [line["answer"] for file in files for line in _lines(file)]


def _mme(folder: Path) -> list[str]:
    """And that the picture, the question and the right answer are in their places."""
    found = []
    for task in (*PERCEPTION, *COGNITION):
        for line in (folder / f"{task}.txt").read_text("utf-8").splitlines():
            picture, question, truth, prediction = line.split("\t")
            assert picture == "0001.jpg" and truth == ("No" if " not " in question else "Yes")
            found.append(prediction)
    return found


def _textvqa(folder: Path) -> list[str]:
    said = {each["question_id"]: each["answer"] for each in _json(folder / "textvqa_val_answers.json")}
    return [said[number] for number in range(len(said))]


OFFICIAL: Mapping[str, Callable[[Path], list[str]]] = {
    "textvqa": _textvqa,
    "vizwiz": lambda folder: [each["answer"] for each in _json(folder / "vizwiz_val_answers.json")],
    "pope": _pope,
    "mme": _mme,
    "mm-vet": lambda folder: list(_json(folder / "mm_vet_answers.json").values()),
    "llava-bench": lambda folder: [line["text"] for line in _lines(folder / "answers.jsonl")],
    "mmvp": lambda folder: [line["response"] for line in _lines(folder / "mmvp_answers.jsonl")],
    "mmmu": lambda folder: list(_json(folder / "mmmu_val_answers.json").values()),
}
"""By benchmark; the others have no format of their own."""


def read_tsv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
