"""Folders that save_pretrained wrote, and everything that can be wrong with a name, a folder or a machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.lvlm import LvlmModel, Request, Sampling, checkpoint_identity, generate, load_lvlm, lvlm_attribution
from api_graph.lvlm.library import import_failure
from api_graph.lvlm.load import lvlm_dtype
from api_graph.lvlm.quiet import quiet
from tests.lvlm.asked import picture
from tests.lvlm.families import FAMILIES


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here asks the hub for anything."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def save(family: str, folder: Path) -> LvlmModel:
    module, processor = FAMILIES[family]()
    with quiet():
        module.save_pretrained(folder)
        processor.save_pretrained(folder)
    return LvlmModel.from_transformers(module, processor)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava")
    save("llava", folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of a good model's folder, to be damaged."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl", "smolvlm"])
def test_a_saved_model_answers_and_attributes_as_before(
    family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = save(family, tmp_path)
    capfd.readouterr()
    state = torch.get_rng_state()
    model = load_lvlm(str(tmp_path), device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert (model.dtype, model.device.type, model.model_type) == (torch.float32, "cpu", family)
    assert model.name == str(tmp_path) and not model.module.training
    assert not any(p.requires_grad or p.is_inference() for p in model.module.parameters())
    request = Request("What?", (picture(),))
    answers = [generate(one, [request], Sampling(max_tokens=4))[0].text for one in (model, before)]
    assert answers[0] == answers[1]
    maps = [lvlm_attribution(picture(), "What?", one, max_tokens=4) for one in (model, before)]
    # In some releases a reread processor resizes with torch where the first did with PIL.
    assert (maps[0].map - maps[1].map).abs().max() <= 0.05 * maps[1].map.max()
    assert capfd.readouterr() == ("", "")


def test_precisions_and_devices(folder: Path) -> None:
    with torch.inference_mode():
        assert load_lvlm(str(folder), "cpu", "bfloat16").dtype == torch.bfloat16
    with pytest.raises(BadInput, match="dtype: unknown precision"):
        load_lvlm(str(folder), "cpu", "int8")
    with pytest.raises(BadInput, match="device: this machine has no such device"):
        load_lvlm(str(folder), "cuda:99")


@pytest.mark.parametrize(("has_it", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_computes_in_bfloat16_where_it_can(
    has_it: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_it)
    assert lvlm_dtype(None, torch.device("cuda")) == expected
    assert lvlm_dtype(None, torch.device("cpu")) == torch.float32
    assert lvlm_dtype("float32", torch.device("cuda")) == torch.float32


def without(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            for path in folder.glob(name):
                path.unlink()

    return damage


def config(**changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")

    return damage


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content, "utf-8") and None


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def one_weight_less(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights[next(name for name in sorted(weights) if "q_proj" in name)]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def pickled_instead(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


REMOTE = {"AutoConfig": "own.Config", "AutoModelForImageTextToText": "own.Model"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no such folder"),
        (without("config.json"), "there is no model there: config.json is missing"),
        (text("config.json", "{"), "config.json is damaged"),
        (text("config.json", '{"a": 1}'), "config.json is damaged: it describes no model by its model_type"),
        (without("*.safetensors"), "holds no weights"),
        (pickled_instead, "holds no weights .*weights in other formats may hold code, and are never read"),
        (without("processor_config.json", "preprocessor_config.json"), "holds no processor"),
        (without("tokenizer*"), "holds no processor: its tokenizer"),
        (cut, "its files cannot be read"),
        (one_weight_less, r"the weights do not fit config.json: 1 are missing, \S*q_proj"),
        (text("tokenizer.json", "{"), "its files cannot be read"),
        (config(model_type="from_tomorrow"), "this transformers does not know its model_type.*pip install -U"),
        (config(model_type="bert"), "it is no image-text-to-text model"),
        (
            config(model_type="own", auto_map=REMOTE),
            "code in a model's repository is never run here.*Use its -hf conversion",
        ),
    ],
)
def test_what_may_be_wrong_with_a_folder(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(BadInput, match=f"(?s)^name: .*{message}"):
        load_lvlm(str(folder), "cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("llava", "name: unknown model"),
        ("a/b/c", "name: unknown model"),
        ("THUDM/cogvlm-chat-hf", "name: CogVLM has no class in transformers.*endpoint"),
        ("./nowhere", "name: there is no such folder"),
        ("", "name: unknown model"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str) -> None:
    for read in (load_lvlm, checkpoint_identity):
        with pytest.raises(BadInput, match=message):
            read(name)


def test_a_model_that_is_not_in_the_cache_and_no_network() -> None:
    with pytest.raises(BadInput, match=r"name: .*HF_HUB_OFFLINE is set"):
        load_lvlm("nobody/no-such-model", "cpu")


def test_quantization_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"quantization: quantization needs bitsandbytes and accelerate.*pip install"):
        load_lvlm(str(folder), "cpu", quantization="4bit")
    wrong: Any = "2bit"
    with pytest.raises(BadInput, match="quantization: unknown quantization"):
        load_lvlm(str(folder), "cpu", quantization=wrong)


def test_identity_is_the_content(folder: Path, saved: Path) -> None:
    assert checkpoint_identity(str(folder)) == checkpoint_identity(str(saved))
    assert checkpoint_identity(str(folder), "4bit") != checkpoint_identity(str(folder))
    config(attribution_layer=2)(folder)
    assert checkpoint_identity(str(folder)) != checkpoint_identity(str(saved))
    assert json.dumps(checkpoint_identity("nobody/no-such-model"))


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (OSError("libtorchaudio.so: undefined symbol"), "install the torchaudio of the same release"),
        (ModuleNotFoundError("No module named 'torchvision'"), "pip install -U torch torchvision"),
        (ImportError("Package `num2words` is required"), "pip install num2words"),
    ],
)
def test_broken_environments_are_named(cause: Exception, hint: str) -> None:
    """transformers says only that a class could not be imported; the cause is further down."""
    error = ModuleNotFoundError("Could not import module 'LlavaForConditionalGeneration'.")
    error.__cause__ = cause
    found = import_failure(error)
    assert found is not None and hint in str(found)
    assert import_failure(ValueError("something else")) is None
