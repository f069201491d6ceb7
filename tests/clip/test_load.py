"""Loading: every kind of name, nothing unpickled, and one clear line for whatever goes wrong."""

from __future__ import annotations

import json
import logging
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from safetensors.torch import save_file

from api_graph.clip import checkpoint_identity
from api_graph.clip.load import load_clip, loaded_clip
from api_graph.errors import BadInput
from api_graph.files import sha256_of
from api_graph.models.source import architecture_and_tag

CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "patch_size": 8, "head_width": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
}
DEMO = Path(__file__).parents[2] / "api_graph" / "demo" / "clip"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here asks the hub for anything."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return open_clip.CLIP(**CONFIG).state_dict()


@pytest.fixture
def folder(tmp_path: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A model's folder, as open_clip's `local-dir:` wants it."""
    path = tmp_path / "model"
    path.mkdir()
    facts = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "resize_mode": "squash"}
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": facts}))
    save_file(weights, path / "open_clip_model.safetensors")
    return path


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """A tiny architecture that open_clip knows by name while the test runs."""
    monkeypatch.setitem(factory._MODEL_CONFIGS, "Tiny-16", CONFIG)
    return "Tiny-16"


@pytest.mark.parametrize("prefix", ["", "local-dir:"])
def test_a_folder(folder: Path, weights: dict[str, torch.Tensor], prefix: str) -> None:
    model = load_clip(f"{prefix}{folder}", device="cpu")
    assert torch.equal(model.visual.get_parameter("class_embedding"), weights["visual.class_embedding"])
    facts = model.preprocess
    assert (facts.size, facts.mean, facts.resize_mode) == ((16, 16), (0.1, 0.2, 0.3), "squash")
    assert model.device.type == "cpu" and model.dtype == torch.float32
    assert model.tokenizer is not None and model.tokenizer(["a cat"]).shape == (1, 8)
    assert not model.module.training and not any(p.requires_grad for p in model.module.parameters())


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_an_architecture_with_a_checkpoint(
    tiny: str, tmp_path: Path, weights: dict[str, torch.Tensor], suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    model = load_clip(tiny, str(path), device="cpu", dtype="bf16")
    assert model.dtype == torch.bfloat16
    expected = weights["visual.conv1.weight"].bfloat16()
    assert torch.equal(model.visual.get_parameter("conv1.weight"), expected)


def test_random_weights_must_be_asked_for(tiny: str) -> None:
    with pytest.raises(BadInput, match=r"pretrained: .*would have random weights.*'random'"):
        load_clip(tiny)
    first, second = (load_clip(tiny, "random", device="cpu") for _ in range(2))
    assert checkpoint_identity(tiny, "random") == {"name": tiny, "pretrained": "random"}
    assert torch.equal(first.visual.get_parameter("proj"), second.visual.get_parameter("proj"))


def test_loading_says_nothing_and_sets_up_no_log(
    folder: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    load_clip(tiny, "random", device="cpu")
    load_clip(str(folder), device="cpu")
    assert logging.getLogger().handlers == []
    assert capfd.readouterr() == ("", "")


def test_weights_of_a_tag_get_their_own_activation(
    tiny: str, tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    tag = {"file": str(tmp_path / "w.safetensors"), "quick_gelu": True}
    monkeypatch.setitem(pretrained._PRETRAINED, tiny, {"openai": tag})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_clip(tiny, "openai", device="cpu")
    assert type(model.visual.get_submodule("transformer.resblocks.0.mlp.gelu")).__name__ == "QuickGELU"


def test_weights_loaded_in_inference_mode_can_take_part_in_gradients(folder: Path) -> None:
    with torch.inference_mode():
        model = load_clip(str(folder), device="cpu")
    assert not any(p.is_inference() for p in model.module.parameters())


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_nothing_is_unpickled(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bomb.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save({"visual.proj": Bomb()}, "zipped.pt")
    for name in ("bomb.pt", "zipped.pt"):
        with pytest.raises(BadInput, match=r"pretrained: the checkpoint is damaged, or holds more than tensors"):
            load_clip(tiny, name, device="cpu")
    assert not Path("exploded").exists()


def test_a_damaged_checkpoint(tiny: str, folder: Path) -> None:
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"pretrained: the checkpoint cannot be read.*download it again"):
        load_clip(tiny, str(file), device="cpu")
    with pytest.raises(BadInput, match="name: the checkpoint cannot be read"):
        load_clip(str(folder), device="cpu")


def test_a_checkpoint_of_another_architecture(tiny: str, tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file({**weights, "visual.proj": torch.zeros(16, 8)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match=r"does not fit the architecture of 'Tiny-16': size mismatch for visual.proj"):
        load_clip(tiny, str(tmp_path / "other.safetensors"), device="cpu")
    save_file({"unrelated": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(BadInput, match="does not fit"):
        load_clip(tiny, str(tmp_path / "none.safetensors"), device="cpu")


@pytest.mark.parametrize("name", ["hf-hub:nobody/nothing", "Tiny-16"])
def test_a_failed_download_says_how_to_go_on(name: str, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> str:
        raise OSError("We couldn't connect to the hub")

    monkeypatch.setattr(pretrained, "download_pretrained_from_hf", offline)
    monkeypatch.setitem(pretrained._PRETRAINED, tiny, {"openai": {"hf_hub": "nobody/nothing/"}})
    tag = None if name.startswith("hf-hub") else "openai"
    with pytest.raises(BadInput, match=r"could not be downloaded: .*couldn't connect.*HF_HUB_OFFLINE is set"):
        load_clip(name, tag, device="cpu")


def test_hub_weights_that_are_missing_are_not_replaced_by_random_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))

    def only_the_config(repository: str, file: str | None = None, **_: Any) -> str:
        if file is None:
            raise FileNotFoundError("404")
        return str(tmp_path / file)

    monkeypatch.setattr(pretrained, "download_pretrained_from_hf", only_the_config)
    with pytest.raises(BadInput, match="name: the model could not be downloaded: 404"):
        load_clip("hf-hub:somebody/something", device="cpu")


LONG = "An error happened while trying to locate the file on the Hub, and so it goes on: " + "word and word " * 30


@pytest.mark.parametrize("offline", [False, True])
def test_what_is_said_of_a_download_is_cut_between_words_and_names_the_whole_model(
    tiny: str, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    def fails(*_: Any, **__: Any) -> str:
        raise OSError(LONG)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("api_graph.models.source.revision_of", lambda _: None)  # no network in tests
    monkeypatch.setattr(pretrained, "download_pretrained_from_hf", fails)
    monkeypatch.setitem(pretrained._PRETRAINED, tiny, {"openai": {"hf_hub": "nobody/nothing/"}})
    for call, input in (
        (lambda: load_clip(f"{tiny}/openai"), "name"),
        (lambda: load_clip(tiny, "openai"), "pretrained"),
    ):
        with pytest.raises(BadInput) as told:
            call()
        assert (told.value.input, told.value.value) == (input, "Tiny-16/openai")
        assert "locate the file on the Hub, and" in told.value.problem
        assert set(re.findall(r"\w+$", told.value.problem.removesuffix(" …"))) <= {"word", "and"}
        assert told.value.hint.startswith("HF_HUB_OFFLINE is set" if offline else "Without a network, set HF_HUB_OFF")


def test_architecture_and_tag_are_one_name(tiny: str, tmp_path: Path, weights: Any, monkeypatch: Any) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    monkeypatch.setitem(pretrained._PRETRAINED, tiny, {"openai": {"file": str(tmp_path / "w.safetensors")}})
    for name in ("Tiny-16/openai", "Tiny/16/openai"):
        assert checkpoint_identity(name) == checkpoint_identity(tiny, "openai")
        model = load_clip(name, device="cpu")
        assert torch.equal(model.visual.get_parameter("proj"), weights["visual.proj"])
    assert [loaded_clip("Tiny-16/random", "cpu").name] == ["Tiny-16/random"]
    with pytest.raises(BadInput, match=r"^name: an architecture alone .* as in 'Tiny-16/openai': openai, the path"):
        loaded_clip(tiny)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("demo", ("demo", None)),
        ("ViT-B-32/laion2b_e16", ("ViT-B-32", "laion2b_e16")),
        ("ViT-B/32", ("ViT-B-32", None)),
        ("ViT-B/32/laion2b_e16", ("ViT-B-32", "laion2b_e16")),
        ("ViT-B-32/any", ("ViT-B-32", "any")),
        ("ViT-B-23/openai", ("ViT-B-23", "openai")),
        ("ViT-B-23/any", ("ViT-B-23/any", None)),
        ("Qwen/Qwen3-VL-8B-Instruct", ("Qwen/Qwen3-VL-8B-Instruct", None)),
        ("somebody/openai", ("somebody/openai", None)),
    ],
)
def test_the_halves_of_a_name(name: str, parts: tuple[str, str | None]) -> None:
    assert architecture_and_tag(name) == parts


@pytest.mark.parametrize(
    ("name", "tag", "message"),
    [
        ("ViT-B-61", "openai", r"name: unknown model \(got 'ViT-B-61'\)\. Did you mean ViT-B-16"),
        ("ViT-B-16", "opneai", r"pretrained: ViT-B-16 has no weights of that name.*Did you mean openai"),
        ("ViT-B-16", None, r"pretrained: .*random weights.*openai.*laion2b"),
        ("ViT-B-16", "missing.safetensors", r"pretrained: there is no such file"),
        ("hf-hub:some/model", "openai", "pretrained: 'hf-hub:some/model' brings its own weights"),
        ("local-dir:nowhere", None, r"name: there is no such folder \(got 'local-dir:nowhere'\)"),
        ("./nowhere", None, "name: there is no such folder"),
        ("ViT-B/61", "openai", r"name: unknown model \(got 'ViT-B/61'\)\. Did you mean ViT-B-16"),
        ("ViT-B-16/opneai", None, r"^name: ViT-B-16 has no weights of that name.*Did you mean openai.*laion2b"),
        ("ViT-B/16/opneai", None, r"^name: ViT-B-16 has no weights of that name.*Did you mean openai"),
        ("ViT-B-61/openai", None, r"^name: unknown model \(got 'ViT-B-61/openai'\)\. Did you mean ViT-B-16"),
        ("ViT-B-16/openai", "openai", r"^pretrained: 'ViT-B-16/openai' says already which weights \(got 'openai'\)"),
        ("some/model", None, r"^name: unknown model \(got 'some/model'\)"),
    ],
)
def test_names_that_lead_nowhere(name: str, tag: str | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_clip(name, tag, device="cpu")


def test_folders_that_hold_no_model(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"name: the model's folder holds no weights \(\.safetensors, \.pth, \.bin\)"):
        load_clip(str(folder))
    for damaged in ("{", "{}", "[]"):
        (folder / "open_clip_config.json").write_text(damaged)
        with pytest.raises(BadInput, match=r"name: open_clip_config.json is damaged"):
            load_clip(str(folder))
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(BadInput, match=r"name: there is no model there: open_clip_config.json is missing"):
        load_clip(str(folder))
    with pytest.raises(BadInput, match=r"pretrained: .*brings its own weights"):
        load_clip(f"local-dir:{folder}", "openai")


def test_identity_follows_content(folder: Path, tiny: str, tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    first = checkpoint_identity(str(folder))
    assert first == json.loads(json.dumps(first))
    moved = folder.rename(tmp_path / "moved")
    assert checkpoint_identity(f"local-dir:{moved}") == first
    file = moved / "open_clip_model.safetensors"
    save_file({**weights, "logit_scale": torch.tensor(9.0)}, file)
    assert checkpoint_identity(str(moved)) != first
    by_file = checkpoint_identity(tiny, str(file))
    assert by_file == {"name": tiny, "checkpoint": sha256_of(file)}


def test_downloads_from_elsewhere_are_their_tag(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"url": "file:///nowhere/weights.pt", "hf_hub": ""}
    monkeypatch.setitem(pretrained._PRETRAINED, tiny, {"openai": elsewhere})
    assert checkpoint_identity(tiny, "openai") == {"name": tiny, "pretrained": "openai"}


def test_content_hash(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256_of(file) == expected


@pytest.mark.skipif(not (DEMO / "open_clip_config.json").is_file(), reason="the demo model is not in this tree")
def test_the_demo_model_loads_offline() -> None:
    model = load_clip(device="cpu")
    assert model.name == "demo" and model.tokenizer is not None


def test_importing_costs_neither_open_clip_nor_transformers() -> None:
    rooms = "baselines, decompose, foveal, foveal_masks, load, maps, model, text, unleash"
    heavy = "{'open_clip', 'transformers', 'timm'}"
    code = f"import sys; from api_graph.clip import {rooms}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
