"""The prompting strategies as graphs: what each sends to a server that writes everything down, and what runs again."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import api_graph
from api_graph.cli.app import app
from api_graph.cli.session import Request, perform, print_notes
from api_graph.executor import DiskCache, Event, Executor, MemoryCache, RunResult
from api_graph.graph import Graph, Link, read_graph, set_inputs, validate
from api_graph.lvlm.remote import identity
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders, shipped_graphs
from tests.lvlm.remote.server import Seen, Server, after, running, says, status

PICTURE = shipped_graphs() / "api_graph_example.png"
Q = "What colour is the ring?"
KEY = "Zx9-quite.Secret_Key42"
SUFFIX = "Answer the question using a single word or phrase."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A recording server behind the profile `rec`."""
    with running() as started:
        profiles = tmp_path / "endpoints.toml"
        profiles.write_text(f'[rec]\nbase_url = "{started.url}"\nmodels = ["m"]\nkey_env = "REC_KEY"\nretries = 0\n')
        monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(profiles))
        monkeypatch.setenv("REC_KEY", KEY)
        yield started


def at_the_endpoint(name: str, **values: Any) -> Graph:
    """A shipped graph whose answers come from `rec`, also where it asks the model that it watched."""
    graph = open_graph(name)
    who = [node for node in graph.nodes.values() if node.class_type == "APAnsweringModel"]
    if not who:
        api = graph.to_api()
        api["who"] = {"class_type": "APAnsweringModel", "inputs": {"answerer": "demo"}, "_meta": {"title": "answerer"}}
        graph = read_graph(api)
        for id, node in list(graph.nodes.items()):
            if node.class_type == "APQueryLVLM":
                graph.nodes[id] = replace(node, inputs={**node.inputs, "model": Link("who", 0)})
    graph = set_inputs(graph, all_nodes(), {"answerer": "endpoint:rec", "query": Q, **values})
    validate(graph, all_nodes())
    return graph


def run(graph: Graph, out: Path, executor: Executor | None = None) -> RunResult:
    return (executor or Executor()).run(graph, headless_folders(out)).raise_failures()


def answers(result: RunResult, graph: Graph) -> dict[str, str]:
    """What `Show text` nodes showed, by title."""
    return {graph.nodes[id].title: o.ui["text"][0] for id, o in result.outputs.items() if "text" in o.ui}


def asked(seen: Seen) -> tuple[str, list[np.ndarray]]:
    """The text of a request and its images."""
    (message,) = seen.body["messages"]
    texts = [part["text"] for part in message["content"] if part["type"] == "text"]
    urls = [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
    return "\n".join(texts), [pixels(url) for url in urls]


def pixels(url: str) -> np.ndarray:
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB"))


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    return np.asarray(Image.open(PICTURE).convert("RGB"))


def darker(image: np.ndarray, original: np.ndarray) -> bool:
    """An annotated image: black shines through, and nothing got brighter."""
    return bool((image <= original).all()) and image.mean() < 0.9 * original.mean()


def nearer_to_grey_200(image: np.ndarray, original: np.ndarray) -> bool:
    """An annotated image of the reference: each level lies between the picture's and 200, less one for trunc."""
    low, high = np.minimum(original, 200), np.maximum(original, 200)
    between = (image >= low - 1.0).all() and (image <= high).all()
    return bool(between) and np.abs(image - 200.0).mean() < 0.9 * np.abs(original - 200.0).mean()


def test_no_prompt(server, original, tmp_path) -> None:
    graph = at_the_endpoint("lvlm_ask", suffix="word_or_phrase")
    assert answers(run(graph, tmp_path), graph) == {"Answer": "red"}
    ((text, images),) = map(asked, server.seen)
    assert text == f"{Q} {SUFFIX}"
    assert np.array_equal(images[0], original) and len(images) == 1


def test_step_by_step(server, original, tmp_path) -> None:
    run(at_the_endpoint("lvlm_step_by_step"), tmp_path)
    ((text, images),) = map(asked, server.seen)
    assert text == f"{Q} Let's think step by step." and np.array_equal(images[0], original)


def test_textual_self_reflection_asks_twice_and_reads_the_new_answer(server, original, tmp_path) -> None:
    server.replies = [says("It is red."), says("The previous answer is wrong.\n\nNew answer: yellow")]
    graph = at_the_endpoint("lvlm_reflect")
    assert answers(run(graph, tmp_path), graph) == {"Answer of round 1": "It is red.", "Answer": "yellow"}
    first, second = map(asked, server.seen)
    assert first[0] == Q
    assert second[0] == (
        f'For the Question "{Q}", Your previous answer is "It is red.". Evaluate the quality of the answer and provide '
        "a new answer."
    )
    assert np.array_equal(first[1][0], original) and np.array_equal(second[1][0], original)


@pytest.mark.parametrize("name", ["api_clip_ask", "api_lvlm_ask", "api_lvlm", "api_lvlm_reference"])
def test_attention_prompting_sends_the_annotated_image(server, original, tmp_path, name) -> None:
    graph = at_the_endpoint(name)
    result = run(graph, tmp_path)
    ((text, (image,)),) = map(asked, server.seen)
    assert text == (f'"{Q}"' if name == "api_lvlm_reference" else Q)
    assert nearer_to_grey_200(image, original) if name == "api_lvlm_reference" else darker(image, original)
    saved = next(f for o in result.outputs.values() for f in o.files if f.name.startswith("annotated"))
    assert np.array_equal(image, np.asarray(Image.open(saved).convert("RGB")))


def test_the_reference_of_api_lvlm_fades_to_grey_200(original, tmp_path) -> None:
    outputs = api_graph.run_graph(
        "api_lvlm_reference",
        {"query": Q},
        cache=False,
        output=tmp_path,
        targets=["Resize to pixels", "Alpha blend to grey 200"],
    )
    heatmap = (outputs["8"]["mask"][0].numpy() * 255).round()
    blended = (outputs["9"]["image"][0].numpy() * 255).round()
    alpha = (heatmap.astype(np.float32) / np.float32(255))[..., None]
    expected = np.trunc(original.astype(np.float32) * alpha + (1 - alpha).astype(np.float64) * 200)
    assert np.array_equal(blended, expected)
    assert nearer_to_grey_200(blended, original) and not darker(blended, original)


def test_re_emphasis(server, original, tmp_path) -> None:
    run(at_the_endpoint("api_lvlm_hint"), tmp_path)
    ((text, (image,)),) = map(asked, server.seen)
    assert text == f"{Q} (Hint: The answer is related to the unmasked visible regions)."
    assert darker(image, original)


@pytest.mark.parametrize(("verdict", "annotated"), [("T", True), ('"F"', False), ("I cannot say", False)])
def test_evaluation_decides_which_image_is_asked_about(server, original, tmp_path, verdict, annotated) -> None:
    server.replies = [says(verdict), says("yellow")]
    graph = at_the_endpoint("api_lvlm_evaluate")
    assert answers(run(graph, tmp_path), graph)["Answer"] == "yellow"
    (first, (shown,)), (second, (image,)) = map(asked, server.seen)
    assert first.startswith(f'For this image, the question is "{Q}". Evaluate whether the unmasked visible regions')
    assert second == Q
    assert darker(shown, original)
    assert np.array_equal(image, shown if annotated else original)


def test_the_ensemble_is_two_annotated_images_in_one_request(server, original, tmp_path) -> None:
    run(at_the_endpoint("api_ensemble"), tmp_path)
    ((text, (clip, lvlm)),) = map(asked, server.seen)
    assert text == Q
    assert darker(clip, original) and darker(lvlm, original) and not np.array_equal(clip, lvlm)


# ------------------------------------------------------------------------------------------ again, and in rows


@pytest.fixture
def cached(tmp_path: Path):
    def executor() -> Executor:
        """As in a new process: nothing in memory, no model loaded."""
        return Executor(MemoryCache(), DiskCache(tmp_path / "cache"))

    return executor


def test_a_second_run_loads_no_model(cached, tmp_path) -> None:
    first, second = cached(), cached()
    graph = open_graph("api_lvlm")
    told = answers(run(graph, tmp_path, first), graph)
    assert first.pool.loads == 1  # one model watches and answers
    assert answers(run(graph, tmp_path, second), graph) == told
    assert second.pool.loads == 0


def test_a_second_run_asks_nobody(server, cached, tmp_path) -> None:
    for _ in range(2):
        run(at_the_endpoint("lvlm_ask"), tmp_path, cached())
    assert len(server.seen) == 1
    run(at_the_endpoint("lvlm_ask", query="What shape is it?"), tmp_path, cached())
    assert len(server.seen) == 2


def settings(**fields: str) -> None:
    """Add settings to the profile `rec`."""
    profiles = Path(os.environ["API_GRAPH_ENDPOINTS"])
    profiles.write_text(profiles.read_text() + "".join(f"{name} = {value}\n" for name, value in fields.items()))


def test_answers_are_kept_with_their_output_folder(server, cached, tmp_path) -> None:
    graph, one, other = at_the_endpoint("lvlm_ask"), tmp_path / "one", tmp_path / "other"
    for executor in (cached(), shared := cached(), shared):  # on disk, and in memory
        run(graph, one, executor)
    assert len(server.seen) == 1
    for _ in range(2):
        run(graph, other, shared)
    assert len(server.seen) == 2
    shutil.move(one, tmp_path / "moved")
    run(graph, tmp_path / "moved", cached())
    assert len(server.seen) == 2
    run(graph, one, cached())  # a new folder under the old name
    assert len(server.seen) == 3


def test_answers_are_shared_where_the_user_or_the_profile_says_so(server, cached, tmp_path) -> None:
    graph = at_the_endpoint("lvlm_ask")
    for folder in ("a", "b"):
        cached().run(graph, headless_folders(tmp_path / folder, keep_answers=True)).raise_failures()
    assert len(server.seen) == 1 and not (tmp_path / "a").exists()
    run(graph, tmp_path / "a", cached())
    assert len(server.seen) == 2
    settings(keep_answers="true")
    for folder in ("a", "b", "c"):
        run(graph, tmp_path / folder, cached())
    assert len(server.seen) == 2  # those that were shared before are


def test_another_revision_is_asked_again(server, cached, tmp_path) -> None:
    graph = at_the_endpoint("lvlm_ask")
    run(graph, tmp_path / "out", cached())
    settings(revision='"2"')
    for _ in range(2):
        run(graph, tmp_path / "out", cached())
    assert len(server.seen) == 2


def test_the_python_api_keeps_answers_likewise(server, tmp_path) -> None:
    def ask(folder: str, *, keep_answers: bool = False) -> int:
        inputs = {"answerer": "endpoint:rec", "query": Q}
        api_graph.run_graph("lvlm_ask", inputs, tmp_path / "cache", output=tmp_path / folder, keep_answers=keep_answers)
        return len(server.seen)

    assert [ask("a"), ask("a"), ask("b"), ask("b", keep_answers=True), ask("c", keep_answers=True)] == [1, 1, 2, 3, 3]

    def over_rows(folder: str, *, keep_answers: bool = False) -> int:
        rows = [{"query": "one?", "seed": 0}, {"query": "two?", "seed": 0}, {"query": "one?", "seed": 1}]
        constants, cache = {"answerer": "endpoint:rec"}, tmp_path / "cache"
        results = api_graph.map_graph(
            "lvlm_ask",
            rows,
            constants,
            output=tmp_path / folder,
            columns={"5.seed": "seed"},
            cache=cache,
            keep=["image"],
            keep_answers=keep_answers,
        )
        assert all(row.ok for row in results)
        return len(server.seen)

    del server.seen[:]
    counts = [over_rows("d"), over_rows("e"), over_rows("f", keep_answers=True), over_rows("g", keep_answers=True)]
    assert counts == [3, 6, 9, 9]  # a seed is a part of the key, also where none is sent


def test_many_runs_that_begin_at_once_give_a_folder_one_id(server, tmp_path) -> None:
    folder = tmp_path / "deep" / "out"
    with ThreadPoolExecutor(16) as threads:
        found = {identity("rec", folder)["answers"] for _ in range(10)}
        found |= set(threads.map(lambda _: identity("rec", folder)["answers"], range(64)))
    assert len(found) == 1 and [path.name for path in folder.iterdir()] == [".api-graph-answers"]
    (folder / ".api-graph-answers").write_text("")  # as a crash may leave it
    (again,) = {identity("rec", folder)["answers"] for _ in range(3)}
    assert again not in found and again


def test_a_folder_that_holds_no_id_keeps_answers_within_the_process(server, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    first, second = (identity("rec", tmp_path / "file" / "out") for _ in range(2))
    assert first == second and len(first["answers"]) == 32


def test_an_answer_from_the_cache_says_so_and_claims_no_request(server, tmp_path, capsys) -> None:
    request = Request("lvlm_ask", {"answerer": "endpoint:rec"}, tmp_path / "out", cache=tmp_path / "cache")
    for again in (False, True):
        outcome = perform(request)
        print_notes(outcome)
        (asked,) = [step for step in outcome.result.steps if step.class_type == "APQueryLVLM"]
        said = capsys.readouterr().err
        assert ("images and questions go to" in said) == (not again)
        assert ("note: Query LVLM: the answer is from the cache, no request" in said) == again
        assert asked.why.startswith("from the cache, no request") == again
    assert len(server.seen) == 1


def test_a_table_says_how_many_answers_were_no_request(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text('{"query": "one?"}\n{"query": "two?"}\n')
    words = ["map", "lvlm_ask", str(tmp_path / "rows.jsonl"), "--set", "answerer=endpoint:rec", "--keep", "image"]

    def said(folder: str, *more: str) -> str:
        ran = CliRunner().invoke(app, [*words, "--out", str(tmp_path / folder), *more])
        assert ran.exit_code == 0, ran.output
        return ran.output

    assert "no request" not in said("a", "--keep-answers")
    assert "2 answers shared or from the cache, no request" in said("b", "--keep-answers")
    assert "no request" not in said("c")
    assert len(server.seen) == 4


def test_an_answer_behind_what_is_cached_claims_no_request_either(server, cached, tmp_path) -> None:
    graph = at_the_endpoint("lvlm_reflect")
    heard: list[Event] = []
    run(graph, tmp_path, cached())
    result = cached().run(graph, headless_folders(tmp_path), listener=heard.append).raise_failures()
    steps = [step for step in result.steps if step.class_type == "APQueryLVLM"]
    assert len(steps) == 2 and all(step.why.startswith("from the cache, no request") for step in steps)
    shown = [event.ui["text"] for event in heard if event.kind == "cached" and event.ui]
    assert shown and all(texts[-1] == "(from the cache, no request)" for texts in shown)
    assert not any("from the cache" in text for o in result.outputs.values() for text in o.ui.get("text", ()))


def test_a_local_model_claims_nothing_of_requests(cached, tmp_path) -> None:
    graph = open_graph("lvlm_ask")
    results = [run(graph, tmp_path, cached()) for _ in range(2)]
    assert not any("request" in step.why for result in results for step in result.steps)
    assert not (tmp_path / ".api-graph-answers").exists()


def test_an_answer_that_only_stands_in_for_one_is_asked_for_again(server, cached, tmp_path, monkeypatch) -> None:
    profiles = Path(os.environ["API_GRAPH_ENDPOINTS"])
    profiles.write_text(profiles.read_text().replace("retries = 0", 'policy = "paper"\nretries = 0'))
    monkeypatch.setattr("api_graph.lvlm.remote.ask._FIRST_PAUSE_S", 0.0)
    server.replies = [status(500), status(500), says("red")]
    graph = at_the_endpoint("lvlm_ask")
    assert answers(run(graph, tmp_path, cached()), graph) == {"Answer": ""}
    assert answers(run(graph, tmp_path, cached()), graph) == {"Answer": "red"}


@pytest.mark.parametrize(
    "reply",
    [
        status(200, {"choices": [{"error": {"code": 502, "message": "cut"}, "finish_reason": "error"}]}),
        status(200, {"error": {"code": 402, "message": "no credits"}}),
        says(""),
        says(None, message={"reasoning": "It is red."}),
        says("", finish_reason="length"),
    ],
)
def test_a_reply_without_an_answer_fails_its_node_and_is_kept_nowhere(server, cached, tmp_path, reply) -> None:
    server.replies = [reply, says("red")]
    graph, executor = at_the_endpoint("lvlm_ask"), cached()
    failed = executor.run(graph, headless_folders(tmp_path))
    assert len(failed.failures) == 1 and "endpoint rec: " in str(failed.failures[0])
    for again in (executor, cached()):
        assert answers(run(graph, tmp_path, again), graph) == {"Answer": "red"}
    assert len(server.seen) == 2


def test_a_refusal_is_kept_nowhere(server, cached, tmp_path) -> None:
    server.replies = [says(None, finish_reason="content_filter"), says("red")]
    graph = at_the_endpoint("lvlm_ask")
    assert answers(run(graph, tmp_path, cached()), graph) == {"Answer": ""}
    assert answers(run(graph, tmp_path, cached()), graph) == {"Answer": "red"}


def test_rows_are_asked_together_and_one_that_fails_fails_alone(server, tmp_path) -> None:
    server.replies = [after(0.1, says("red")), status(413), after(0.1, says("red"))]
    rows = [at_the_endpoint("lvlm_ask", query=f"What is number {i}?") for i in range(6)]
    results = Executor().run_rows(rows, headless_folders(tmp_path))
    failures = [str(failure) for result in results for failure in result.failures]
    assert len(failures) == 1 and "Send smaller or fewer images" in failures[0]
    assert len(server.seen) == 6  # nobody was asked twice
    assert server.most_at_once > 1


def test_the_cap_on_requests_is_one_of_the_run(server, tmp_path) -> None:
    profiles = Path(os.environ["API_GRAPH_ENDPOINTS"])
    profiles.write_text(profiles.read_text() + "max_requests = 2\n")
    rows = [at_the_endpoint("lvlm_ask", query=f"What is number {i}?") for i in range(4)]
    results = Executor().run_rows(rows, headless_folders(tmp_path))
    assert sum(bool(result.failures) for result in results) == 2 and len(server.seen) == 2
    run(rows[0], tmp_path)  # another run, another count
    assert len(server.seen) == 3


def test_rows_through_a_local_model_are_as_rows_alone(tmp_path) -> None:
    queries = [Q, "What shape is the red thing?", "Is there a blue star in the picture?"]
    graphs = [set_inputs(open_graph("api_lvlm"), all_nodes(), {"query": query}) for query in queries]
    executor = Executor()
    together = executor.run_rows(graphs, headless_folders(tmp_path))
    assert executor.pool.loads == 1
    for graph, result in zip(graphs, together, strict=True):
        assert answers(result.raise_failures(), graph) == answers(run(graph, tmp_path / "alone"), graph)


def test_nothing_that_a_run_leaves_holds_the_key_or_the_url(server, tmp_path) -> None:
    server.replies = [says(f"the key is {KEY}, is it not?"), status(401, {"error": {"message": f"bad key {KEY}"}})]
    graph = at_the_endpoint("api_clip_ask")
    executor = Executor(MemoryCache(), DiskCache(tmp_path / "cache"))
    assert answers(run(graph, tmp_path / "out", executor), graph)["Answer"] == "the key is ***, is it not?"
    failed = executor.run(at_the_endpoint("api_clip_ask", query="Another?"), headless_folders(tmp_path / "out"))
    texts = "".join(str(failure) for failure in failed.failures)
    assert "401" in texts
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "endpoints.toml"]
    assert any(path.suffix == ".png" for path in files) and any("cache" in path.parts for path in files)
    for secret in (KEY, f"127.0.0.1:{server.port}"):
        assert secret not in texts
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_the_command_line_says_where_images_go(server, tmp_path, capsys) -> None:
    perform(Request("lvlm_ask", {"answerer": "endpoint:rec"}, tmp_path))
    assert "note: images and questions go to 127.0.0.1 (endpoint rec)\n" in capsys.readouterr().err
    perform(Request("lvlm_ask", {"answerer": "endpoint:rec", "query": "And now?"}, tmp_path, quiet=True))
    perform(Request("lvlm_ask", {"answerer": "demo"}, tmp_path))
    assert "images and questions go" not in capsys.readouterr().err


def test_an_endpoint_shows_no_attention(tmp_path) -> None:
    api = open_graph("api_lvlm_ask").to_api()
    who = next(id for id, node in api.items() if node["class_type"] == "APAnsweringModel")
    watch = next(node for node in api.values() if node["class_type"] == "APLvlmAttention")
    watch["inputs"]["model"] = [who, 0]
    with pytest.raises(api_graph.ApiGraphError, match=r"gives AP_ANSWERER, which does not fit AP_LVLM"):
        validate(read_graph(api), all_nodes())


# ------------------------------------------------------------------------------------------ the function `ask`


def test_ask_takes_a_profile_and_images_of_any_kind(server, original) -> None:
    answer = api_graph.ask([PICTURE, Image.new("RGB", (4, 4), "red")], Q, "rec", system="Be brief.", max_tokens=7)
    assert (answer.text, answer.finish_reason, answer.model) == ("red", "stop", "m")
    (seen,) = server.seen
    assert seen.body["max_tokens"] == 7
    system, user = seen.body["messages"]
    assert system["content"] == "Be brief."
    images = [pixels(part["image_url"]["url"]) for part in user["content"] if part["type"] == "image_url"]
    assert np.array_equal(images[0], original) and images[1].shape == (4, 4, 3)


def test_ask_takes_a_local_model_by_name_or_loaded() -> None:
    by_name = api_graph.ask(PICTURE, Q, "demo")
    loaded = api_graph.ask(Image.open(PICTURE), Q, api_graph.load_lvlm())
    assert by_name.text == loaded.text and by_name.text and by_name.tokens >= 1 and by_name.model == "demo"


def test_ask_raises_what_went_wrong(server) -> None:
    server.replies = [status(413)]
    with pytest.raises(api_graph.ApiGraphError, match="endpoint rec: HTTP status 413"):
        api_graph.ask(PICTURE, Q, "rec")
