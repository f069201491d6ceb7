"""Pictures and tables that lie elsewhere: their names, how they are fetched, and runs that are killed meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

from api_graph import map_graph
from api_graph.cli.app import app
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.table.chunks import Chunks
from api_graph.table.fetched import Fetched
from api_graph.table.https import NotFetched
from api_graph.table.remote import Remote, checked_url, joined, local_name, without_credentials
from api_graph.table.rows import Row, open_table
from api_graph.table.verify import verify
from tests.table import runs
from tests.table.files_server import FilesServer, files_served

fsspec = pytest.importorskip("fsspec")

BEHIND = {"Location": "/1.png"}


def encoded(number: int, side: int = 24) -> bytes:
    image = Image.radial_gradient("L").resize((side, side)).convert("RGB")
    image.putpixel((number % side, number // side % side), (255, 0, number % 256))
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


@pytest.fixture
def server() -> Iterator[FilesServer]:
    with files_served() as running:
        yield running


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks as S3 does."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    running = moto.ThreadedMotoServer(port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


KEY, SECRET = "AKIAFORTESTSALONE", "a-secret-that-is-nowhere-to-be-found"


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, by s3fs."""
    for name, value in (
        ("AWS_ENDPOINT_URL", s3),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    fsspec.filesystem("s3").clear_instance_cache()
    if files.exists("bucket"):
        files.rm("bucket", recursive=True)
    files.mkdir("bucket")
    yield files
    fsspec.filesystem("s3").clear_instance_cache()


# ------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("file:///etc/passwd", "files are not read by the protocol file"),
        ("FILE:///etc/passwd", "files are not read by the protocol file"),
        ("local:///etc/passwd", "files are not read by the protocol local"),
        ("ftp://example.com/1.png", "files are not read by the protocol ftp"),
        ("github://owner:repo@main/1.png", "files are not read by the protocol github"),
        ("simplecache::s3://bucket/1.png", "chains of protocols"),
        ("s3://bucket/1.png::file:///etc/passwd", "chains of protocols"),
        ("zip://1.png::https://example.com/1.zip", "chains of protocols"),
        ("s3://", "names no remote file"),
        ("s3://bucket/../other/1.png", "names no remote file"),
        ("http://example.com/1.png", "is plain http"),
        ("https://127.0.0.1/1.png", "private address"),
        ("https://[::1]/1.png", "private address"),
        ("https://10.1.2.3/1.png", "private address"),
        ("https://169.254.169.254/latest/meta-data", "metadata"),
        ("https://metadata.google.internal/1.png", "metadata"),
        ("https://2130706433/1.png", "neither a name nor an address"),
        ("https://example.com/a b.png", "blanks"),
        ("https:///1.png", "no http or https URL"),
        ("https://user:pass@example.com/1.png", "brings credentials"),
        ("https://example.com/1.png?X-Amz-Signature=pass", "brings credentials"),
        ("https://example.com/1.png?v=1&access_token=pass", "brings credentials"),
        ("https://example.com/1.png?sig=pass", "brings credentials"),
        ("s3://user:pass@bucket/1.png", "brings credentials"),
    ],
)
def test_names_that_are_refused(name: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as caught:
        checked_url(name, "image")
    assert "pass@" not in str(caught.value) and "=pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("https://example.com/a/1.png?width=640#top", "https://example.com/a/1.png?width=640"),
        ("HTTPS://example.com:8443/1.png", "https://example.com:8443/1.png"),
        ("https://[2606:4700::1111]/1.png", "https://[2606:4700::1111]/1.png"),
        ("S3://bucket/a b.png", "s3://bucket/a b.png"),
        ("gs://bucket/1.png", "gs://bucket/1.png"),
        ("hf://datasets/owner/name@main/1.png", "hf://datasets/owner/name@main/1.png"),
        ("hf://gpt2@main/1.png", "hf://gpt2@main/1.png"),
        ("memory://1.png", "memory://1.png"),
    ],
)
def test_names_that_are_read(name: str, url: str) -> None:
    assert checked_url(name, "image") == url


def test_private_servers_are_reached_on_demand() -> None:
    for name in ("http://127.0.0.1/1.png", "http://10.1.2.3/1.png", "https://localhost/1.png"):
        assert checked_url(name, "image", allow_private=True) == name
    for name in ("http://8.8.8.8/1.png", "http://169.254.169.254/1.png"):
        with pytest.raises(BadInput):
            checked_url(name, "image", allow_private=True)


@given(st.from_regex(r"[a-z]{8,12}", fullmatch=True), st.sampled_from(["https", "s3", "gs", "ftp", "http"]))
def test_credentials_are_taken_out(secret: str, protocol: str) -> None:
    for name in (
        f"{protocol}://me:{secret}@host/path/1.png",
        f"{protocol}://host/1.png?a=b&X-Goog-Signature={secret}",
        f"{protocol}://{secret}@host?token=x",
    ):
        said = without_credentials(name)
        assert secret not in said.removeprefix(protocol) or secret in ("host", "path")
        assert said.startswith(f"{protocol}://") and without_credentials(said) == said


@given(st.text(max_size=300), st.sampled_from(["https://host/", "s3://bucket/"]))
def test_the_name_here_is_one_folder_deep(tail: str, head: str) -> None:
    folder, name = local_name(head + tail).split("/")
    assert len(folder) == 20 and name not in ("", ".", "..") and "\\" not in name
    assert Path("/x", folder, name).resolve().is_relative_to("/x")


def test_names_below_the_tables_folder() -> None:
    assert joined("https://host/data/", "pics/a b.png", "image") == "https://host/data/pics/a%20b.png"
    assert joined("s3://bucket/", "pics/a b.png", "image") == "s3://bucket/pics/a b.png"
    for name in ("../1.png", "/1.png", "a/../../1.png", "..\\1.png", "%2e%2e/1.png"):
        with pytest.raises(BadInput, match="no file below the table's folder"):
            joined("s3://bucket/a/", name, "image")


# ------------------------------------------------------------------------------------------ one file


def fetch(url: str, folder: Path, most: int = 1 << 20, *, private: bool = True) -> bytes:
    asking = Remote(allow_private=private)
    try:
        state = asking.fetch(url, folder / "file", most)
        content = (folder / "file").read_bytes()
        assert state.size == len(content)
        return content
    finally:
        asking.close()


def test_a_file_and_its_state(server: FilesServer, tmp_path: Path) -> None:
    server.files["/1.png"] = b"one"
    assert fetch(server.url("/1.png"), tmp_path) == b"one"
    asking = Remote(allow_private=True)
    assert asking.state(server.url("/1.png")) == (3, f'"{hashlib.md5(b"one").hexdigest()}"')
    assert server.seen["HEAD", "/1.png"] == 1
    server.knows_head = False
    assert asking.state(server.url("/1.png")) == (3, f'"{hashlib.md5(b"one").hexdigest()}"')
    asking.close()
    assert all("Cookie" not in headers and "Authorization" not in headers for headers in server.headers)


@pytest.mark.parametrize("tells_size", [True, False])
def test_a_file_that_is_too_large(server: FilesServer, tmp_path: Path, tells_size: bool) -> None:
    server.files["/1.png"], server.tells_size = bytes(3 << 20), tells_size
    with pytest.raises(NotFetched, match="larger than 1 MiB"):
        fetch(server.url("/1.png"), tmp_path)
    assert server.seen["GET", "/1.png"] == 1
    memory = fsspec.filesystem("memory")
    memory.pipe("/large.png", bytes(3 << 20))
    with pytest.raises(NotFetched, match="larger than 1 MiB"):
        fetch("memory://large.png", tmp_path)


@pytest.mark.parametrize("reply", [(503, {}, b"busy"), (429, {}, b""), (200, {"X-Says": "1000"}, b"cut")])
def test_what_may_pass_is_tried_again(server: FilesServer, tmp_path: Path, reply: Any) -> None:
    server.files["/1.png"], server.instead["/1.png"] = b"one", [reply, reply]
    assert fetch(server.url("/1.png"), tmp_path) == b"one"
    assert server.seen["GET", "/1.png"] == 3


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ((404, {}, b""), "no such file"),
        ((403, {}, b""), "access was denied"),
        ((418, {}, b""), "says 418"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "compresses it"),
        ((302, {"Location": "http://169.254.169.254/latest"}, b""), "metadata"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "no http or https URL"),
        ((302, {"Location": "//user:pass@127.0.0.1/"}, b""), "user or a password"),
    ],
)
def test_what_does_not_pass_is_asked_once(server: FilesServer, tmp_path: Path, reply: Any, problem: str) -> None:
    server.instead["/1.png"] = [reply]
    with pytest.raises(NotFetched, match=problem) as caught:
        fetch(server.url("/1.png"), tmp_path)
    assert sum(server.seen.values()) == 1
    assert caught.value.__context__ is None and caught.value.__cause__ is None  # which would tell more


def test_redirects_are_followed_a_few_times(server: FilesServer, tmp_path: Path) -> None:
    server.files["/1.png"] = b"one"
    server.instead["/0.png"] = [(302, BEHIND, b"")]
    assert fetch(server.url("/0.png"), tmp_path) == b"one"
    server.instead["/1.png"] = [(302, BEHIND, b"")] * 6
    with pytest.raises(NotFetched, match="more than 5 redirects"):
        fetch(server.url("/1.png"), tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"])
def test_a_name_that_leads_to_a_private_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
        return [(10 if ":" in address else 2, address)]

    monkeypatch.setattr("api_graph.addresses.look_up", look_up)
    with pytest.raises(NotFetched, match="leads to"):
        fetch("https://example.com/1.png", tmp_path, private=False)


def test_a_protocol_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def filesystem(protocol: str) -> object:
        raise ImportError("Install gcsfs")

    monkeypatch.setattr(fsspec, "filesystem", filesystem)
    with pytest.raises(NotFetched, match="gs needs the package gcsfs") as caught:
        fetch("gs://bucket/1.png", tmp_path)
    assert caught.value.hint == "pip install 'api-graph[remote]' gcsfs"


# ------------------------------------------------------------------------------------------ rows


def fetching(rows: list[Row], folder: Path, **more: Any) -> Fetched:
    return Fetched(iter(rows), folder, lambda row: [c for c in row.values if c == "image"], allow_private=True, **more)


def test_rows_come_in_their_order_and_each_file_once(server: FilesServer, tmp_path: Path) -> None:
    started = threading.Event()
    server.wait = lambda: started.wait(0.02)
    server.files = {f"/{i}.png": str(i).encode() for i in range(40)}
    rows = [Row(i, str(i), {"image": server.url(f"/{i // 3}.png"), "query": "?"}) for i in range(120)]
    rows.insert(5, Row(200, "200", {"image": "local.png"}))
    rows.insert(7, Row(201, "201", {"query": "no picture"}))
    source = fetching(rows, tmp_path)
    done = []
    for row in source:
        for file in row.remote.values():
            assert source.folder is not None
            assert (source.folder / file.name).read_bytes() == str(row.number // 3).encode()
        done.append(row)
    assert [row.number for row in done] == [row.number for row in rows]
    assert sum(server.seen.values()) == 40 and 1 < server.most_at_once <= 16
    source.close()
    assert list(tmp_path.iterdir()) == []


def test_files_that_no_row_needs_have_a_bound(server: FilesServer, tmp_path: Path) -> None:
    server.files = {f"/{i}.png": bytes(1000) for i in range(30)}
    source = fetching([Row(i, str(i), {"image": server.url(f"/{i}.png")}) for i in range(30)], tmp_path, room=5000)
    rows = list(source)

    def there() -> int:
        assert source.folder is not None
        return len([path for path in source.folder.rglob("*.png")])

    assert there() == 30
    for number, row in enumerate(rows, 1):
        source.done([row])
        assert there() == 30 - max(0, number - 5)
    source.close()


def test_must_wait(server: FilesServer, tmp_path: Path) -> None:
    go = threading.Event()
    server.wait = lambda: go.wait(10)
    server.files["/1.png"] = b"one"
    source = fetching([Row(0, "0", {"image": server.url("/1.png")}), Row(1, "1", {"image": "x"})], tmp_path)
    assert source.must_wait()
    go.set()
    assert next(source).remote and not source.must_wait() and next(source).number == 1
    source.close()


def test_a_run_that_stops_waits_for_no_server(server: FilesServer, tmp_path: Path) -> None:
    go = threading.Event()
    server.wait = lambda: go.wait(60)
    source = fetching([Row(i, str(i), {"image": server.url(f"/{i}.png")}) for i in range(60)], tmp_path)
    assert source.must_wait()
    closing = threading.Thread(target=source.close)
    closing.start()
    closing.join(20)
    stopped = not closing.is_alive()
    go.set()
    closing.join()
    assert stopped and list(tmp_path.iterdir()) == []


def test_what_asks_after_the_end_is_told_so(server: FilesServer, tmp_path: Path) -> None:
    """A thread that had not begun before: nobody would stop its request, or close its connection."""
    server.files["/0.png"] = encoded(0)
    for begun in (False, True):
        remote = Remote(allow_private=True)
        if begun:
            remote.fetch(server.url("/0.png"), tmp_path / "0.png", 1 << 20)
        remote.close()
        asked = server.seen.total()
        with pytest.raises(NotFetched, match="it was not fetched: the run stops"):
            remote.fetch(server.url("/0.png"), tmp_path / "1.png", 1 << 20)
        with pytest.raises(NotFetched, match="it was not fetched: the run stops"):
            remote.state(server.url("/0.png"))
        assert server.seen.total() == asked


@given(st.lists(st.booleans(), max_size=60))
def test_chunks_take_what_is_there(waits: list[bool]) -> None:
    """Where the next row is on its way, what is there goes, and whatever runs is waited for; no row is lost."""
    answers = iter(waits)
    rows = [Row(i, str(i), {}) for i in range(50)]
    chunks = Chunks(iter(rows), 1 << 30, 2, must_wait=lambda: next(answers, False))
    running: list[list[Row]] = []
    taken: list[int] = []
    while True:
        chunk = chunks.take()
        if chunk:
            running.append(chunk)
            taken += [row.number for row in chunk]
        elif running:
            chunks.learn(running.pop(0), 0)
        else:
            break
    assert taken == list(range(50))


# ------------------------------------------------------------------------------------------ runs


def served(server: FilesServer, folder: Path, count: int, questions: int = 1) -> Path:
    server.files |= {f"/pics/{i}.png": encoded(i) for i in range(count)}
    lines = [
        json.dumps({"image": server.url(f"/pics/{i}.png"), "query": f"question {turn} of {i}"})
        for i in range(count)
        for turn in range(questions)
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "rows.jsonl"


def pixels(out: Path) -> dict[str, list[bytes]]:
    return {
        record["values"]["query"]: [
            Image.open(out / name).tobytes() for names in record["files"].values() for name in names
        ]
        for record in runs.records(out)
    }


def ran(rows: Any, out: Path, **more: Any) -> list[Any]:
    return sorted(map_graph(runs.GRAPH, rows, output=out, cache=False, **more), key=lambda result: result.number)


def test_results_are_those_of_files(server: FilesServer, tmp_path: Path) -> None:
    rows = served(server, tmp_path, 5, 2)
    assert [result.error for result in ran(rows, tmp_path / "out", allow_private=True)] == [None] * 10
    for i in range(5):
        runs.picture(tmp_path / "here" / "pics" / f"{i}.png", i)
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    here = [{**row, "image": f"pics/{row['image'].rpartition('/')[2]}"} for row in lines]
    local = runs.table(tmp_path / "here", here)
    ran(local, tmp_path / "usual")
    assert pixels(tmp_path / "out") == pixels(tmp_path / "usual")
    assert server.seen == {("GET", f"/pics/{i}.png"): 1 for i in range(5)}
    for record in runs.records(tmp_path / "out"):
        ((name, read),) = record["reads"].items()
        content = server.files[read["path"].removeprefix(server.url(""))]
        assert name == read["path"] == record["values"]["image"]
        assert read["remote"] == f'"{hashlib.md5(content).hexdigest()}"' and read["size"] == len(content)
        assert read["sha256"] == hashlib.sha256(content).hexdigest()
    assert verify(tmp_path / "out", allow_private=True).ok
    assert ran(rows, tmp_path / "out", allow_private=True) == []
    assert all(server.seen["GET", f"/pics/{i}.png"] == 1 for i in range(5))  # only their states were asked


def test_files_are_called_after_the_picture(server: FilesServer, tmp_path: Path) -> None:
    (result,) = ran(served(server, tmp_path, 1), tmp_path / "out", allow_private=True)
    assert all(
        name.rpartition("/")[2].startswith("0_question-0-of-0_") for names in result.names.values() for name in names
    )


@pytest.mark.parametrize("tells_version", [True, False])
def test_what_has_changed_is_done_again(server: FilesServer, tmp_path: Path, tells_version: bool) -> None:
    server.tells_version = tells_version
    rows, out = served(server, tmp_path, 4), tmp_path / "out"
    ran(rows, out, allow_private=True)
    server.files["/pics/2.png"] = encoded(2, 30)
    found = verify(out, allow_private=True)
    assert not found.ok and found.counts["changed"] == 1 and server.url("/pics/2.png") in found.first["changed"][0]
    with pytest.warns(ApiGraphWarning, match="1 row is done again: pictures"):
        (again,) = ran(rows, out, allow_private=True)
    assert again.number == 2 and verify(out, allow_private=True).ok


@pytest.mark.parametrize("tells_version", [True, False])
def test_a_change_of_the_same_size(server: FilesServer, tmp_path: Path, tells_version: bool) -> None:
    """An ETag tells it; without one only reading does, where that is asked for."""
    server.tells_version = tells_version
    out = tmp_path / "out"
    ran(served(server, tmp_path, 3), out, allow_private=True)
    content = bytearray(server.files["/pics/1.png"])
    content[-20] ^= 1
    server.files["/pics/1.png"] = bytes(content)
    assert verify(out, allow_private=True).counts["changed"] == tells_version
    assert verify(out, depth="content", allow_private=True).counts["changed"] == 1


def test_what_is_gone_or_not_reached_keeps_its_results(server: FilesServer, tmp_path: Path) -> None:
    rows, out = served(server, tmp_path, 3), tmp_path / "out"
    ran(rows, out, allow_private=True)
    del server.files["/pics/1.png"]
    assert verify(out, allow_private=True).counts["gone"] == 1
    with pytest.warns(ApiGraphWarning, match="1 row keeps its result, though what was read for it is missing"):
        assert ran(rows, out, allow_private=True) == []
    assert verify(out).counts["unreached"] == 3  # nobody has allowed it
    seen = sum(server.seen.values())
    verify(out, depth="stat", allow_private=True)
    assert sum(server.seen.values()) == seen  # a report asks nobody


def test_a_row_without_its_picture_fails_alone(server: FilesServer, tmp_path: Path) -> None:
    rows, out = served(server, tmp_path, 4), tmp_path / "out"
    picture = server.files.pop("/pics/1.png")
    server.files["/pics/2.png"] = b"no picture"
    results = ran(rows, out, allow_private=True)
    assert [bool(result.error) for result in results] == [False, True, True, False]
    assert "there is no such file there" in results[1].error
    server.files["/pics/1.png"] = picture
    again = ran(rows, out, allow_private=True, retry_failed=True)
    assert [(result.number, result.ok) for result in again] == [(1, True), (2, False)]


def test_without_leave_no_private_server_is_asked(server: FilesServer, tmp_path: Path) -> None:
    results = ran(served(server, tmp_path, 2), tmp_path / "out")
    assert all("is plain http" in result.error for result in results) and not server.seen


def test_nothing_is_left_of_them(server: FilesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    ran(served(server, tmp_path, 3), tmp_path / "out", allow_private=True)
    assert list((tmp_path / "cache").rglob("*.png")) == []


def test_a_remote_table_and_the_pictures_beside_it(server: FilesServer, tmp_path: Path) -> None:
    server.files |= {f"/data/pics/{i}.png": encoded(i) for i in range(3)}
    text = "image,query\n" + "".join(f"pics/{i}.png,question {i}\n" for i in range(3))
    server.files["/data/rows.csv"] = text.encode()
    out = tmp_path / "out"
    results = ran(server.url("/data/rows.csv"), out, allow_private=True)
    assert [result.error for result in results] == [None] * 3
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["rows"]["path"] == server.url("/data/rows.csv") and manifest["rows"]["kind"] == "csv"
    assert verify(out, allow_private=True).ok
    server.files["/data/rows.csv"] = (text + "../../secret.png,question 3\n").encode()
    (more,) = ran(server.url("/data/rows.csv"), out, allow_private=True)
    assert more.number == 3 and "no file below the table's folder" in more.error


@pytest.mark.parametrize(
    ("name", "problem"),
    [("/none.csv", "there is no such file there"), ("/pics/*.csv", "no glob"), ("/rows.xlsx", "rows.xlsx")],
)
def test_a_remote_table_that_is_none(server: FilesServer, name: str, problem: str) -> None:
    server.files["/rows.xlsx"] = b"x"
    with pytest.raises(BadInput, match=problem):
        open_table(server.url(name), allow_private=True)


def said(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def test_the_command_line(server: FilesServer, tmp_path: Path) -> None:
    words = ("map", runs.GRAPH, served(server, tmp_path, 2), "--out", tmp_path / "out", "--no-cache")
    ran = said(*words)
    assert ran.exit_code == 1 and "--allow-private" in ran.stderr
    assert said(*words, "--allow-private", "--retry-failed").exit_code == 0
    ran = said("verify", tmp_path / "out")
    assert ran.exit_code == 1 and "2 remote input files not reached" in ran.stdout
    assert said("verify", tmp_path / "out", "--allow-private").exit_code == 0


def test_memory(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    for i in range(3):
        files.pipe(f"/pics/{i}.png", encoded(i))
    rows = [{"image": f"memory://pics/{i}.png", "query": f"question {i}"} for i in range(3)]
    assert all(result.ok for result in ran(rows, tmp_path / "out"))
    assert verify(tmp_path / "out").ok
    time.sleep(0.01)
    files.pipe("/pics/1.png", encoded(9))
    assert verify(tmp_path / "out").counts["changed"] == 1


def test_a_bucket_and_a_table_in_it(bucket: Any, tmp_path: Path) -> None:
    for i in range(3):
        bucket.pipe(f"bucket/data/pics/{i}.png", encoded(i))
    lines = [json.dumps({"image": f"pics/{i}.png", "query": f"question {i}"}) for i in range(3)]
    bucket.pipe("bucket/data/rows.jsonl", "\n".join(lines).encode() + b"\n")
    out = tmp_path / "out"
    assert all(result.ok for result in ran("s3://bucket/data/rows.jsonl", out))
    assert verify(out).ok
    bucket.pipe("bucket/data/pics/1.png", encoded(9))
    assert verify(out).counts["changed"] == 1
    bucket.rm("bucket/data/pics/1.png")
    assert verify(out).counts["gone"] == 1


def test_credentials_are_in_no_artefact(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    bucket.pipe("bucket/1.png", encoded(1))
    rows = [
        {"image": name, "query": f"question {i}"}
        for i, name in enumerate(
            [
                "s3://bucket/1.png",
                "s3://bucket/none.png",
                "s3://none/1.png",
                f"s3://{KEY}:{SECRET}@bucket/1.png",
                f"https://example.com/1.png?X-Amz-Credential={KEY}&X-Amz-Signature={SECRET}",
            ]
        )
    ]
    path, out = runs.table(tmp_path, []), tmp_path / "out"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    told = [said("map", runs.GRAPH, path, "--out", out, "--log", tmp_path / "log", "--debug")]
    told += [said("verify", out), said("report", out), said("results", out)]
    assert [each.exit_code for each in told] == [1, 0, 0, 0], told[0].output
    assert [record["ok"] for record in sorted(runs.records(out), key=lambda record: record["row"])] == [True] + [
        False
    ] * 4
    for secret in (KEY, SECRET):
        assert all(secret not in each.output for each in told)
        for file in [file for folder in (out, tmp_path / "cache") for file in folder.rglob("*") if file.is_file()] + [
            tmp_path / "log"
        ]:
            assert secret.encode() not in file.read_bytes(), file
            assert secret not in str(file)


def of_http(folder: Path, count: int, server: FilesServer, bucket: Any) -> None:
    served(server, folder, count)


def of_memory(folder: Path, count: int, server: FilesServer, bucket: Any) -> None:
    pics = folder / "memory" / "pics"
    pics.mkdir(parents=True)
    for i in range(count):
        (pics / f"{i}.png").write_bytes(encoded(i))
    rows = [{"image": f"memory://pics/{i}.png", "query": f"question {i}"} for i in range(count)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def of_s3(folder: Path, count: int, server: FilesServer, bucket: Any) -> None:
    for i in range(count):
        bucket.pipe(f"bucket/pics/{i}.png", encoded(i))
    rows = [{"image": f"s3://bucket/pics/{i}.png", "query": f"question {i}"} for i in range(count)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


SOURCES: Mapping[str, Callable[[Path, int, FilesServer, Any], None]] = {
    "http": of_http,
    "memory": of_memory,
    "s3": of_s3,
}


@pytest.mark.skipif(os.name != "posix", reason="forks and signals as POSIX has them")
@pytest.mark.parametrize("kind", SOURCES)
def test_killed_at_random_moments(
    tmp_path: Path, kind: str, server: FilesServer, request: pytest.FixtureRequest
) -> None:
    SOURCES[kind](tmp_path, 45, server, request.getfixturevalue("bucket") if kind == "s3" else None)
    options = json.dumps({"allow_private": True})
    command = [sys.executable, "-m", "tests.table.kill_often", str(tmp_path), "5", "3", options]
    surroundings = runs.surroundings(tmp_path / "cache")
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.ROOT, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])) == 5
    out = tmp_path / "out"
    assert runs.results(out).keys() == set(range(45))
    assert runs.files_in(out) == runs.named_files(out)
    if kind != "memory":  # that memory was another process's
        assert verify(out, allow_private=True).ok
