"""What the page asks at its start, and what it lists."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from api_graph.comfy import comfy_class
from api_graph.draw.templates import TEMPLATES
from api_graph.registry import all_nodes, own_nodes
from tests.editor.lab import Client, eventually, nodes

ROOT = Path(__file__).parents[2]
SHOWN = nodes(a=("TEcho", {"text": "hi"}), b=("APShowText", {"value": ["a", 0]}))


# ----------------------------------------------------------------------------------------------------- the nodes


@pytest.mark.parametrize("id", all_nodes())
def test_nodes_are_described_as_comfyui_would(client: Client, id: str) -> None:
    """As its server reads the class that it would load (spec 1.1)."""
    found = client.get(f"/object_info/{id}").json[id]
    spec = all_nodes()[id]
    known = comfy_class(spec)
    inputs = json.loads(json.dumps(known.INPUT_TYPES()))  # type: ignore[attr-defined]
    inputs["optional"].pop("upload", None)  # what older editors sent for their button; ComfyUI's class has none
    listed = {name for group in inputs.values() for name in group} - {"prompt", "extra_pnginfo"}
    assert found["input_order"] == {group: list(declared) for group, declared in inputs.items()}
    for group, declared in inputs.items():
        for name, kind in declared.items():
            if name in listed and isinstance(kind[0], list):
                assert set(kind[0]) <= set(found["input"][group][name][0])  # the folders of a host add more
                assert found["input"][group][name][1:] == kind[1:]
            else:
                assert found["input"][group][name] == kind
    assert {
        "output": list(known.RETURN_TYPES),  # type: ignore[attr-defined]
        "output_name": list(known.RETURN_NAMES),  # type: ignore[attr-defined]
        "output_is_list": list(known.OUTPUT_IS_LIST),  # type: ignore[attr-defined]
        "output_tooltips": list(known.OUTPUT_TOOLTIPS),  # type: ignore[attr-defined]
        "output_node": known.OUTPUT_NODE,  # type: ignore[attr-defined]
        "is_input_list": known.INPUT_IS_LIST,  # type: ignore[attr-defined]
        "category": known.CATEGORY,  # type: ignore[attr-defined]
        "description": known.DESCRIPTION,  # type: ignore[attr-defined]
        "search_aliases": known.SEARCH_ALIASES,  # type: ignore[attr-defined]
        "name": id,
        "display_name": spec.title,
        "python_module": "custom_nodes.api-graph" if id in own_nodes() else "nodes",
    }.items() <= found.items()


def test_all_nodes_are_there(client: Client) -> None:
    assert set(all_nodes()) <= client.get("/api/object_info").json.keys()
    assert client.get("/object_info/NoSuchNode").json == {}


# ------------------------------------------------------------------------------------------------------ the page


def test_the_page(client: Client) -> None:
    assert client.get("/").headers["Content-Type"] == "text/html; charset=utf-8"
    script = client.get("/assets/index-1a2b.js")
    assert script.headers["Content-Type"] == "text/javascript"
    assert "max-age" in script.headers["Cache-Control"]
    assert client.get("/index.html").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/users", {"storage": "server", "migrated": True}),
        ("/embeddings", []),
        ("/experiment/models", []),
        ("/models/checkpoints", []),
        ("/prompt", {"exec_info": {"queue_remaining": 0}}),
        ("/queue", {"queue_running": [], "queue_pending": []}),
        ("/history", {}),
    ],
)
def test_small_answers(client: Client, path: str, answer: object) -> None:
    assert client.get(path).json == answer
    assert client.get(f"/api{path}").json == answer


def test_the_machine(client: Client) -> None:
    stats = client.get("/system_stats").json
    assert stats["devices"][0]["type"] in ("cpu", "cuda")
    assert "API Graph" in stats["system"]["comfyui_version"]
    assert client.get("/features").json["max_upload_size"] > 0


def test_scripts_of_the_nodes_are_imported(client: Client) -> None:
    scripts = client.get("/extensions").json
    assert "/extensions/api-graph-editor/editor.js" in scripts
    for script in scripts:
        answer = client.get(script)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/javascript")


def test_names_in_other_languages(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from api_graph.editor.routes import extensions

    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "main.json").write_text('{"nodeCategories": {"a": "b"}}')
    (tmp_path / "zh" / "nodeDefs.json").write_text('{"APText": {"display_name": "文本"}}')
    monkeypatch.setattr(extensions, "locales_folder", lambda: tmp_path)
    extensions._translations.cache_clear()
    expected = {"zh": {"nodeCategories": {"a": "b"}, "nodeDefs": {"APText": {"display_name": "文本"}}}}
    assert client.get("/api/i18n").json == expected
    extensions._translations.cache_clear()


def test_help_pages_and_scripts_come_from_one_folder(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from api_graph.editor.routes import extensions

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "APText.md").write_text("# Text")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("1")
    (tmp_path / "secret.py").write_text("1")
    monkeypatch.setattr(extensions, "web_folder", lambda: tmp_path)
    assert "/extensions/api-graph/js/a.js" in client.get("/extensions").json
    page = client.get("/extensions/api-graph/docs/APText.md")
    assert (page.body, page.headers["Content-Type"]) == (b"# Text", "text/markdown; charset=utf-8")
    for path in ("docs/APText/en.md", "secret.py", "docs", "../secret.py"):
        assert client.get(f"/extensions/api-graph/{path}").status == 404


# ------------------------------------------------------------------------------------------------------ templates


def test_the_shipped_graphs_are_templates(client: Client) -> None:
    (pack, names) = next(iter(client.get("/api/workflow_templates").json.items()))
    assert names == sorted(TEMPLATES.values())
    for name in names:
        graph = client.get(f"/api/workflow_templates/{quote(pack)}/{quote(name)}.json").json
        assert graph["version"] == 0.4
        assert {node["type"] for node in graph["nodes"]} <= set(all_nodes())
    assert client.get("/templates/index.json").json == client.get("/templates/index.zh.json").json == []
    assert client.get("/templates/index_logo.json").json == {}
    assert client.get("/templates/x.json").status == 404
    assert client.get("/api/workflow_templates/other/api_clip.json").status == 404
    assert client.get("/api/workflow_templates/API%20Graph/none.json").status == 404


@pytest.mark.parametrize("made", [True, False])
def test_templates_have_pictures(client: Client, made: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from api_graph.editor.routes import templates

    if not made:  # as where the examples are not installed
        monkeypatch.setattr(templates, "example_workflows_folder", lambda: None)
    answer = client.get("/api/workflow_templates/API%20Graph/1%20Where%20does%20CLIP%20look.jpg")
    assert answer.headers["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.body)) as picture:
        assert picture.format == "JPEG" and max(picture.size) <= 1024


def test_the_shipped_blueprints_are_in_the_library(client: Client) -> None:
    files = {file.stem: file for file in (ROOT / "subgraphs").glob("*.json")}
    listed = client.get("/api/global_subgraphs").json
    assert sorted(one["name"] for one in listed.values()) == sorted(files)
    for id, one in listed.items():
        assert one["info"] == {"node_pack": "custom_nodes.api-graph"} and "data" not in one
        whole = client.get(f"/api/global_subgraphs/{id}").json
        assert whole == {**one, "data": files[one["name"]].read_text("utf-8")}
    assert client.get("/global_subgraphs/none").status == 404


# ------------------------------------------------------------------------------------------------- jobs and history


def test_a_job_on_its_way(client: Client, gate: threading.Event) -> None:
    prompt = {**nodes(w=("TWait", {})), **nodes(b=("APShowText", {"value": ["w", 0]}))}
    running, waiting = client.send(prompt).json["prompt_id"], client.send(SHOWN).json["prompt_id"]
    eventually(lambda: client.get("/queue").json["queue_running"])
    listed = client.get("/jobs", status="in_progress,pending", limit="200", offset="0").json
    assert [(job["id"], job["status"]) for job in listed["jobs"]] == [(running, "in_progress"), (waiting, "pending")]
    assert listed["pagination"] == {"offset": 0, "limit": 200, "total": 2, "has_more": False}
    gate.set()
    client.done(waiting)
    done = client.get("/jobs", status="completed,failed,cancelled", limit="1", offset="0").json
    assert [job["id"] for job in done["jobs"]] == [waiting]  # the newest first
    assert done["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}
    oldest = client.get("/jobs", status="completed", sort_order="asc", limit="x", offset="-1").json
    assert [job["id"] for job in oldest["jobs"]] == [running, waiting]
    assert oldest["pagination"]["limit"] == 200


def test_a_job_in_full(client: Client) -> None:
    prompt = nodes(i=("APLoadImage", {"image": "api_graph_example.png"}), p=("APPreviewImage", {"images": ["i", 0]}))
    id = client.send(prompt, extra_data={"extra_pnginfo": {"workflow": {"id": "w1"}}}).json["prompt_id"]
    done = client.done(id)
    job = client.get(f"/api/jobs/{id}").json
    assert job["status"] == "completed"
    assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]
    (image,) = done["outputs"]["p"]["images"]
    assert job["preview_output"] == {**image, "nodeId": "p", "mediaType": "images"}
    assert (job["outputs_count"], job["workflow_id"], job["outputs"]) == (1, "w1", done["outputs"])
    assert job["workflow"]["prompt"] == prompt
    assert job["workflow"]["extra_data"]["extra_pnginfo"] == {"workflow": {"id": "w1"}}
    number, row_id, row_prompt, _, targets = done["prompt"]
    assert (type(number), row_id, row_prompt, targets) == (int, id, prompt, ["p"])
    assert done["meta"]["p"] == {"node_id": "p", "display_node": "p", "parent_node": None, "real_node_id": "p"}
    assert [type for type, _ in done["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert client.get("/jobs/none").status == 404
    assert client.post("/jobs/none/cancel").json == {"cancelled": False}
    assert client.post("/jobs/cancel", {"job_ids": [id, 3]}).json == {"cancelled": False}


def test_the_job_of_a_failure_says_what_the_page_needs(client: Client) -> None:
    prompt = nodes(f=("TFail", {"text": "x"}), b=("APShowText", {"value": ["f", 0]}))
    id = client.send(prompt).json["prompt_id"]
    client.done(id)
    error = client.get(f"/jobs/{id}").json["execution_error"]
    assert (error["node_id"], error["node_type"], error["traceback"]) == ("f", "TFail", [])
    assert re.match("text: is no good", error["exception_message"])
