"""Sending graphs: what runs, and in which order the page hears of it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from PIL import Image

from api_graph.editor import limits
from api_graph.editor.server import EditorServer
from tests.editor.lab import RAN, Client, Page, eventually, nodes

SHOWN = nodes(a=("TEcho", {"text": "hi"}), b=("APShowText", {"value": ["a", 0]}))
WAITING = nodes(w=("TWait", {}), b=("APShowText", {"value": ["w", 0]}))


# ---------------------------------------------------------------------------------------------------------- told


def test_the_page_hears_of_a_run_in_comfyui_s_order(client: Client, page: Page) -> None:
    id = client.send(SHOWN, client_id=page.id).json["prompt_id"]
    told = page.of(id)
    assert [type for type, _ in told] == [
        "execution_start",
        "execution_cached",
        "progress_state",
        "executing",
        "progress_state",
        "progress_state",
        "executing",
        "executed",
        "progress_state",
        "execution_success",
        "executing",
    ]
    executed = next(data for type, data in told if type == "executed")
    assert executed == {"node": "b", "display_node": "b", "output": {"text": ["hi"]}, "prompt_id": id}
    states = [data["nodes"] for type, data in told if type == "progress_state"][-1]
    assert {node: state["state"] for node, state in states.items()} == {"a": "finished", "b": "finished"}
    remaining = [data["status"]["exec_info"]["queue_remaining"] for type, data in page.messages if type == "status"]
    assert remaining[-1] == 0 and 1 in remaining
    types_only = [type for type, _ in page.messages]
    last_status = len(types_only) - 1 - types_only[::-1].index("status")
    assert types_only.index("execution_success") < last_status


def test_what_is_cached_is_said_and_not_run(client: Client, page: Page) -> None:
    client.run(SHOWN)
    id = client.send(SHOWN, client_id=page.id).json["prompt_id"]
    told = page.of(id)
    assert [data["nodes"] for type, data in told if type == "execution_cached"] == [["a"]]
    assert [data["node"] for type, data in told if type == "executing"] == ["b", None]
    assert RAN.count("hi") == 1


def test_saved_files_are_shown_again_without_being_saved_again(client: Client, page: Page) -> None:
    prompt = nodes(
        i=("APLoadImage", {"image": "api_graph_example.png"}),
        s=("APSaveImage", {"images": ["i", 0], "filename_prefix": "once"}),
    )
    first = client.run(prompt)["outputs"]
    id = client.send(prompt, client_id=page.id).json["prompt_id"]
    told = page.of(id)
    assert [data["nodes"] for type, data in told if type == "execution_cached"] == [["i", "s"]]
    assert [data["output"] for type, data in told if type == "executed"] == [first["s"]]
    assert first["s"]["images"] == [{"filename": "once_00001_.png", "subfolder": "", "type": "output"}]


def test_progress_is_told_in_whole_numbers(client: Client, page: Page, gate: threading.Event) -> None:
    id = client.send(WAITING, client_id=page.id).json["prompt_id"]
    progress = page.wait_for("progress", prompt_id=id)
    assert (progress["node"], progress["max"]) == ("w", 100)
    gate.set()
    assert client.done(id)["status"]["status_str"] == "success"


def test_a_prompt_without_a_page(client: Client, page: Page) -> None:
    client.run(SHOWN)
    assert {type for type, _ in page.messages} == {"status", "feature_flags"}


# ------------------------------------------------------------------------------------------------------- failing


def test_a_node_that_fails_does_not_keep_the_others_from_their_results(client: Client, page: Page) -> None:
    prompt = {
        **nodes(f=("TFail", {"text": "it"}), g=("APShowText", {"value": ["f", 0]})),
        **nodes(a=("TEcho", {"text": "sound"}), b=("APShowText", {"value": ["a", 0]})),
    }
    id = client.send(prompt, client_id=page.id).json["prompt_id"]
    told = page.of(id)
    (error,) = (data for type, data in told if type == "execution_error")
    assert (error["node_id"], error["node_type"], error["exception_type"]) == ("f", "TFail", "BadInput")
    assert error["exception_message"] == "text: is no good (got 'it'). Give another."
    assert error["traceback"] == []
    assert [data["output"] for type, data in told if type == "executed"] == [{"text": ["sound"]}]
    states = [data["nodes"] for type, data in told if type == "progress_state"][-1]
    assert states["f"]["state"] == "error"
    done = client.done(id)
    assert done["status"]["status_str"] == "error" and not done["status"]["completed"]
    assert done["outputs"] == {"b": {"text": ["sound"]}}


def test_several_nodes_that_fail(client: Client) -> None:
    prompt = nodes(
        f=("TFail", {"text": "one"}),
        g=("TFail", {"text": "two", "crash": True}),
        s=("APShowText", {"value": ["f", 0]}),
        t=("APShowText", {"value": ["g", 0]}),
    )
    messages = dict(client.run(prompt)["status"]["messages"])
    lines = messages["execution_error"]["exception_message"].splitlines()
    assert lines == ["text: is no good (got 'one'). Give another.", 'node g "Fail": ZeroDivisionError: by zero']


def test_a_file_that_goes_while_the_prompt_waits(client: Client, folder: Any, gate: threading.Event) -> None:
    """What fails before anything has run is told like any other failure."""
    Image.new("RGB", (4, 4)).save(folder / "input" / "soon_gone.png")
    client.send(WAITING)
    prompt = {
        **SHOWN,
        **nodes(i=("APLoadImage", {"image": "soon_gone.png"}), p=("APPreviewImage", {"images": ["i", 0]})),
    }
    id = client.send(prompt).json["prompt_id"]
    (folder / "input" / "soon_gone.png").unlink()
    gate.set()
    done = client.done(id)
    assert dict(done["status"]["messages"])["execution_error"]["node_id"] == "i"
    assert done["outputs"] == {"b": {"text": ["hi"]}}


# --------------------------------------------------------------------------------------------- the queue's ways


def test_interrupt(client: Client, page: Page, gate: threading.Event) -> None:
    id = client.send(WAITING, client_id=page.id).json["prompt_id"]
    page.wait_for("progress", prompt_id=id)
    assert client.post("/interrupt", {"prompt_id": "another"}).status == 200
    assert client.post("/api/interrupt").status == 200
    told = page.of(id)
    assert [type for type, _ in told][-2:] == ["execution_interrupted", "executing"]
    interrupted = told[-2][1]
    assert (interrupted["node_id"], interrupted["node_type"]) == ("w", "TWait")
    assert client.done(id)["status"]["status_str"] == "error"
    (job,) = client.get("/jobs", status="completed,failed,cancelled").json["jobs"]
    assert (job["id"], job["status"]) == (id, "cancelled")


def test_one_output_alone(client: Client) -> None:
    prompt = {**SHOWN, **nodes(c=("TEcho", {"text": "other"}), d=("APShowText", {"value": ["c", 0]}))}
    done = client.run(prompt, partial_execution_targets=["d"])
    assert done["outputs"] == {"d": {"text": ["other"]}}
    assert done["prompt"][4] == ["d"]
    assert "hi" not in RAN
    refused = client.send(prompt, partial_execution_targets=["a"])
    assert refused.json["error"]["type"] == "prompt_no_outputs"


def test_front_and_number(client: Client, gate: threading.Event) -> None:
    client.send(WAITING)
    eventually(lambda: client.get("/queue").json["queue_running"])
    later, first = client.send(SHOWN).json, client.send(SHOWN, front=True).json
    told = client.send(SHOWN, number=-1000.5, prompt_id="mine").json
    assert told["prompt_id"] == "mine"
    pending = [row[1] for row in client.get("/queue").json["queue_pending"]]
    assert pending == ["mine", first["prompt_id"], later["prompt_id"]]
    taken = client.send(SHOWN, prompt_id="mine")
    assert (taken.status, taken.json["error"]["type"]) == (400, "invalid_prompt_id")
    assert client.post("/queue", {"delete": ["mine"]}).status == 200
    assert client.post(f"/jobs/{first['prompt_id']}/cancel").json == {"cancelled": True}
    assert [row[1] for row in client.get("/queue").json["queue_pending"]] == [later["prompt_id"]]
    client.post("/queue", {"clear": True})
    assert client.get("/queue").json["queue_pending"] == []


def test_a_thousand_prompts(client: Client, gate: threading.Event) -> None:
    client.send(WAITING)
    eventually(lambda: client.get("/queue").json["queue_running"])
    answers = [client.send(SHOWN) for _ in range(1000)]
    refused = [answer for answer in answers if answer.status != 200]
    assert len(answers) - len(refused) == limits.MOST_PENDING
    assert {(a.status, a.json["error"]["type"]) for a in refused} == {(429, "queue_full")}
    client.post("/jobs/cancel")
    eventually(lambda: client.get("/prompt").json["exec_info"]["queue_remaining"] == 0)
    gate.set()
    assert client.run(SHOWN)["status"]["completed"]


def test_what_waits_is_bounded_in_bytes_too(client: Client, gate: threading.Event) -> None:
    client.send(WAITING)
    eventually(lambda: client.get("/queue").json["queue_running"])
    large = {"extra_pnginfo": {"workflow": "x" * (limits.LARGEST_PROMPT - 10_000)}}
    statuses = [client.send(SHOWN, extra_data=large).status for _ in range(6)]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_the_history_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_HISTORY", 3)
    ids = [client.send(SHOWN).json["prompt_id"] for _ in range(5)]
    client.done(ids[-1])
    assert list(client.get("/history").json) == ids[-3:]
    assert list(client.get("/history", max_items="2").json) == ids[-2:]
    assert list(client.get("/history", max_items="1", offset="0").json) == ids[2:3]
    client.post("/history", {"delete": [ids[-1]]})
    assert list(client.get("/history").json) == ids[2:4]


def test_saved_pictures_carry_the_graph_in_both_forms(client: Client, folder: Any) -> None:
    prompt = nodes(
        i=("APLoadImage", {"image": "api_graph_example.png"}),
        s=("APSaveImage", {"images": ["i", 0], "filename_prefix": "sub/carries"}),
    )
    workflow = {"id": "abc", "nodes": [], "links": []}
    extra = {"extra_pnginfo": {"workflow": workflow}, "auth_token_comfy_org": "secret"}
    done = client.run(prompt, extra_data=extra)
    (shown,) = done["outputs"]["s"]["images"]
    with Image.open(folder / "output" / shown["subfolder"] / shown["filename"]) as saved:
        assert json.loads(saved.text["workflow"]) == workflow  # type: ignore[attr-defined]
        assert json.loads(saved.text["prompt"]) == prompt  # type: ignore[attr-defined]
    assert "secret" not in json.dumps(done)


def test_free(client: Client, served: EditorServer) -> None:
    client.run(SHOWN)
    client.run(SHOWN)
    assert RAN.count("hi") == 1
    RAN.clear()
    client.post("/free", {"unload_models": True, "free_memory": True})
    client.run(SHOWN)
    assert RAN == ["hi"]
