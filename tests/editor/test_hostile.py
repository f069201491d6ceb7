"""Whatever a request brings, no route crashes: no answer has the status 500."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph.editor.check import Refused, check_prompt
from api_graph.editor.routes import extensions, files, info, jobs, prompt, templates, uploads, userdata
from api_graph.editor.routes import settings as settings_routes
from api_graph.editor.server import EditorServer
from api_graph.folders import Folders
from api_graph.registry import all_nodes
from tests.editor.conftest import serving
from tests.editor.lab import Client, nodes

MODULES = (info, prompt, jobs, files, uploads, userdata, settings_routes, templates, extensions)
ROUTES = sorted({(route.method, route.path) for module in MODULES for route in module.routes} - {("GET", "/ws")})
QUERIES = [
    *("type", "subfolder", "filename", "channel", "preview", "dir", "recurse", "full_info", "overwrite", "max_items"),
    *("offset", "limit", "status"),
]
FIELDS = [
    *("prompt", "prompt_id", "client_id", "number", "front", "partial_execution_targets", "extra_data", "delete"),
    *("clear", "ids", "job_ids", "free_memory", "unload_models", "overwrite", "original_ref", "image", "type"),
    "subfolder",
]
HUGE = 10**400
LONG = ["x" * 256, "x" * 300 + ".json", "x/" * 3000 + "a.png", "é" * 200 + ".png", "🜁" * 70, "9" * 5000]
PLACES = [
    ".",
    "..",
    "../..",
    "/",
    "//",
    "\\",
    "~",
    "C:\\x",
    "input",
    "output",
    "temp",
    "api_graph_example.png",
    "index.json",
]
STRINGS = [
    *("", "\0", "a\0b.png", "²", "²²", "1²", "٣", "1e999", "-1", "NaN", "%", "%00", "\r\nX: y", "<script>", "true"),
    *("\ud800", "a\udfff.png", "\udcff", "workflows", "workflows/", "workflows/a.json", "workflows/\ud800.json"),
    *("a.json/b.json", "a.css", "webp;²", "webp;99", "rgb"),
    *LONG,
    *PLACES,
]
_WRITTEN = io.BytesIO()
Image.new("RGB", (2, 2)).save(_WRITTEN, "PNG")
PICTURE = _WRITTEN.getvalue()
strings = st.sampled_from(STRINGS) | st.text(max_size=20)
numbers = st.sampled_from([None, True, 0, -1, 2**63, HUGE, -HUGE, 1.5, float("inf"), float("nan")])
values = st.recursive(
    numbers | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=6,
)

UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def served(frontend: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorServer]:
    """A server of its own: what is sent here stays in its folders."""
    with serving(frontend, tmp_path_factory.mktemp("hostile")) as server:
        yield server


@st.composite
def prompts(draw: st.DrawFn) -> Any:
    """A graph that would run, with something odd in it."""
    echo = {"class_type": "TEcho", "inputs": {"text": draw(values)}, "_meta": {"title": draw(values)}}
    show = {"class_type": "APShowText", "inputs": {"value": draw(st.just(["a", 0]) | values)}}
    scaled = {"class_type": "APMeanFilter", "inputs": {"heatmap": ["i", 1], "kernel_size": draw(values)}}
    loaded = {"class_type": "APLoadImage", "inputs": {"image": draw(values)}}
    graph = {"a": echo, "b": show, "f": scaled, "i": loaded}
    return {id: graph[id] for id in draw(st.sets(st.sampled_from("abfi"), min_size=1))}


bodies = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.sampled_from([b"{", b"[" * 100_000, b'{"a": 1e999}', b'{"a":' * 50_000, b'"\\ud800"', b"9" * 5000, b"\xff"]),
    values,
    st.dictionaries(st.sampled_from(FIELDS) | strings, values, max_size=5),
    prompts().map(lambda graph: {"prompt": graph}),
    st.builds(
        lambda graph, rest: rest | {"prompt": graph}, prompts(), st.dictionaries(st.sampled_from(FIELDS), values)
    ),
)


def as_bytes(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def in_url(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes | None, dict[str, str]]:
    method, path = draw(st.sampled_from(ROUTES))
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + in_url(draw(strings) or "x") + rest.partition("}")[2]
    query = "&".join(f"{name}={in_url(draw(strings))}" for name in draw(st.sets(st.sampled_from(QUERIES), max_size=4)))
    kinds = ["application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "²", ""]
    headers = {"Content-Type": draw(st.sampled_from(kinds))}
    body = as_bytes(draw(bodies)) if method not in ("GET", "DELETE") else None
    return method, path + (f"?{query}" if query else ""), body, headers


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_string_crashes_a_route(client: Client, method: str, path: str) -> None:
    """Each hostile string in the place of each part of the path, of each query, and of each field of the body."""
    names = [part for part in path.split("/") if part.startswith("{")]
    asked = [(path.replace(name, in_url(text)), None) for name in names for text in STRINGS]
    plain = re.sub("{[^}]*}", "a.json", path)
    if path in ("/view", "/userdata", "/history", "/jobs"):
        asked += [(f"{plain}?{key}={in_url(text)}", None) for key in QUERIES for text in STRINGS]
    if path == "/view":
        asked += [(f"/view?type=input&filename={in_url(text)}", None) for text in STRINGS]
        asked += [(f"/view?type=input&filename=api_graph_example.png&preview={in_url(text)}", None) for text in STRINGS]
    if method == "POST":
        asked += [(plain, {field: value}) for field in FIELDS for value in ("\ud800", "\0", HUGE, [HUGE], {}, [[]])]
    for address, body in asked:
        try:
            status = client.ask(method, re.sub("{[^}]*}", "x", address), as_bytes(body)).status
        except ConnectionError:
            continue
        assert status != 500, (method, address, body)


@settings(max_examples=400, deadline=None, suppress_health_check=UNHURRIED)
@given(request=requests())
def test_no_request_crashes_a_route(client: Client, request: tuple[str, str, bytes | None, dict[str, str]]) -> None:
    method, path, body, headers = request
    try:
        headers["Content-Type"].encode("latin-1")
        answer = client.ask(method, path, body, **headers)
    except ConnectionError:  # the server closes on what is no HTTP
        return
    assert answer.status != 500, (method, path, body)


HEADERS = ["", "\r\nContent-Type: ²", "\r\nContent-Transfer-Encoding: base64", "\r\nX", "\r\n: y"]
CONTENTS = st.sampled_from([b"", PICTURE, PICTURE[:40], b"\xff\xd8\xff", b"true"])
encoded = strings.map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """A form with a picture, whose parts, names and end may be anything."""
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        name, filename = draw(st.sampled_from(["image", *FIELDS])), draw(st.none() | st.just("a.png") | strings)
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{file}{draw(st.sampled_from(HEADERS))}\r\n\r\n'
        parts.append(head.encode("utf-8", "surrogatepass") + draw(CONTENTS | encoded) + b"\r\n")
    whole = b"".join(parts) + b"--x--\r\n"
    return whole[: draw(st.just(len(whole)) | st.integers(0, len(whole)))]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # aiohttp's, of headers
@settings(max_examples=200, deadline=None, suppress_health_check=UNHURRIED)
@given(form=forms(), path=st.sampled_from(["/upload/image", "/upload/mask"]))
def test_no_form_crashes_an_upload(client: Client, form: bytes, path: str) -> None:
    answer = client.post(path, form, Content_Type="multipart/form-data; boundary=x")
    assert answer.status != 500, form


SHOWN = nodes(a=("TEcho", {"text": "hi"}), b=("APShowText", {"value": ["a", 0]}))


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_crashes_a_prompt_that_runs(client: Client, field: str) -> None:
    for value in ("\ud800", "\0", "²", HUGE, -HUGE, [HUGE], {"extra_pnginfo": {"\ud800": HUGE}}, [[]], float("inf")):
        body = {"prompt": SHOWN, field: value}
        answer = client.post("/prompt", json.dumps(body).encode())
        assert answer.status in (200, 400), (field, value)
        if answer.status == 200:
            id = answer.json["prompt_id"]
            assert client.done(id)["status"]["status_str"] == "success"
            assert client.get("/queue").status == client.get("/jobs").status == client.get(f"/jobs/{id}").status == 200


ODD = [HUGE, -HUGE, math.inf, math.nan, "²", "\0", "\ud800", *LONG, [HUGE], {"__value__": [HUGE]}, ["n", HUGE]]


@pytest.mark.parametrize("id", sorted(all_nodes()))
def test_no_value_crashes_the_check_of_a_node(id: str, tmp_path: Path) -> None:
    """As an input's value, as its neighbour's index, and as a title."""
    spec, folders = all_nodes()[id], Folders((tmp_path,), tmp_path, tmp_path)
    for declared in spec.inputs:
        for value in ODD:
            prompt = {"n": {"class_type": id, "inputs": {declared.name: value}, "_meta": {"title": "\ud800"}}}
            with suppress(Refused):
                check_prompt(prompt, {}, all_nodes(), folders)
