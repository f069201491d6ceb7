"""ComfyUI's folders as a run's folders, and the pack's own model folder."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from api_graph.comfy import lend_example, register_model_folder
from api_graph.comfy.host import host_folders
from api_graph.errors import BadInput
from api_graph.settings import EXAMPLE_MASKS, EXAMPLE_PICTURE, shipped_graphs


def test_folders(comfy) -> None:
    root = comfy.root
    folders = host_folders()
    assert (folders.inputs, folders.output, folders.temp) == (
        (root / "input", shipped_graphs()),
        root / "output",
        root / "temp",
    )
    assert folders.models == (root / "models" / "clip",)
    assert folders.trusted == frozenset()


def test_the_own_model_folder_comes_first(comfy) -> None:
    models = comfy.root / "models"
    comfy.model_folders["clip_vision"] = ([str(models / "clip_vision")], set())
    register_model_folder()
    assert host_folders().models == (models / "api_graph", models / "clip", models / "clip_vision")


def test_registering_twice_is_registering_once(comfy) -> None:
    register_model_folder()
    register_model_folder()
    assert comfy.model_folders["api_graph"] == ([str(comfy.root / "models" / "api_graph")], set())


def test_folders_of_extra_model_paths_stay(comfy) -> None:
    comfy.model_folders["api_graph"] = (["elsewhere"], set())
    register_model_folder()
    assert comfy.model_folders["api_graph"][0] == ["elsewhere", str(comfy.root / "models" / "api_graph")]


def test_a_checkpoint_in_the_own_folder_is_found(comfy) -> None:
    register_model_folder()
    folder = comfy.root / "models" / "api_graph"
    folder.mkdir(parents=True)
    (folder / "clip.safetensors").write_bytes(b"")
    assert host_folders().model_path("clip.safetensors") == (folder / "clip.safetensors").resolve()
    assert host_folders().model_path("../../input") is None


def test_graphs_in_comfyui_name_no_paths_of_the_machine(comfy, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.png"
    outside.write_bytes(b"")
    with pytest.raises(BadInput):
        host_folders().input_file(str(outside))


def test_the_shipped_graphs_find_their_pictures(comfy) -> None:
    shipped = (shipped_graphs() / EXAMPLE_PICTURE).resolve()
    assert host_folders().input_file(EXAMPLE_PICTURE) == shipped
    assert host_folders().input_file("example.png") == shipped, "its name in graphs that version 0.1 saved"
    (comfy.root / "input" / "example.png").write_bytes(b"the user's own comes first")
    assert host_folders().input_file("example.png") == (comfy.root / "input" / "example.png").resolve()


def test_the_example_picture_is_put_into_the_input_folder(comfy) -> None:
    lent = comfy.root / "input" / EXAMPLE_PICTURE
    lend_example()
    assert (lent.parent / EXAMPLE_MASKS).read_bytes() == (shipped_graphs() / EXAMPLE_MASKS).read_bytes()
    assert lent.read_bytes() == (shipped_graphs() / EXAMPLE_PICTURE).read_bytes()
    assert host_folders().input_file(EXAMPLE_PICTURE) == lent.resolve()
    lent.write_bytes(b"the user's own")
    lend_example()
    assert lent.read_bytes() == b"the user's own"


def test_an_input_folder_that_cannot_be_written_stops_nothing(comfy, caplog: pytest.LogCaptureFixture) -> None:
    (comfy.root / "input").rmdir()
    lend_example()
    assert "cannot be put into the input folder" in caplog.text
    assert host_folders().input_file(EXAMPLE_PICTURE) == (shipped_graphs() / EXAMPLE_PICTURE).resolve()


def test_a_picture_that_is_written_in_part_is_taken_away(comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    def opened(path: str, mode: str) -> Full:
        Path(path).touch()
        return Full()

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"a picture")
    lend_example()
    monkeypatch.undo()
    assert list((comfy.root / "input").iterdir()) == []


def test_without_comfyui_nothing_is_registered_and_nothing_read() -> None:
    register_model_folder()
    lend_example()
    assert (host_folders().inputs, host_folders().models) == ((), ())
