"""`api-graph endpoints`: add, list, test and remove profiles. No key and no password comes out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_graph.lvlm.remote import Profile, find_profile
from tests.lvlm.remote.server import Server, echo, running, says, status

Cli = Callable[..., Any]
KEY = "Zx9-quite.Secret_Key42"


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.toml"
    path.write_text("")
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(path))
    monkeypatch.setenv("TEST_KEY", KEY)
    return path


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def local(cli: Cli, server: Server) -> Server:
    """A server, and a profile "local" for it."""
    assert cli("endpoints", "add", "local", "--url", server.url, "--model", "a/b", "--key-env", "TEST_KEY").code == 0
    return server


def test_no_endpoints(cli: Cli, file: Path) -> None:
    answer = cli("endpoints")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"No endpoints in {file}, and none in the environment.")
    assert cli("endpoints", "--json").json == []


def test_add_list_and_remove(cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = cli("endpoints", "add", "box", "--url", "https://box.example:8443/v1", "--model", "a", "--model", "b")
    assert added.out.splitlines()[0] == (
        f"{file}: box added. Graphs that name it send images and questions to box.example."
    )
    cli("endpoints", "add", "oa", "--url", "https://api.openai.com/v1", "--key-env", "TEST_KEY")
    monkeypatch.setenv("API_GRAPH_ENDPOINT_ENV_URL", "http://localhost:1/v1")
    monkeypatch.setenv("API_GRAPH_ENDPOINT_ENV_KEY_ENV", "NO_SUCH_KEY")
    assert [line.split(maxsplit=2) for line in cli("endpoints").out.splitlines()] == [
        ["name", "host", "models  key"],
        ["box", "box.example", "a, b    none wanted"],
        ["oa", "api.openai.com", "any     $TEST_KEY, set"],
        ["env", "localhost", "any     $NO_SUCH_KEY, NOT SET"],
    ]
    assert cli("endpoints", "--json").json[1] == {
        "name": "oa",
        "host": "api.openai.com",
        "models": [],
        "key_env": "TEST_KEY",
        "key_set": True,
        "settings": find_profile("oa").settings,
    }
    assert cli("endpoints", "remove", "box").out == f"{file}: box removed.\n"
    assert [one["name"] for one in cli("endpoints", "--json").json] == ["oa", "env"]


def test_what_a_profile_sets_is_listed(cli: Cli, file: Path) -> None:
    cli("endpoints", "add", "lan", "--url", "http://192.168.1.7:11434/v1", "--allow-private")
    file.write_text(file.read_text() + 'picture_format = "jpeg"\nmax_side = 1024\nkeep_answers = true\nretries = 4\n')
    listed = cli("endpoints").out.splitlines()
    assert listed[-1] == 'lan: allow_private = true, picture_format = "jpeg", max_side = 1024, keep_answers = true'
    (facts,) = cli("endpoints", "--json").json
    shown = set(facts) | set(facts["settings"])
    assert shown == {*Profile.model_fields, "host", "key_set", "settings"} - {"base_url"}
    (said,) = [one for one in cli("doctor", "--json").json["findings"] if one["what"] == "endpoint lan"]
    assert (said["state"], said["text"]) == (
        "ok",
        '192.168.1.7, allow_private = true, picture_format = "jpeg", max_side = 1024, keep_answers = true',
    )


@pytest.mark.parametrize(
    "words",
    [
        ["add", "../x", "--url", "https://box/v1"],
        ["add", "a/b", "--url", "https://box/v1"],
        ["add", "box", "--url", "https://me:hunter2@box/v1"],
        ["add", "box", "--url", "https://box/v1?key=hunter2"],
        ["add", "box", "--url", "http://box/v1"],
        ["add", "box", "--url", "https://box/v1", "--key-env", "sk-hunter2"],
        ["add", "box", "--url", "https://box/v1", "--model", "a\x1bb"],
        ["add", "local", "--url", "https://box/v1"],
        ["remove", "box"],
        ["test", "box"],
        ["test", "local/c"],
    ],
)
def test_mistakes_are_one_line(cli: Cli, local: Server, file: Path, words: list[str]) -> None:
    before = file.read_text()
    answer = cli("endpoints", *words)
    assert (answer.code, len(answer.errors), answer.out) == (2, 1, "")
    assert len(answer.err.splitlines()) == 1 and "hunter2" not in answer.err
    assert file.read_text() == before
    assert local.seen == []


def test_no_option_takes_a_key(cli: Cli) -> None:
    assert cli("endpoints", "add", "box", "--url", "https://box/v1", "--key", KEY).code == 2


def test_an_endpoint_that_answers(cli: Cli, local: Server) -> None:
    local.replies = [says(" Red.\n", model="a/b-v2")]
    first, second = cli("endpoints", "test", "local").out.splitlines()
    assert first == '"What colour is this image?" (a red one): Red.'
    assert second.startswith("a/b-v2, ") and second.endswith(" s")
    assert local.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    document = cli("endpoints", "test", "local/a/b", "--json").json
    assert (document["ok"], document["text"], document["asked"], document["model"]) == (
        True,
        " Red.\n",
        "a/b",
        "a/b-v2",
    )


def test_an_endpoint_that_does_not(cli: Cli, local: Server) -> None:
    local.replies = [echo(lambda sent: status(401, {"error": {"message": f"not {sent}"}}))]
    answer = cli("endpoints", "test", "local", "--debug")
    said = "endpoint local: HTTP status 401, and the server says: not ***. Check the key in $TEST_KEY."
    assert (answer.code, answer.out, answer.err) == (1, "", f"error: {said}\n")
    assert cli("endpoints", "test", "local", "--json").json == {
        "ok": False,
        "exit_code": 1,
        "errors": [{"message": said}],
    }


def test_nothing_that_comes_out_holds_the_key(cli: Cli, local: Server, file: Path) -> None:
    local.replies = [echo(lambda sent: says(sent, model=sent))]
    answers = [cli("endpoints", *words) for words in ([], ["--json"], ["test", "local"], ["test", "local", "--json"])]
    assert KEY not in json.dumps([(answer.out, answer.err) for answer in answers]) + file.read_text()
