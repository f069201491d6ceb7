"""`api-graph bench` as its user has it: a stub with known answers gets exactly its scores, whatever happens."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.scores import read_figures, read_scores
from api_graph.benching.registry import benchmarks
from api_graph.table.results import read_results
from tests.benching.official import OFFICIAL, read_tsv
from tests.benching.sets import SETS, answers, wrong_at
from tests.benching.stub import answering, profiles
from tests.cli.conftest import Cli
from tests.lvlm.remote.server import Server, after

STUB = ("--set", "answerer=endpoint:stub")

# By hand: a quarter of the answers is wrong, at the places 3, 7, 11 and so on.
EXPECTED: dict[str, dict[str, float]] = {
    "textvqa": {"VQA accuracy": 0.75},
    "vizwiz": {
        "VQA accuracy": 0.75,
        "unanswerable recall": 4 / 5,
        "unanswerable accuracy": 4 / 5,
        "unanswerable false positives": 1 / 15,
    },
    "mmmu": {"accuracy": 0.75, "accuracy: Art": 0.8, "accuracy: Math": 0.7},
    "mme": {
        "matching accuracy": 0.75,
        "perception score (of 2000)": 5 * 200 + 5 * 50,
        "cognition score (of 800)": 2 * 200 + 2 * 50,
        "existence score (of 200)": 200,
        "count score (of 200)": 50,
    },
    # Of each part's ten no, five are answered by yes.
    "pope": {"accuracy": 0.75, "precision": 10 / 15, "recall": 1.0, "F1": 0.8, "yes ratio": 0.75, "F1: popular": 0.8},
    "mm-vet": {"total": 0.75, "total: rec": 1.0, "total: ocr": 0.5, "total: ocr,math": 0.5, "not judged": 0},
    "llava-bench": {
        "relative score (of 100)": 100 * (15 * 6 + 5 * 2) / (20 * 8),
        "relative score (of 100): conv": 100 * (8 * 6 + 2 * 2) / (10 * 8),
        "relative score (of 100): detail": 100 * (7 * 6 + 3 * 2) / (10 * 8),
        "failed reviews": 0,
    },
    "vstar": {"accuracy": 0.75, "accuracy: direct_attributes": 0.8, "accuracy: relative_position": 0.7},
    # The fourth rotation has all the wrong ones.
    "hr-bench-4k": {"accuracy": 0.75, "accuracy: single": 0.75, "without a letter": 0},
    "hr-bench-8k": {"accuracy": 0.75, "accuracy: cross": 0.75},
    "mmvp": {"pair accuracy": 0.5, "pair accuracy, four labels corrected": 0.5, "accuracy": 0.75},
    "realworldqa": {"accuracy": 0.75},
    "tsv": {"accuracy": 0.75, "accuracy: odd": 0.5, "accuracy: even": 1.0},
}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, Server]]:
    with profiles(tmp_path / "endpoints.toml") as found:
        found["judge"].replies = [answering(judged)]
        yield found


def judged(text: str) -> str:
    """MM-Vet's table ends with the answer; a review has both answers in it."""
    if "[Assistant 2]" in text:
        return "8 6\nGood." if "It is a ring\n" in text else "8 2\nBad."
    return "1.0" if text.splitlines()[-1].endswith("| It is 4 | ") else "0.0"


def figures(folder: Path) -> dict[str, float]:
    return {figure.name: figure.value for figure in read_figures(folder)}


def test_every_benchmark_has_a_set_here() -> None:
    assert set(EXPECTED) == set(SETS) == {name for name, spec in benchmarks().items() if spec.answer == "text"}


@pytest.mark.parametrize("name", SETS)
def test_a_stub_with_known_answers_gets_exactly_its_score(
    cli: Cli, tmp_path: Path, servers: dict[str, Server], name: str
) -> None:
    known = SETS[name](tmp_path / "data")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    ran = cli(
        "bench", name, "--data", "data", "--graph", "lvlm_ask", *STUB, "--judge", "judge", "--out", "out", "--json"
    )
    assert ran.code == 0, ran.err
    found = figures(tmp_path / "out" / "lvlm_ask")
    assert {figure: found[figure] for figure in EXPECTED[name]} == pytest.approx(EXPECTED[name])
    assert found["failed"] == found["refused"] == 0 and "drawn" not in found
    assert ran.json["graphs"]["lvlm_ask"][0]["value"] == next(iter(found.values()))

    asked = {row["prompt"]: row for row in map(json.loads, (tmp_path / "out" / "table.jsonl").read_text().splitlines())}
    assert list(asked) == [each.prompt for each in known], "the exact prompts are in the table"
    scores = read_scores(tmp_path / "out" / "lvlm_ask")
    assert [score.answer for score in scores] == list(answers(known).values())
    assert [score.row for score in scores] == list(range(len(known)))
    wrong = [score.row for score in scores if (score.score or 0) < 0.5]
    assert wrong == [place for place in range(len(known)) if wrong_at(place)]
    requests = len(servers["stub"].seen), len(servers["judge"].seen)

    again = cli("bench", "score", "out", "--json")
    assert again.code == 0 and again.json["graphs"] == ran.json["graphs"]
    assert (len(servers["stub"].seen), len(servers["judge"].seen)) == requests, "nobody is asked twice"

    said = list(answers(known).values())
    exported = cli("bench", "export", "out")
    assert exported.code == 0, exported.err
    folder = tmp_path / "out" / "export" / "lvlm_ask"
    (tsv,) = (folder / "vlmevalkit").iterdir()
    assert [row["prediction"] for row in read_tsv(tsv)] == said
    assert (folder / "official").exists() == (name in OFFICIAL)
    if name in OFFICIAL:  # MMMU's are letters already
        letters = {"(B)": "B", "(C)": "C"} if name == "mmmu" else {}
        assert OFFICIAL[name](folder / "official") == [letters.get(text, text) for text in said]


def test_two_graphs_stand_side_by_side(cli: Cli, tmp_path: Path) -> None:
    """With the demo models, each with the settings that are meant for it; the tables have all three."""
    SETS["pope"](tmp_path / "data")
    graphs = ("--graph", "plain=lvlm_ask", "--graph", "api_clip_ask", "--graph", "grey=api_clip_ask")
    settings = ("--set", "grey:Alpha blend.background=grey", "--set", "Query LVLM.max_tokens=8")
    ran = cli("bench", "pope", "--data", "data", *graphs, *settings, "--part", "popular", "--out", "out")
    assert ran.code == 0, ran.err
    assert "prompt sets suffix.prompt" in ran.err and "did you mean" not in ran.err
    out = tmp_path / "out"
    bench = json.loads((out / "bench.json").read_text())
    assert list(bench["graphs"]) == ["plain", "api_clip_ask", "grey"]
    assert bench["graphs"]["grey"]["set"] == {"Alpha blend.background": "grey", "Query LVLM.max_tokens": "8"}
    assert bench["graphs"]["plain"]["set"] == {"Query LVLM.max_tokens": "8"}
    model = bench["graphs"]["plain"]["models"]["answerer"]
    assert (model["answerer"], model["precision"]) == ("demo", "float32") and model["weights"]
    assert bench["versions"]["torch"]
    assert len(list(read_results(out / "plain"))) == 20
    for name, loads in (("plain", 1), ("api_clip_ask", 0), ("grey", 0)):  # the answering model is node 3 in both graphs
        steps = [json.loads(line)["steps"] for line in (out / name / "results.jsonl").read_text().splitlines()]
        assert sum("3" in own for own in steps) == loads, "one executor: the model is loaded once"
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracy = {row["graph"]: float(row["value"]) for row in rows if row["figure"] == "accuracy"}
    assert accuracy == {name: figures(out / name)["accuracy"] for name in ("plain", "api_clip_ask", "grey")}
    assert (out / "scores.md").read_text().startswith("| POPE, % | n | plain | api\\_clip\\_ask | grey |\n")
    assert r"POPE, \% & n & plain & api\_clip\_ask & grey \\" in (out / "scores.tex").read_text()
    scores = {score.item: score for score in read_scores(out / "plain")}
    right = sum(score.score or 0 for score in scores.values()) / len(scores)
    assert right == accuracy["plain"] and scores["popular/2"].truth == "no"


def test_a_grid_is_a_graph_for_each_setting(cli: Cli, tmp_path: Path) -> None:
    SETS["pope"](tmp_path / "data")
    words = ("bench", "pope", "--data", "data", "--limit", "2", "--out", "out", "--graph", "clip=api_clip_ask")
    grid = ("--grid", "kernel_size=1, 7", "--grid", 'Alpha blend.background=["black"]')
    ran = cli(*words, "--graph", "lvlm_ask", *grid)
    assert ran.code == 2 and "the graph has no such input" in ran.err
    ran = cli(*words, *grid, "--set", "clip:strength=0.5", "--json")
    assert ran.code == 0, ran.err
    names = [f"clip kernel_size={size} Alpha blend.background=black" for size in (1, 7)]
    assert list(ran.json["graphs"]) == names
    bench = json.loads((tmp_path / "out" / "bench.json").read_text())
    for size, name in zip("17", names, strict=True):
        own = {"kernel_size": size, "Alpha blend.background": "black", "strength": "0.5"}
        assert bench["graphs"][name]["set"] == own and len(read_scores(tmp_path / "out" / name)) == 2
    for more, said in (
        (("--grid", "kernel_size=7", "--set", "kernel_size=1"), "--set gives this input a value, too"),
        (("--grid", "kernel_size=1,,7"), "Write for example --grid kernel_size=1,7,15."),
        (("--grid", "kernel_size=7,7"), "different values are needed"),
        (("--grid", 'query=["a/b"]'), "this can be no subfolder"),
    ):
        refused = cli(*words, *more)
        assert refused.code == 2 and said in refused.err, refused.err


def test_a_killed_run_goes_on(cli: Cli, tmp_path: Path, servers: dict[str, Server]) -> None:
    known = SETS["textvqa"](tmp_path / "data")
    answer = answering(answers(known).__getitem__)
    servers["stub"].replies = [after(0.2, answer)]
    words = ["bench", "textvqa", "--data", "data", "--graph", "lvlm_ask", *STUB, "--out", "out", "--chunk-size", "2"]
    process = subprocess.Popen([sys.executable, "-m", "api_graph", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    journal = tmp_path / "out" / "lvlm_ask" / "results.jsonl"
    while process.poll() is None and not (journal.is_file() and journal.read_bytes().count(b"\n") >= 4):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = journal.read_bytes().count(b"\n")
    assert 4 <= done < 20, "killed in the middle"
    before = len(servers["stub"].seen)
    servers["stub"].replies = [answer]
    ran = cli(*words)
    assert ran.code == 0, ran.err
    assert f"20 rows ({done} before)" in ran.err
    assert len(servers["stub"].seen) - before <= 20 - done
    assert figures(tmp_path / "out" / "lvlm_ask") == pytest.approx({"VQA accuracy": 0.75, "failed": 0, "refused": 0})


def test_more_items_and_more_graphs_go_into_the_same_folder(
    cli: Cli, tmp_path: Path, servers: dict[str, Server]
) -> None:
    known = SETS["textvqa"](tmp_path / "data")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    words = ("bench", "textvqa", "--data", "data", *STUB, "--out", "out")
    assert cli(*words, "--graph", "lvlm_ask", "--limit", "4").code == 0
    assert figures(tmp_path / "out" / "lvlm_ask")["VQA accuracy"] == 0.75 and len(servers["stub"].seen) == 4
    assert cli(*words, "--graph", "lvlm_ask").code == 0
    assert len(servers["stub"].seen) == 20, "the four were there"
    ran = cli(*words, "--graph", "again=lvlm_ask", "--json")
    assert list(ran.json["graphs"]) == ["lvlm_ask", "again"]
    asked = len(servers["stub"].seen)
    assert cli(*words, "--graph", "kept=lvlm_ask", "--graph", "shared=lvlm_ask", "--keep-answers").code == 0
    assert len(servers["stub"].seen) == asked + 20, "what graphs share is done once"
    wrong = cli("bench", "vizwiz", "--data", str(tmp_path), *STUB, "--graph", "lvlm_ask", "--out", "out")
    assert wrong.code == 2 and "this folder has results of the benchmark textvqa" in wrong.err


@pytest.mark.parametrize("policy", ["error", "empty"])
def test_failures_and_refusals_are_counted_apart(
    cli: Cli, tmp_path: Path, servers: dict[str, Server], policy: str
) -> None:
    """Items 0 and 1 fail, the second of them once; item 2 is refused. The others are as ever: wrong at 3, 7, ..."""
    known = SETS["pope"](tmp_path / "data")[:20]
    said, tries = answers(known), dict[str, int]()

    def answer(prompt: str) -> Any:
        tries[prompt] = tries.get(prompt, 0) + 1
        if prompt == known[0].prompt or (prompt == known[1].prompt and tries[prompt] == 1):
            return 400
        return {"finish_reason": "content_filter"} if prompt == known[2].prompt else said[prompt]

    servers["stub"].replies = [answering(answer)]
    words = ("bench", "pope", "--data", "data", "--part", "random", "--graph", "lvlm_ask", *STUB, "--out", "out")
    ran = cli(*words, "--on-failure", policy)
    found, scores = figures(tmp_path / "out" / "lvlm_ask"), read_scores(tmp_path / "out" / "lvlm_ask")
    states = [score.status for score in scores]
    if policy == "error":
        assert ran.code == 1 and tries[known[0].prompt] == 1
        assert states[:4] == ["failed", "failed", "refused", "ok"]
        assert [score.score for score in scores[:3]] == [None, None, None]
        assert found["accuracy"] == pytest.approx(12 / 17) and found["failed"] == 2 / 20
    else:
        # One more try: the second is answered. An empty answer is a yes to POPE, which is right for items 0 and 2.
        assert ran.code == 0 and tries[known[0].prompt] == 2 and tries[known[2].prompt] == 1
        assert states[:4] == ["failed", "ok", "refused", "ok"]
        assert [score.score for score in scores[:3]] == [1, 1, 1]
        assert found["accuracy"] == 15 / 20 and found["failed"] == 1 / 20
        cli(*words, "--on-failure", policy)
        assert tries[known[0].prompt] == 2, "once more means once"
    assert found["refused"] == 1 / 20
    # The policy is a matter of scoring, too: an empty answer is wrong for item 1, and right for items 0 and 2.
    other = "empty" if policy == "error" else "error"
    cli("bench", "score", "out", "--on-failure", other)
    assert figures(tmp_path / "out" / "lvlm_ask")["accuracy"] == pytest.approx(
        14 / 20 if policy == "error" else 13 / 18
    )


def test_draws_are_the_same_each_time_and_counted(cli: Cli, tmp_path: Path, servers: dict[str, Server]) -> None:
    SETS["mmmu"](tmp_path / "data")
    servers["stub"].replies = [answering(lambda prompt: "I cannot say")]
    words = ("bench", "mmmu", "--data", "data", "--graph", "lvlm_ask", *STUB, "--out")
    assert cli(*words, "one").code == cli(*words, "two").code == 0
    one, two = (read_scores(tmp_path / name / "lvlm_ask") for name in ("one", "two"))
    assert [score.score for score in one] == [score.score for score in two]
    assert [score.status for score in one] == ["drawn", "ok"] * 10, "free answers are not drawn"
    assert figures(tmp_path / "one" / "lvlm_ask")["drawn"] == 0.5


def test_a_judge_is_asked_again_and_kept(cli: Cli, tmp_path: Path, servers: dict[str, Server]) -> None:
    """MM-Vet: a reply without a number is asked for again at a higher temperature; an error keeps what was judged."""
    known = SETS["mm-vet"](tmp_path / "data")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    words = ("bench", "mm-vet", "--data", "data", "--graph", "lvlm_ask", *STUB, "--out", "out")
    refused = cli(*words)
    assert refused.code == 2 and "20 answers are not judged yet" in refused.err and "--judge PROFILE" in refused.err

    def judge(text: str) -> Any:
        if "What is x1?" in text:
            return "1.0" if text.endswith("Predict the correctness of the answer (digit): ") else "Correct"
        return "never a number" if "What is x2?" in text else 500 if "What is x5?" in text else judged(text)

    servers["judge"].replies = [answering(judge)]
    cut = cli(*words, "--judge", "judge")
    assert cut.code == 1 and "could not be judged" in cut.err
    servers["judge"].replies = [answering(judged)]
    servers["judge"].seen.clear()
    assert cli(*words, "--judge", "judge").code == 0
    asked = [seen.body["messages"][-1]["content"] for seen in servers["judge"].seen]
    assert any("What is x5?" in str(text) for text in asked) and not any("What is x3?" in str(text) for text in asked)
    lines = [json.loads(line) for line in (tmp_path / "out" / "lvlm_ask" / "judged.jsonl").read_text().splitlines()]
    by_item: dict[str, list[str]] = {}
    for line in lines:
        by_item.setdefault(line["item"], []).append(line["reply"])
    assert by_item["v1_1"][0] == "Correct" and len(by_item["v1_1"]) == 2
    assert {line["judge"] for line in lines} == {"judge/m"}


def test_what_cannot_be_run_says_what_helps(cli: Cli, tmp_path: Path) -> None:
    SETS["textvqa"](tmp_path / "data")
    bench = ("bench", "textvqa", "--data", "data")
    for words, said in (
        (("bench", "textvq", "--data", "data", "--graph", "lvlm_ask"), "Did you mean textvqa?"),
        (("bench", "textvqa", "--graph", "lvlm_ask"), "It holds TextVQA_0.5.1_val.json, train_images"),
        (("bench", "textvqa", "--data", "dat", "--graph", "lvlm_ask"), "--data: there is no such folder"),
        (("bench", "pope", "--data", "data", "--graph", "lvlm_ask"), "coco_pope_random.json is missing"),
        (bench, "Say --graph lvlm_ask"),
        ((*bench, "--graph", "lvlm_ask", "--graph", "lvlm_ask"), "two graphs have one name"),
        ((*bench, "--graph", "lvlm_reflect"), "could answer: Answer of round 1, Round 2, Answer"),
        ((*bench, "--graph", "lvlm_reflect", "--answer", "Reflect"), "no node of that title answers"),
        ((*bench, "--graph", "rec_foveal", "--keep", "boxes"), "no node of the graph asks an LVLM"),
        ((*bench, "--graph", "lvlm_ask", "--part", "val"), "TextVQA has no such part"),
        ((*bench, "--graph", "lvlm_ask", "--set", "kernel_size=3"), "the graph has no such input"),
        ((*bench, "--graph", "lvlm_ask", "--judge", "nobody"), "there is no such profile"),
        (("bench", "score", "data"), "there is no bench.json in it"),
    ):
        ran = cli(*words)
        assert ran.code == 2 and said in ran.err, ran.err
    assert not (tmp_path / "bench").exists() or not list((tmp_path / "bench").rglob("results.jsonl"))


def test_a_graph_that_cannot_take_the_prompt_says_which_flag_helps(
    cli: Cli, tmp_path: Path, servers: dict[str, Server], graph: Any
) -> None:
    known = SETS["textvqa"](tmp_path / "data")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    file = graph(
        {
            "1": ("APLoadImage", {"image": "x.png"}, "image"),
            "2": ("APText", {"text": "?"}, "query"),
            "3": ("APAnsweringModel", {"answerer": "endpoint:stub"}),
            "4": ("APQueryLVLM", {"model": ["3", 0], "question": ["2", 0], "image": ["1", 0]}),
            "5": ("APShowText", {"value": ["4", 0]}, "Said"),
        }
    )
    words = ("bench", "textvqa", "--data", "data", "--graph", file, "--out", "out")
    refused = cli(*words)
    assert refused.code == 2 and "Say --column query=prompt" in refused.err
    assert cli(*words, "--column", "query=prompt").code == 0
    assert figures(tmp_path / "out" / "graph")["VQA accuracy"] == 0.75


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_pictures_behind_a_link_are_found_in_a_folder_that_is_named(
    cli: Cli, tmp_path: Path, servers: dict[str, Server]
) -> None:
    """COCO's pictures often lie elsewhere, with a link to them; a row may not follow it unless the user says so."""
    known = SETS["pope"](tmp_path / "data")
    (tmp_path / "coco").mkdir()
    (tmp_path / "data" / "val2014").rename(tmp_path / "coco" / "val2014")
    (tmp_path / "data" / "val2014").symlink_to(tmp_path / "coco" / "val2014")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    words = ("bench", "pope", "--data", "data", "--part", "random", "--graph", "lvlm_ask", *STUB)
    refused = cli(*words, "--limit", "2", "--out", "one")
    assert refused.code == 1 and "row 0: " in refused.err
    ran = cli(*words, "--limit", "2", "--out", "two", "--input", "coco")
    assert ran.code == 0, refused.err + ran.err


def test_the_list_says_what_is_there(cli: Cli, tmp_path: Path) -> None:
    SETS["vizwiz"](tmp_path / "data" / "vizwiz")
    SETS["textvqa"](tmp_path / "data")
    ran = cli("bench", "list", "--data", "data")
    rows = {line.split()[0]: line for line in ran.out.splitlines()}
    assert set(rows) >= set(benchmarks())
    assert rows["vizwiz"].endswith("all there") and rows["textvqa"].endswith("all there")
    assert rows["mmvp"].endswith("missing: Questions.csv, MMVP Images")
    listed = {each["name"]: each for each in cli("bench", "list", "--data", "data", "--json").json}
    assert listed["vizwiz"]["missing"] == [] and listed["pope"]["parts"] == ["random", "popular", "adversarial"]


def test_what_cannot_be_exported(cli: Cli, tmp_path: Path, servers: dict[str, Server]) -> None:
    known = SETS["realworldqa"](tmp_path / "data")
    servers["stub"].replies = [answering(answers(known).__getitem__)]
    words = ("bench", "realworldqa", "--data", "data", *STUB, "--out", "out", "--graph")
    assert cli(*words, "a=lvlm_ask", "--limit", "2").code == cli(*words, "b=lvlm_ask", "--limit", "3").code == 0
    for more, said in (
        (("--format", "official"), "RealWorldQA has no such format (got 'official'). There is: vlmevalkit."),
        (("--graph", "c"), "no graph of that name was run here (got 'c'). There are: a, b."),
        ((), "a: 1 of 3 items are not finished"),
    ):
        ran = cli("bench", "export", "out", *more)
        assert ran.code == 2 and said in ran.err, ran.err
    ran = cli("bench", "export", "out", "--graph", "b", "--json")
    (file,) = ran.json["files"]
    assert Path(file).name == "b_RealWorldQA.tsv"
    rows = read_tsv(tmp_path / file)
    assert list(rows[0]) == ["index", "question", "A", "B", "C", "D", "answer", "prediction"]
    assert [(row["index"], row["answer"], row["prediction"]) for row in rows] == [
        ("0", "A", "A"),
        ("1", "B", "B"),
        ("2", "C", "C"),
    ]
