"""ComfyUI's folders as a run's folders, and the pack's own model folder."""

from __future__ import annotations

import pytest

from api_graph.comfy import register_model_folder
from api_graph.comfy.host import host_folders
from api_graph.errors import BadInput
from api_graph.settings import shipped_graphs


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
    assert host_folders().input_file("example.png") == (shipped_graphs() / "example.png").resolve()
    (comfy.root / "input" / "example.png").write_bytes(b"the user's own comes first")
    assert host_folders().input_file("example.png") == (comfy.root / "input" / "example.png").resolve()


def test_without_comfyui_nothing_is_registered_and_nothing_read() -> None:
    register_model_folder()
    assert (host_folders().inputs, host_folders().models) == ((), ())
