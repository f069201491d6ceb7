"""The VQA benchmarks' readers: sets of 20 items in the official layouts, whole and damaged."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from api_graph.bench.readers.judged import read_llava_bench, read_mm_vet
from api_graph.bench.readers.mmmu import read_mmmu
from api_graph.bench.readers.options import read_mmvp, read_tsv, read_vstar
from api_graph.bench.readers.vqa import read_mme, read_pope, read_textvqa, read_vizwiz
from tests.tasks.files import complaint, write

N = 20


def png(shade: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 0, 0)).save(content, "PNG")
    return content.getvalue()


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(png(number))


def textvqa(root: Path) -> Any:
    pictures(root / "train_images", *(f"img{i}.jpg" for i in range(N)))
    return {
        "dataset_name": "textvqa",
        "data": [
            {"question_id": i, "image_id": f"img{i}", "question": f"what is on sign {i}?", "answers": ["stop"] * 10}
            for i in range(N)
        ],
    }


def test_textvqa(tmp_path: Path) -> None:
    write(tmp_path / "TextVQA_0.5.1_val.json", json.dumps(textvqa(tmp_path)))
    found = read_textvqa(tmp_path)
    assert (found.name, len(found.questions)) == ("TextVQA", N)
    one = found.questions[3]
    assert (one.id, one.text, one.answers) == ("3", "what is on sign 3?", ("stop",) * 10)
    assert one.images == (tmp_path / "train_images" / "img3.jpg",)
    assert one.prompt == "what is on sign 3? Answer the question using a single word or phrase."


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d["data"][2].pop("question"), "field 'data[2].question': it is missing"),
        (lambda d: d["data"][2].update(question_id="two"), "field 'data[2].question_id': a finite number"),
        (lambda d: d["data"][2].update(answers="stop"), "field 'data[2].answers': a list is needed"),
        (lambda d: d["data"][2].update(answers=["stop", 3]), "field 'data[2].answers[1]': a text is needed"),
        (lambda d: d["data"][2].update(image_id="../img2"), "field 'data[2].image_id': the name leads out"),
        (lambda d: d["data"][2].update(image_id="other"), "field 'data[2].image_id': there is no such picture"),
        (lambda d: d["data"][2].update(question_id=1), "two questions have one id (got '1')"),
        (lambda d: d.update(data=[]), "there is no question in it"),
        (lambda d: d.update(data={}), "field 'data': a list is needed"),
    ],
)
def test_a_damaged_textvqa(tmp_path: Path, damage: Callable[[Any], object], said: str) -> None:
    document = textvqa(tmp_path)
    damage(document)
    write(tmp_path / "TextVQA_0.5.1_val.json", json.dumps(document))
    assert said in complaint(read_textvqa, tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    said = complaint(read_textvqa, tmp_path)
    assert "TextVQA_0.5.1_val.json is missing" in said and "Fetch TextVQA 0.5.1's val questions" in said
    write(tmp_path / "TextVQA_0.5.1_val.json", "{")
    assert "train_images is missing" in complaint(read_textvqa, tmp_path)
    (tmp_path / "train_images").mkdir()
    assert "line 1: this is no JSON" in complaint(read_textvqa, tmp_path)


def vizwiz(root: Path) -> list[dict[str, Any]]:
    names = [f"VizWiz_val_{i:08}.jpg" for i in range(N)]
    pictures(root / "val", *names)
    people = [{"answer": "a can", "answer_confidence": "yes"}] * 10
    return [
        {"image": name, "question": "What is this?", "answers": people, "answer_type": "other", "answerable": 1}
        for name in names
    ]


def test_vizwiz(tmp_path: Path) -> None:
    write(tmp_path / "val.json", json.dumps(vizwiz(tmp_path)))
    one = read_vizwiz(tmp_path).questions[5]
    assert (one.id, one.answers) == ("VizWiz_val_00000005.jpg", ("a can",) * 10)
    assert one.prompt.startswith("What is this? When the provided information is insufficient, respond with")
    assert one.facts == {"answer_type": "other", "answerable": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer_type": "text"}, "field 'questions[4].answer_type': there is no such type"),
        ({"answerable": 2}, "field 'questions[4].answerable': the number is not within 0 to 1"),
        ({"answers": [{"answer_confidence": "yes"}]}, "field 'questions[4].answers[0].answer': it is missing"),
        ({"question": " "}, "field 'questions[4].question': a text is needed"),
    ],
)
def test_a_damaged_vizwiz(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rows = vizwiz(tmp_path)
    rows[4].update(change)
    write(tmp_path / "val.json", json.dumps(rows))
    assert said in complaint(read_vizwiz, tmp_path)


def pope(root: Path) -> list[dict[str, Any]]:
    pictures(root / "val2014", *(f"COCO_{i}.jpg" for i in range(N)))
    return [
        {"question_id": i, "image": f"COCO_{i}.jpg", "text": "Is there a dog?", "label": ("yes", "no")[i % 2]}
        for i in range(N)
    ]


def test_pope(tmp_path: Path) -> None:
    write(tmp_path / "coco_pope_popular.json", "\n".join(map(json.dumps, pope(tmp_path))))
    found = read_pope(tmp_path, "popular")
    assert (found.name, len(found.questions), found.questions[1].answers) == ("POPE popular", N, ("no",))
    assert found.questions[0].prompt == "Is there a dog?"
    assert "coco_pope_random.json is missing" in complaint(read_pope, tmp_path)
    assert "POPE has no such part" in complaint(read_pope, tmp_path, "all")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "Yes"}, "line 8, field 'label': the right answer is yes or no"),
        ({"text": None}, "line 8, field 'text': it is missing"),
        ({"image": "/etc/passwd"}, "line 8, field 'image': the name leads out"),
    ],
)
def test_a_damaged_pope(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rows = pope(tmp_path)
    rows[7].update(change)
    write(tmp_path / "coco_pope_random.json", "\n".join(map(json.dumps, rows)))
    assert said in complaint(read_pope, tmp_path)


def mme(root: Path) -> None:
    for task, apart in (("color", False), ("posters", True)):
        texts = root / task / ("questions_answers_YN" if apart else "")
        pictures(root / task / ("images" if apart else ""), *(f"{i:04}.{'png' if i % 2 else 'jpg'}" for i in range(5)))
        for i in range(5):
            write(
                texts / f"{i:04}.txt",
                f"Is it {i}? Please answer yes or no.\tYes\nIs it not? Please answer yes or no.\tNo\n",
            )


def test_mme_in_both_layouts(tmp_path: Path) -> None:
    mme(tmp_path)
    found = read_mme(tmp_path, ["color", "posters"])
    assert len(found.questions) == N
    assert [q.answers for q in found.questions[:2]] == [("Yes",), ("No",)]
    assert found.questions[12].id == "posters/0001/1"
    assert found.questions[12].images == (tmp_path / "posters" / "images" / "0001.png",)
    assert found.questions[12].facts == {"task": "posters", "image": "0001.png"}
    assert "existence is missing" in complaint(read_mme, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("color/0002.txt", "Is it?\tYes\n", "0002.txt: an image has two questions (got 1)"),
        ("color/0002.txt", "Is it?\tYes\nIs it not? No\n", "0002.txt, line 2: a question, a tab, and Yes or No"),
        ("color/0002.txt", "Is it?\tYes\nIs it not?\tMaybe\n", "0002.txt, line 2: a question, a tab, and Yes or No"),
        ("color/9999.txt", "Is it?\tYes\nIs it not?\tNo\n", "9999.txt: its picture is not in"),
    ],
)
def test_a_damaged_mme(tmp_path: Path, name: str, text: str, said: str) -> None:
    mme(tmp_path)
    write(tmp_path / name, text)
    assert said in complaint(read_mme, tmp_path, ["color"])
    assert "MME has no such task" in complaint(read_mme, tmp_path, ["colour"])


def mmmu_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"validation_Art_Theory_{i}",
            "question": "Which is <image 1>?",
            "options": "['4', 'it\\'s <image 2>', '16', '25']" if i % 2 == 0 else "[]",
            "answer": "B" if i % 2 == 0 else "['9', 'nine']",
            "question_type": "multiple-choice" if i % 2 == 0 else "open",
            "image_1": {"bytes": png(i), "path": None},
            "image_2": {"bytes": png(100 + i), "path": None},
        }
        for i in range(N)
    ]


def mmmu(root: Path, rows: list[dict[str, Any]]) -> Path:
    (root / "Art_Theory").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "Art_Theory" / "validation-00000-of-00001.parquet")
    return root


def test_mmmu(tmp_path: Path) -> None:
    found = read_mmmu(mmmu(tmp_path, mmmu_rows())).questions
    assert len(found) == N
    closed, free = found[0], found[1]
    assert closed.images == (png(0), png(100)), "the option's picture too"
    assert closed.choices == {"A": "4", "B": "it's <image 2>", "C": "16", "D": "25"} and closed.answers == ("B",)
    assert closed.prompt == (
        "Which is <image 1>?\n\n(A) 4\n(B) it's <image 2>\n(C) 16\n(D) 25\n\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert free.answers == ("9", "nine") and free.images == (png(1),) and not free.choices
    assert free.prompt == "Which is <image 1>?\n\nAnswer the question using a single word or phrase."
    assert closed.facts["subject"] == "Art_Theory"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": "['4', '9'"}, "line 7, field 'options': a list is needed"),
        ({"options": "__import__('os')"}, "line 7, field 'options': a list is needed"),
        ({"options": "['4']"}, "line 7, field 'options': a multiple-choice question has 2 to 26"),
        ({"answer": "E"}, "line 7, field 'answer': the right letter is one of A, B, C, D"),
        ({"question_type": "essay"}, "line 7, field 'question_type': there is no such type"),
        ({"question": "Which is <image 7>?"}, "line 7, field 'image_7': it is missing"),
        ({"image_1": {"bytes": b"", "path": None}}, "line 7, field 'image_1': the picture's bytes are needed"),
        ({"id": None}, "line 7, field 'id': it is missing"),
    ],
)
def test_a_damaged_mmmu(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rows = mmmu_rows()
    rows[6].update(change)
    assert said in complaint(read_mmmu, mmmu(tmp_path, rows))


def test_a_file_of_mmmu_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "Art" / "validation-0.parquet", "version https://git-lfs")
    assert "this is no Parquet file" in complaint(read_mmmu, tmp_path)
    assert "there is no SUBJECT/validation-*.parquet" in complaint(read_mmmu, tmp_path / "Art")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "Art" / "validation-0.parquet")
    assert "field 'question': the column is missing" in complaint(read_mmmu, tmp_path)


def mm_vet(root: Path) -> dict[str, Any]:
    pictures(root / "images", *(f"v1_{i}.png" for i in range(N)))
    return {
        f"v1_{i}": {
            "imagename": f"v1_{i}.png",
            "question": "What is x?",
            "answer": "4 <OR> four",
            "capability": ["ocr"],
        }
        for i in range(N)
    }


def test_mm_vet(tmp_path: Path) -> None:
    document = mm_vet(tmp_path)
    write(tmp_path / "mm-vet.json", json.dumps(document))
    one = read_mm_vet(tmp_path).questions[19]
    assert (one.id, one.prompt, one.answers, one.facts) == (
        "v1_19",
        "What is x?",
        ("4 <OR> four",),
        {"capability": ["ocr"]},
    )
    for change, said in (
        ({"capability": ["read"]}, "field 'v1_3.capability': capabilities are rec, ocr"),
        ({"capability": []}, "field 'v1_3.capability': capabilities are"),
        ({"imagename": "v1_99.png"}, "field 'v1_3.imagename': there is no such picture"),
        ({"answer": None}, "field 'v1_3.answer': it is missing"),
    ):
        write(tmp_path / "mm-vet.json", json.dumps({**document, "v1_3": {**document["v1_3"], **change}}))
        assert said in complaint(read_mm_vet, tmp_path)


def test_llava_bench(tmp_path: Path) -> None:
    pictures(tmp_path / "images", *(f"{i:03}.jpg" for i in range(N)))
    questions = [
        {"question_id": i, "image": f"{i:03}.jpg", "text": "Describe it.", "category": "conv"} for i in range(N)
    ]
    captions = [{"id": f"{i:03}", "image": f"{i:03}.jpg", "caption": f"A ring {i}."} for i in range(N)]
    answers = [{"question_id": i, "text": f"It is a ring {i}."} for i in range(N)]
    for name, rows in (("questions", questions), ("context", captions), ("answers_gpt4", answers)):
        write(tmp_path / f"{name}.jsonl", "\n".join(map(json.dumps, rows)))
    one = read_llava_bench(tmp_path).questions[2]
    assert one.answers == ("It is a ring 2.",) and one.facts == {"category": "conv", "caption": "A ring 2."}
    write(tmp_path / "answers_gpt4.jsonl", "\n".join(map(json.dumps, answers[:5])))
    assert "line 6, field 'question_id': answers_gpt4.jsonl has no answer" in complaint(read_llava_bench, tmp_path)
    write(tmp_path / "context.jsonl", "\n".join(map(json.dumps, captions[:4])))
    assert "line 5, field 'image': context.jsonl has no caption" in complaint(read_llava_bench, tmp_path)
    write(tmp_path / "questions.jsonl", json.dumps({**questions[0], "category": "talk"}))
    assert "line 1, field 'category': categories are conv" in complaint(read_llava_bench, tmp_path)


def vstar(root: Path) -> None:
    for part in ("direct_attributes", "relative_position"):
        pictures(root / part, *(f"sa_{i}.jpg" for i in range(N // 2)))
        for i in range(N // 2):
            fields = {
                "target_object": ["cup"],
                "bbox": [[10, 20, 5, 6]],
                "question": "Which colour?",
                "options": ["red", "blue"],
            }
            write(root / part / f"sa_{i}.json", json.dumps(fields))


def test_vstar(tmp_path: Path) -> None:
    vstar(tmp_path)
    found = read_vstar(tmp_path).questions
    assert len(found) == N and found[0].answers == ("A",) and found[0].choices == {"A": "red", "B": "blue"}
    assert found[0].facts["boxes"] == [[10.0, 20.0, 15.0, 26.0]]
    assert (
        found[0].prompt
        == "Which colour?\nA. red\nB. blue\nAnswer with the option's letter from the given choices directly."
    )
    path = tmp_path / "direct_attributes" / "sa_4.json"
    good = json.loads(path.read_text("utf-8"))
    for change, said in (
        ({"bbox": [[1, 2, 3]]}, "sa_4.json, field 'bbox[0]': a list of 4 numbers"),
        ({"bbox": [[1, 2, -3, 4]]}, "sa_4.json, field 'bbox[0]': a box is x, y, width, height"),
        ({"options": ["red"]}, "sa_4.json, field 'options': 2 to 26 options"),
    ):
        write(path, json.dumps({**good, **change}))
        assert said in complaint(read_vstar, tmp_path)


def mmvp(root: Path, **change: str) -> Path:
    pictures(root / "MMVP Images", *(f"{i}.jpg" for i in range(1, 101)))
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["Index", "Question", "Options", "Correct Answer"])
    for i in range(1, 101):
        table.writerow([i, "Open or closed?", "(a) Open (b) Closed", "(a)" if i % 2 else "(b)"])
    text = rows.getvalue()
    for old, new in change.items():
        text = text.replace(old, new, 1)
    write(root / "Questions.csv", text)
    return root


def test_mmvp(tmp_path: Path) -> None:
    found = read_mmvp(mmvp(tmp_path)).questions
    assert found[1].choices == {"A": "Open", "B": "Closed"} and found[1].answers == ("B",)
    assert found[98].answers == ("A",), "row 99, as it stands in the file"
    corrected = read_mmvp(tmp_path, correct_labels=True).questions
    swapped = [q.id for q, r in zip(found, corrected, strict=True) if q.answers != r.answers]
    assert swapped == ["99", "100"]
    assert "field 'Options': two options" in complaint(read_mmvp, mmvp(tmp_path, **{"(b) Closed": "or Closed"}))
    assert "field 'Correct Answer': it is (a) or (b)" in complaint(
        read_mmvp, mmvp(tmp_path, **{"(b) Closed,(a)": "(b) Closed,c"})
    )
    assert "field 'Correct Answer': the column is missing" in complaint(
        read_mmvp, mmvp(tmp_path, **{"Correct Answer": "Answer"})
    )


def tsv(path: Path, rows: list[dict[str, str]]) -> Path:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), delimiter="\t")
    table.writeheader()
    table.writerows(rows)
    return write(path, text.getvalue())


def hr_bench() -> list[dict[str, str]]:
    image = base64.b64encode(png()).decode()
    options = {"A": "red", "B": "blue", "C": "", "D": "green"}
    return [
        {
            "index": str(i),
            "question": "Which?",
            "image": image,
            **options,
            "answer": "B",
            "category": "single",
            "cycle_category": str(i % 4),
        }
        for i in range(N)
    ]


def test_a_tsv(tmp_path: Path) -> None:
    rows = hr_bench()
    rows[3]["image"] = "1"  # the picture of row 1
    found = read_tsv(tsv(tmp_path / "hr_bench_4k.tsv", rows), "HR-Bench 4K")
    one = found.questions[3]
    assert (found.name, len(found.questions), one.images) == ("HR-Bench 4K", N, (png(),))
    assert one.choices == {"A": "red", "B": "blue", "D": "green"} and one.answers == ("B",)
    assert one.facts == {"category": "single", "cycle_category": "3"}


def test_a_tsv_of_paths_and_free_answers(tmp_path: Path) -> None:
    pictures(tmp_path / "pics", "a.png")
    rows = [{"index": "1", "question": "How many?", "image_path": "pics/a.png", "answer": "3"}]
    one = read_tsv(tsv(tmp_path / "real.tsv", rows)).questions[0]
    assert (one.images, one.answers, one.choices) == ((tmp_path / "pics" / "a.png",), ("3",), {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "no base64!"}, "line 6, field 'image': this is neither base64 nor an earlier row's index"),
        ({"image": "17"}, "line 6, field 'image': this is neither"),
        ({"answer": "C"}, "line 6, field 'answer': the right letter is one of A, B, D"),
        ({"index": ""}, "line 6, field 'index': a text is needed"),
        ({"question": ""}, "line 6, field 'question': a text is needed"),
        ({"index": "3"}, "two questions have one id"),
    ],
)
def test_a_damaged_tsv(tmp_path: Path, change: dict[str, str], said: str) -> None:
    rows = hr_bench()
    rows[4].update(change)
    assert said in complaint(read_tsv, tsv(tmp_path / "a.tsv", rows))


def test_a_tsv_without_its_columns(tmp_path: Path) -> None:
    assert "field 'question': the column is missing" in complaint(read_tsv, tsv(tmp_path / "a.tsv", [{"index": "1"}]))
    rows = [{"index": "1", "question": "Which?"}]
    assert "field 'image': the column is missing" in complaint(read_tsv, tsv(tmp_path / "b.tsv", rows))
    assert "c.tsv is missing" in complaint(read_tsv, tmp_path / "c.tsv")
