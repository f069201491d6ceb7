"""Loading a SAM: folders, names, and one clear line for whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file

from api_graph.errors import BadInput
from api_graph.segment import is_segmenter, load_segmenter, segmenter_identity
from tests.segment.tiny_models import save_sam, save_sam2


def load_file(path: Path) -> dict[str, torch.Tensor]:
    """Tensors that do not depend on the file, which the tests damage."""
    return load(path.read_bytes())


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here asks the hub for anything."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_sam(tmp_path / "sam")


@pytest.mark.parametrize("save", [save_sam, save_sam2])
def test_a_folder(save: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    segmenter = load_segmenter(str(folder), device="cpu")
    weights = load_file(folder / "model.safetensors")
    own = segmenter.model.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in weights.items())
    assert segmenter.device.type == "cpu" and segmenter.dtype == torch.float32
    assert not segmenter.model.training and not any(p.requires_grad for p in segmenter.model.parameters())


def test_the_images_of_a_video_model(tmp_path: Path) -> None:
    """The released SAM 2.1 checkpoints call themselves sam2_video."""
    folder = save_sam2(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "sam2_video"}))
    segmenter = load_segmenter(str(folder), device="cpu")
    assert type(segmenter.model).__name__ == "Sam2Model"


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    capfd.readouterr()
    load_segmenter(str(folder), device="cpu")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_weights_loaded_in_inference_mode_are_ordinary_tensors(folder: Path) -> None:
    with torch.inference_mode():
        segmenter = load_segmenter(str(folder), device="cpu")
    assert not any(p.is_inference() for p in segmenter.model.parameters())


def test_folders_that_hold_no_model(folder: Path) -> None:
    config = (folder / "config.json").read_text()
    for damaged in ("{", "[]", "{}"):
        (folder / "config.json").write_text(damaged)
        with pytest.raises(BadInput, match=r"name: config.json is damaged: it describes no model by its model_type"):
            load_segmenter(str(folder))
    (folder / "config.json").write_text(json.dumps({**json.loads(config), "model_type": "clip"}))
    with pytest.raises(BadInput, match=r"name: this is no segmenter, but a model of type clip .*Use one of type sam"):
        load_segmenter(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(BadInput, match=r"name: there is no model there: config.json is missing"):
        load_segmenter(str(folder))


def test_pickled_weights_are_no_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"name: the model's folder holds no weights .*pickled weights are never read"):
        load_segmenter(str(folder))


def test_damaged_and_unfitting_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadInput, match="name: the model cannot be read"):
        load_segmenter(str(folder))
    lacking = {name: tensor for name, tensor in weights.items() if "iou_token" not in name}
    save_file(lacking, file, metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"lack 1 of the model's tensors, such as mask_decoder.iou_token.weight"):
        load_segmenter(str(folder))
    save_file({**weights, "mask_decoder.iou_token.weight": torch.zeros(1, 3)}, file, metadata={"format": "pt"})
    with pytest.raises(BadInput, match="name: the model cannot be read"):
        load_segmenter(str(folder))


def test_a_missing_processor(folder: Path) -> None:
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(BadInput, match="name: the model cannot be read"):
        load_segmenter(str(folder))


@pytest.mark.parametrize("name", ["nobody/nothing", "hf-hub:nobody/nothing"])
def test_a_failed_download_says_how_to_go_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def offline(*_: Any, **__: Any) -> Any:
        raise OSError("We couldn't connect to the hub\nand more")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", offline)
    with pytest.raises(BadInput, match=r"could not be downloaded: We couldn't connect to the hub \(got 'nobody/no"):
        load_segmenter(name)


@pytest.mark.parametrize("name", ["./nowhere", "nowhere", "/nowhere/at/all", "hf-hub:", "hf-hub:a/b/c", "../a"])
def test_names_that_lead_nowhere(name: str) -> None:
    with pytest.raises(BadInput, match="name: there is no such folder"):
        load_segmenter(name)


def test_devices_and_precisions(folder: Path) -> None:
    with pytest.raises(BadInput, match="device: this machine has no such device"):
        load_segmenter(str(folder), device="abacus")
    with pytest.raises(BadInput, match="dtype: unknown precision"):
        load_segmenter(str(folder), device="cpu", dtype="int8")


def test_identity_follows_content(folder: Path, tmp_path: Path) -> None:
    first = segmenter_identity(str(folder))
    assert first == json.loads(json.dumps(first))
    moved = folder.rename(tmp_path / "moved")
    assert segmenter_identity(str(moved)) == first
    weights = load_file(moved / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, moved / "model.safetensors")
    assert segmenter_identity(str(moved)) != first
    named = segmenter_identity("hf-hub:some/model")
    assert named == segmenter_identity("some/model") and named["name"] == "some/model"


def test_a_folder_of_the_name_of_a_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers would read it instead of the hub's, unseen by the cache."""
    monkeypatch.chdir(folder.parent.parent)
    name = f"{folder.parent.name}/{folder.name}"
    assert load_segmenter(name, device="cpu").name == name
    with pytest.raises(BadInput, match="name: a file or folder of that name lies here"):
        load_segmenter(f"hf-hub:{name}")


def test_which_folders_are_segmenters(folder: Path, tmp_path: Path) -> None:
    assert is_segmenter(folder) and not is_segmenter(tmp_path) and not is_segmenter(tmp_path / "missing")
    for text in ("{", "[]", '{"model_type": "clip"}'):
        (folder / "config.json").write_text(text)
        assert not is_segmenter(folder)


def test_importing_costs_no_transformers() -> None:
    code = "import sys, api_graph.segment; print(sorted({'transformers', 'open_clip', 'timm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
