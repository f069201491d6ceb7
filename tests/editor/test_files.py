"""Pictures in and out, saved graphs, settings."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from api_graph.editor import limits
from api_graph.editor.engine import trim_previews
from api_graph.settings import EXAMPLE_PICTURE, shipped_graphs
from tests.editor.lab import Client, nodes


def picture(colour: tuple[int, ...], size: tuple[int, int] = (4, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


RED, GREEN = picture((255, 0, 0)), picture((0, 255, 0))


# ----------------------------------------------------------------------------------------------------- uploads


def test_an_upload_is_listed_and_shown(client: Client, folder: Path) -> None:
    answer = client.upload("/api/upload/image", "red.png", RED, type="input", subfolder="pasted")
    assert answer.json == {"name": "red.png", "subfolder": "pasted", "type": "input"}
    assert (folder / "input" / "pasted" / "red.png").read_bytes() == RED
    client.upload("/api/upload/image", "top.png", RED)
    assert {"top.png", "api_graph_example.png"} <= set(client.get("/internal/files/input").json)
    shown = client.get("/api/view", filename="red.png", subfolder="pasted", type="input", rand="0.1")
    assert (shown.body, shown.headers["Content-Type"]) == (RED, "image/png")
    choices = client.get("/object_info/APLoadImage").json["APLoadImage"]["input"]["required"]["image"]
    assert {"top.png", "api_graph_example.png"} <= set(choices[0])
    assert choices[1]["image_upload"] is True


def test_only_pictures_are_listed(client: Client, folder: Path) -> None:
    names = {"a.PNG", "b.jpeg", "c.tif", "notes.json", "__init__.py", ".hidden.png", "points.ply", "png"}
    for name in names:
        (folder / "output" / name).write_bytes(RED)
    (folder / "output" / "folder.png").mkdir()
    assert client.get("/internal/files/output").json == ["a.PNG", "b.jpeg", "c.tif"]
    shipped = client.get("/internal/files/input").json
    assert EXAMPLE_PICTURE in shipped and not [name for name in shipped if name.endswith((".py", ".json", ".ply"))]


def test_graphs_that_name_the_picture_as_version_0_1_did(client: Client, folder: Path) -> None:
    def shown(name: str) -> bytes:
        return client.get("/api/view", filename=name, subfolder="", type="input").body

    assert shown("example.png") == shown(EXAMPLE_PICTURE) == (shipped_graphs() / EXAMPLE_PICTURE).read_bytes()
    prompt = nodes(i=("APLoadImage", {"image": "example.png"}), p=("APPreviewImage", {"images": ["i", 0]}))
    assert client.done(client.send(prompt).json["prompt_id"])["status"]["status_str"] == "success"
    (folder / "input" / "example.png").write_bytes(RED)
    assert shown("example.png") == RED


def test_another_picture_of_the_same_name_gets_a_number(client: Client, folder: Path) -> None:
    def upload(data: bytes, **fields: str) -> str:
        return client.upload("/upload/image", "same.png", data, **fields).json["name"]

    assert [upload(RED), upload(RED), upload(GREEN), upload(GREEN)] == [
        "same.png",
        "same.png",
        "same (1).png",
        "same (1).png",
    ]
    assert upload(GREEN, overwrite="true") == "same.png"
    assert (folder / "input" / "same.png").read_bytes() == GREEN


def test_a_painted_mask_becomes_transparency(client: Client, folder: Path) -> None:
    client.upload("/upload/image", "ground.png", RED, overwrite="true")
    reference = json.dumps({"filename": "ground.png", "subfolder": "", "type": "input"})
    mask = picture((0, 0, 0, 64), (8, 6))
    answer = client.upload("/upload/mask", "mask.png", mask, original_ref=reference, subfolder="clipspace")
    assert answer.json == {"name": "mask.png", "subfolder": "clipspace", "type": "input"}
    with Image.open(folder / "input" / "clipspace" / "mask.png") as saved:
        assert (saved.mode, saved.size, saved.getpixel((0, 0))) == ("RGBA", (4, 3), (255, 0, 0, 64))
    for bad in ("", "[]", '{"filename": "gone.png"}', '{"filename": 3}', '{"filename": "../x.png", "type": "input"}'):
        assert client.upload("/upload/mask", "mask.png", mask, original_ref=bad).status == 400


# -------------------------------------------------------------------------------------------------------- view


def test_smaller_copies_and_channels(client: Client, folder: Path) -> None:
    (folder / "output" / "half.png").write_bytes(picture((10, 20, 30, 128)))

    def pixel(**query: str) -> tuple[str, object]:
        answer = client.get("/view", filename="half.png", **query)
        with Image.open(io.BytesIO(answer.body)) as seen:
            assert answer.headers["Content-Type"] == f"image/{seen.format.lower()}"  # type: ignore[union-attr]
            return seen.mode, seen.getpixel((1, 1))

    assert pixel() == ("RGBA", (10, 20, 30, 128))
    assert pixel(channel="rgb") == ("RGB", (10, 20, 30))
    assert pixel(channel="a") == ("RGBA", (0, 0, 0, 128))
    for preview in ("webp;90", "jpeg", "webp;x", "webp;999"):
        mode, values = pixel(preview=preview, channel="rgb")
        assert mode == "RGB"
        assert all(abs(a - b) < 12 for a, b in zip(values, (10, 20, 30), strict=True))  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["page.html", "draw.svg", "script.js", "points.ply", "text"])
def test_other_files_are_only_downloaded(client: Client, folder: Path, name: str) -> None:
    (folder / "output" / name).write_text("<script>alert(1)</script>")
    answer = client.get("/view", filename=name)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert client.get("/view", filename=name, preview="webp").status == 415


def test_the_oldest_previews_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_PREVIEWS", 4)
    for number in range(5):
        (tmp_path / f"{number}.png").touch()
        os.utime(tmp_path / f"{number}.png", (number, number))
    (tmp_path / "folder").mkdir()
    trim_previews(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.png", "4.png", "folder"]
    trim_previews(tmp_path)
    trim_previews(tmp_path / "no such folder")
    assert len(list(tmp_path.iterdir())) == 3


# ------------------------------------------------------------------------------------------------- saved graphs


def userdata(name: str) -> str:
    return f"/api/userdata/{quote(name, safe='')}"


def test_a_saved_graph(client: Client, folder: Path) -> None:
    path = userdata("workflows/sub/mine.json")
    saved = client.post(f"{path}?overwrite=false&full_info=true", b'{"a": 1}')
    assert saved.status == 200
    assert {**saved.json, "modified": 0, "created": 0} == {
        "path": "workflows/sub/mine.json",
        "size": 8,
        "modified": 0,
        "created": 0,
    }
    assert (folder / "workflows" / "sub" / "mine.json").read_text() == '{"a": 1}'
    assert client.post(f"{path}?overwrite=false", b"{}").status == 409
    assert client.post(path, b'{"a": 2}').json == "workflows/sub/mine.json"
    assert client.get(path).json == {"a": 2}
    listed = client.get("/userdata", dir="workflows", recurse="true", split="false", full_info="true").json
    assert [item["path"] for item in listed] == ["sub/mine.json"]
    assert client.get("/userdata", dir="workflows").json == []
    moved = userdata("workflows/other.json")
    assert client.post(f"{path}/move/{quote('workflows/other.json', safe='')}?full_info=true").status == 200
    assert (client.get(path).status, client.get(moved).json) == (404, {"a": 2})
    assert client.ask("DELETE", moved).status == 204
    assert client.ask("DELETE", moved).status == 404


def test_what_was_never_written_is_empty(client: Client) -> None:
    assert client.get(userdata("comfy.templates.json")).json == []
    assert client.get(userdata("user.css")).body == b""
    assert client.get("/userdata", dir="subgraphs", recurse="true").json == []
    assert client.get(userdata("workflows/none.json")).status == 404


def test_a_file_that_is_too_large(client: Client) -> None:
    assert client.post(userdata("big.json"), bytes(limits.LARGEST_PROMPT + 1)).status == 413


def test_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*details: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("api_graph.editor.routes.userdata.os.replace", full)
    answer = client.post(userdata("workflows/mine.json"), b"{}")
    assert (answer.status, answer.body) == (507, b"it cannot be kept: No space left on device")
    assert client.post("/api/settings/a", 1).status == 507


# ----------------------------------------------------------------------------------------------------- settings


def test_settings_are_kept(client: Client, folder: Path) -> None:
    before = client.get("/api/settings").json
    assert before["Comfy.TutorialCompleted"] is True
    assert client.post("/api/settings/Comfy.A", {"x": [1]}).status == 200
    assert client.post("/api/settings", {"Comfy.B": None, "Comfy.TutorialCompleted": False}).status == 200
    after = client.get("/api/settings").json
    assert after == {**before, "Comfy.A": {"x": [1]}, "Comfy.B": None, "Comfy.TutorialCompleted": False}
    assert client.get("/api/settings/Comfy.A").json == {"x": [1]}
    file = folder / "user" / "comfy.settings.json"
    assert json.loads(file.read_text())["Comfy.A"] == {"x": [1]}
    assert client.post("/api/settings/Comfy.A", "x" * (2 << 20)).status == 413
    file.write_text("{damaged")
    assert client.get("/api/settings").json == before
