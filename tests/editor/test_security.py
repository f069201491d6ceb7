"""Who is not let in, and what cannot be reached."""

from __future__ import annotations

import http.client
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from api_graph.editor import limits
from api_graph.editor.security import is_loopback
from api_graph.editor.server import EditorServer, Options
from api_graph.errors import BadInput
from tests.editor.lab import Client, nodes

SHOWN = nodes(a=("TEcho", {"text": "hi"}), b=("APShowText", {"value": ["a", 0]}))
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


# ------------------------------------------------------------------------------------------------- other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8288"},
        {"Host": "10.0.0.1"},
        {"Host": "["},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
    ids=str,
)
def test_requests_of_other_sites_are_refused(client: Client, headers: dict[str, str]) -> None:
    assert client.post("/api/prompt", {"prompt": SHOWN}, **headers).status == 403
    assert client.ask("GET", "/api/object_info", **headers).status == 403
    assert client.ask("GET", "/ws", None, **UPGRADE, **headers).status == 403


def test_posts_that_a_form_of_another_site_could_send(client: Client) -> None:
    opened = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    for path in ("/api/prompt", "/api/interrupt", "/api/upload/image", "/api/settings/x", "/api/userdata/x.json"):
        assert client.post(path, {}, **opened, Content_Type="text/plain").status == 403


def test_own_requests_pass(client: Client) -> None:
    port = client.server.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "localhost"):
        assert client.post("/api/prompt", {"prompt": SHOWN}, Host=host, Origin=f"http://{host}").status == 200
    assert client.ask("GET", "/", None, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert client.ask("GET", "/", None, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/object_info", "/nothing", "/api/view?filename=api_graph_example.png&type=input"]
)
def test_every_answer_binds_the_browser(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] is None


def test_loopback() -> None:
    assert all(map(is_loopback, ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "10.0.0.1", "localhost.evil.example", "::", "evil"]))


# ------------------------------------------------------------------------------------------------------- tokens


@pytest.fixture
def guarded(frontend: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    monkeypatch.setattr("api_graph.editor.server.frontend_folder", lambda: frontend)
    with EditorServer(Options(tmp_path / "work", port=0, host="0.0.0.0", token="a-ünlikely token")) as server:
        yield Client(server)


@pytest.mark.parametrize("path", ["/", "/api/users", "/assets/index-1a2b.js", "/extensions", "/?token=", "/?token=no"])
def test_without_the_token_nothing_is_served(guarded: Client, path: str) -> None:
    assert guarded.get(path).status == 401
    assert guarded.post(path, {}).status == 401


def test_the_socket_wants_the_token_too(guarded: Client) -> None:
    assert guarded.ask("GET", "/ws", None, **UPGRADE).status == 401


def test_the_token_in_the_address_becomes_a_cookie(guarded: Client) -> None:
    parts = urlsplit(guarded.server.url)
    answer = guarded.get(f"{parts.path}?{parts.query}&x=1")
    assert (answer.status, answer.headers["Location"]) == (303, "/?x=1")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    name_and_value = cookie.partition(";")[0]
    assert guarded.ask("GET", "/", None, Cookie=name_and_value, Host="my-machine:80").status == 401  # of another port
    own = f"my-machine:{guarded.server.port}"
    assert guarded.ask("GET", "/", None, Cookie=name_and_value, Host=own).status == 200
    assert guarded.post("/api/interrupt", {}, Cookie=name_and_value, Host=own, Origin="http://evil").status == 403
    assert guarded.post("/?token=" + quote("a-ünlikely token"), {}).status == 401


def test_programs_send_the_token_in_a_header(guarded: Client) -> None:
    assert guarded.ask("GET", "/api/users", None, Authorization="Bearer wrong").status == 401
    bearer = "Bearer a-ünlikely token".encode().decode("latin-1")
    assert guarded.ask("GET", "/api/users", None, Authorization=bearer).status == 200


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="token"):
        EditorServer(Options(tmp_path, host="0.0.0.0"))


# -------------------------------------------------------------------------------------------------------- paths

ESCAPES = ["../secret.png", "/etc/passwd", "..\\secret.png", "a/../../secret.png", "link/secret.png", "\0.png", "."]


@pytest.fixture
def secret(folder: Path, tmp_path: Path) -> Path:
    """A picture outside the input folder, and a link to its folder inside."""
    (folder / "secret.png").write_bytes(b"secret")
    for place in ("input", "output", "user", "workflows"):
        if not (folder / place / "link").exists():
            os.symlink(folder, folder / place / "link")
    return folder / "secret.png"


@pytest.mark.parametrize("kind", ["input", "output", "temp", "..", "user"])
@pytest.mark.parametrize("name", ESCAPES)
def test_view_shows_nothing_outside(client: Client, secret: Path, kind: str, name: str) -> None:
    for query in ({"filename": name}, {"filename": "secret.png", "subfolder": name.removesuffix("secret.png")}):
        assert client.get("/view", type=kind, **query).status == 404


@pytest.mark.parametrize(
    "name", [*ESCAPES, "link/comfy.settings.json", "workflows/link/secret.json", "", "x.html", "x"]
)
def test_userdata_reaches_nothing_outside(client: Client, secret: Path, name: str) -> None:
    before = sorted(secret.parent.rglob("*"))
    path = f"/api/userdata/{quote(name, safe='')}"
    assert client.get(path).status in (403, 404, 405)
    assert client.post(path, b"{}").status in (403, 404, 405)
    assert client.ask("DELETE", path).status in (403, 404, 405)
    assert client.post(f"/api/userdata/a.json/move/{quote(name, safe='')}").status in (403, 404, 405)
    assert sorted(secret.parent.rglob("*")) == before
    assert client.get("/userdata", dir=name, recurse="true").json == [] if name == "link" else True


@pytest.mark.parametrize("name", ["..", "/etc", "link", "link/input", "\0", "workflows/../.."])
def test_userdata_lists_nothing_outside(client: Client, secret: Path, name: str) -> None:
    answer = client.get("/userdata", dir=name, recurse="true", full_info="true")
    assert answer.status == 403 or answer.json == []


@pytest.mark.parametrize("path", ["/../conftest.py", "/..%2fconftest.py", "/%2fetc%2fpasswd", "/notes.exe", "/assets"])
def test_the_page_s_files_alone_are_served(client: Client, path: str) -> None:
    assert client.get(path).status == 404
    assert client.get(f"/extensions/api-graph-editor{path}").status == 404
    assert client.get(f"/api/workflow_templates/API%20Graph{path}").status == 404


# ------------------------------------------------------------------------------------------------------ uploads


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body


GOOD = png(1, 1, (b"IDAT", zlib.compress(b"\0\xff\0\0")))


@pytest.mark.parametrize("subfolder", ["..", "/tmp", "link", "a/../..", ".hidden", "\0", "link/x"])
def test_uploads_stay_in_the_input_folder(client: Client, secret: Path, subfolder: str) -> None:
    before = sorted(secret.parent.rglob("*"))
    assert client.upload("/upload/image", "a.png", GOOD, subfolder=subfolder).status == 400
    assert client.upload("/upload/image", "a.png", GOOD, type="output").status == 400
    assert sorted(secret.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "stored"),
    [("../../up.png", "up.png"), ("/etc/up.png", "up.png"), ("C:\\\\x\\\\up.png", "up.png"), ("u<p>.png", "up.png")],
)
def test_of_an_upload_s_name_only_the_last_part_counts(client: Client, folder: Path, name: str, stored: str) -> None:
    assert client.upload("/upload/image", name, GOOD, overwrite="true").json["name"] == stored
    assert (folder / "input" / stored).read_bytes() == GOOD


@pytest.mark.parametrize("name", [".png", "..", "a.svg", "a.html", "a", ".hidden.png", "a.py"])
def test_names_that_are_no_picture_s(client: Client, name: str) -> None:
    assert client.upload("/upload/image", name, GOOD).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg onload=alert(1)>",
        GOOD[:40],
        png(40_000, 40_000, (b"IDAT", zlib.compress(bytes(1000)))),
        png(9_000, 11_500, (b"IDAT", zlib.compress(bytes(1000)))),
    ],
    ids=["empty", "svg", "cut", "40000 square", "over the limit"],
)
def test_what_is_no_picture_that_can_be_held(client: Client, folder: Path, data: bytes) -> None:
    before = sorted(folder.rglob("*"))
    assert client.upload("/upload/image", "bomb.png", data).status == 415
    assert sorted(folder.rglob("*")) == before


def test_a_picture_with_a_text_without_end_is_held(client: Client, folder: Path) -> None:
    """Its pixels are good, and nobody unpacks the text."""
    data = png(1, 1, (b"zTXt", b"a\0\0" + zlib.compress(bytes(100 << 20))), (b"IDAT", zlib.compress(bytes(4))))
    assert client.upload("/upload/image", "long.png", data).status == 200


def test_a_file_that_claims_two_gigabytes(client: Client, folder: Path) -> None:
    """It is refused before it is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
    connection.putrequest("POST", "/upload/image")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(2 << 30))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_file_that_does_not_say_how_long_it_is(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_UPLOAD", 1 << 20)
    before = sorted(folder.rglob("*"))

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(40):
            yield bytes(1 << 18)

    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
    try:
        connection.request("POST", "/upload/image", body(), {"Content-Type": "multipart/form-data; boundary=x"})
        status = connection.getresponse().status
    except ConnectionError:  # the server may hang up while we are still sending
        status = 413
    connection.close()
    assert status == 413
    assert sorted(folder.rglob("*")) == before


FIELD_ALONE = b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\ninput\r\n--x--'
FORM_IN_FORM = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--\r\n--x--"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--y"),
        ("multipart/form-data; boundary=x", FIELD_ALONE),
        ("multipart/mixed; boundary=x", FORM_IN_FORM),
    ],
)
def test_forms_that_are_none(client: Client, kind: str, body: bytes) -> None:
    assert client.post("/upload/image", body, Content_Type=kind).status == 400
    assert client.get("/").status == 200
