"""Folders that an older transformers wrote: what the processor lacks is taken from the model's config, and said."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.lvlm import LvlmModel, lvlm_attribution
from api_graph.lvlm.load import load_lvlm
from api_graph.lvlm.processor_fields import complete_processor
from api_graph.lvlm.quiet import quiet
from tests.lvlm.asked import picture
from tests.lvlm.families import FAMILIES, prompt
from tests.lvlm.tiny import SIDE, SQUARE, VISION, chat_template, image_token_index, model_of, text_config, tokenizer_for

DEMO = Path(__file__).parents[2] / "api_graph" / "demo" / "lvlm"
CASES = Path(__file__).parents[3] / "shared" / "cases" / "lvlm"

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the demo model's folder."""
    return Path(shutil.copytree(DEMO, tmp_path / "model"))


def change(folder: Path, edit: Callable[[Json], object], name: str = "processor_config.json") -> None:
    settings = json.loads((folder / name).read_text("utf-8"))
    edit(settings)
    (folder / name).write_text(json.dumps(settings), "utf-8")


def change_images(folder: Path, edit: Callable[[Json], object]) -> None:
    """Edit what the image processor is told, in each file that may tell it: before version 5 that is one of its own."""
    if (folder / "processor_config.json").is_file():
        change(folder, lambda settings: edit(settings["image_processor"]) if "image_processor" in settings else None)
    if (folder / "preprocessor_config.json").is_file():
        change(folder, edit, "preprocessor_config.json")


def opened(folder: Path) -> tuple[LvlmModel, list[str]]:
    """The model, and what was said of its processor."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_lvlm(str(folder), "cpu")
    return model, [str(one.message) for one in caught if issubclass(one.category, ApiGraphWarning)]


def shown(model: LvlmModel) -> list[float]:
    return lvlm_attribution(picture(), "What?", model, max_tokens=2).map.flatten().tolist()


# Worked out by hand from the demo's config: 80 px in patches of 8, a CLIP tower whose CLS token is dropped.
DEMO_FIELDS = [
    ("patch_size", "patch_size = 8 (missing)"),
    ("vision_feature_select_strategy", "vision_feature_select_strategy = 'default' (missing)"),
    ("num_additional_image_tokens", "num_additional_image_tokens = 1 (not 0)"),
]


@pytest.mark.parametrize(("field", "said"), DEMO_FIELDS)
def test_a_field_that_is_missing_is_taken_from_the_config(demo: Path, field: str, said: str) -> None:
    whole = shown(load_lvlm(str(demo), "cpu"))
    change(demo, lambda settings: settings.pop(field))
    model, told = opened(demo)
    assert told == [f"{demo}: processor_config.json does not fit config.json, which is followed: {said}"]
    assert shown(model) == whole


def test_the_layout_of_an_older_transformers(demo: Path) -> None:
    """One preprocessor_config.json, and nothing of what the processor counts."""
    whole = shown(load_lvlm(str(demo), "cpu"))
    settings = json.loads((demo / "processor_config.json").read_text("utf-8"))
    (demo / "processor_config.json").unlink()
    images = {**settings["image_processor"], "processor_class": "LlavaProcessor"}
    (demo / "preprocessor_config.json").write_text(json.dumps(images), "utf-8")
    model, (told,) = opened(demo)
    assert all(said in told for _, said in DEMO_FIELDS) and shown(model) == whole


def test_what_contradicts_the_config_is_said_too(demo: Path) -> None:
    change(demo, lambda settings: settings.update(patch_size=14, vision_feature_select_strategy="full"))
    model, (told,) = opened(demo)
    assert "patch_size = 8 (not 14), vision_feature_select_strategy = 'default' (not 'full')" in told
    assert len(shown(model)) == 100


def test_what_does_not_follow_is_named_with_its_file(demo: Path) -> None:
    from transformers import LlavaConfig

    model = load_lvlm(str(demo), "cpu")
    config: Any = LlavaConfig(**{**json.loads((demo / "config.json").read_text("utf-8")), "image_token_index": 4})
    processor: Any = model.processor
    config.vision_config.patch_size = [8, 4]
    processor.patch_size = None
    with pytest.raises(BadInput, match=r"^name: patch_size is missing in processor_config.json, and does not follow"):
        complete_processor("m", config, processor)


def test_the_image_token_is_the_models(demo: Path) -> None:
    processor: Any = load_lvlm(str(demo), "cpu").processor
    word = processor.tokenizer.convert_ids_to_tokens(4)
    assert word == "<image>"
    config = json.loads((demo / "config.json").read_text("utf-8"))
    assert config["image_token_index"] == 4
    change(demo, lambda settings: settings.update(image_token_index=10_000), "config.json")
    with pytest.raises(BadInput, match=r"image_token is '<image>' in processor_config.json, and the tokenizer has no"):
        load_lvlm(str(demo), "cpu")
    change(demo, lambda settings: settings.update(image_token_index=9), "config.json")
    with pytest.raises(BadInput, match=r"image_token is '.+' by config.json, but the chat template writes '<image>'"):
        load_lvlm(str(demo), "cpu")


@pytest.mark.parametrize("field", ["size", "crop_size"])
def test_views_of_another_size_than_the_towers_are_told_at_once(demo: Path, field: str) -> None:
    def edit(settings: Json) -> None:
        settings["do_center_crop"] = field == "crop_size"
        settings.pop(field)

    change_images(demo, edit)
    with pytest.raises(BadInput, match=rf"^name: {field} is 224 in preprocessor_config.json, and image_size 80 in"):
        load_lvlm(str(demo), "cpu")


# ----------------------------------------------------------------------------------------------- other families


def vipllava() -> tuple[Any, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaProcessor, VipLlavaConfig
    from transformers import VipLlavaForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaProcessor, image_token="<image>")
    config = VipLlavaConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=SIDE, patch_size=8),
        text_config=text_config(LlamaConfig, tokenizer),
        **{"vision_feature_layers": [-1], **image_token_index(tokenizer)},
    )
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SQUARE)
    return model_of(Model, config), LlavaProcessor(images, tokenizer, chat_template=chat_template("<image>"))


def siglip_llava() -> tuple[Any, Any]:
    from transformers import LlamaConfig, LlavaConfig, LlavaProcessor, SiglipImageProcessor, SiglipVisionConfig
    from transformers import LlavaForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaProcessor, image_token="<image>")
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(**VISION, image_size=SIDE, patch_size=8, vision_use_head=False),
        text_config=text_config(LlamaConfig, tokenizer),
        vision_feature_select_strategy="full",
        **image_token_index(tokenizer),
    )
    images = SiglipImageProcessor(size=SQUARE)
    return model_of(Model, config), LlavaProcessor(images, tokenizer, chat_template=chat_template("<image>"))


def video_llava() -> tuple[Any, Any]:
    import transformers
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        VideoLlavaConfig,
        VideoLlavaProcessor,
        VideoLlavaVideoProcessor,
    )
    from transformers import VideoLlavaForConditionalGeneration as Model

    tokenizer = tokenizer_for(VideoLlavaProcessor, image_token="<image>", video_token="<video>")
    config = VideoLlavaConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=SIDE, patch_size=8),
        text_config=text_config(LlamaConfig, tokenizer),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        **image_token_index(tokenizer),
    )
    size: Any = {"shortest_edge": SIDE}
    kind = "CLIPImageProcessor" if transformers.__version__ >= "5" else "VideoLlavaImageProcessor"
    images = getattr(transformers, kind)(size=size, crop_size=SQUARE)
    videos = VideoLlavaVideoProcessor(size=size, crop_size=SQUARE)
    return model_of(Model, config), VideoLlavaProcessor(
        images, videos, tokenizer, chat_template=chat_template("<image>")
    )


BARE = {"vipllava": vipllava, "siglip_llava": siglip_llava, "video_llava": video_llava}
"""Models whose processors were told nothing."""


@pytest.mark.parametrize("family", BARE)
def test_a_processor_that_was_told_nothing_counts_as_the_model_does(family: str) -> None:
    module, processor = BARE[family]()
    with pytest.warns(ApiGraphWarning, match=r"patch_size = 8 \((missing|not 14)\)"):
        complete_processor("m", module.config, processor)
    inputs = processor(text=[prompt(processor, "What?")], images=[picture()], return_tensors="pt")
    assert int((inputs["input_ids"] == module.config.image_token_id).sum()) == 36  # (48 / 8)²
    module.generate(**inputs, max_new_tokens=1, do_sample=False)  # which checks the count itself


COUNTS = {
    "llava_next": ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"),
    "llava_onevision": ("num_image_tokens", "vision_aspect_ratio", "vision_feature_select_strategy"),
    "internvl": ("image_seq_length",),
    "mistral3": ("patch_size", "spatial_merge_size"),
    "aya_vision": ("patch_size", "img_size"),
    "idefics3": ("image_seq_len",),
    "smolvlm": ("image_seq_len",),
}


@pytest.fixture
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    module, processor = FAMILIES[request.param]()
    with quiet():
        module.save_pretrained(tmp_path)
        processor.save_pretrained(tmp_path)
    yield tmp_path, request.param


@pytest.mark.parametrize("saved", COUNTS, indirect=True)
def test_what_other_families_count(saved: tuple[Path, str]) -> None:
    folder, family = saved
    model, told = opened(folder)
    assert told == []
    whole = shown(model)
    change(folder, lambda settings: [settings.pop(field) for field in COUNTS[family]])
    model, (told,) = opened(folder)
    assert all(field in told for field in COUNTS[family])
    assert shown(model) == whole


@pytest.mark.parametrize("saved", ["qwen3_vl", "qwen3_5"], indirect=True)
def test_the_patches_of_an_image_processor(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    whole = shown(load_lvlm(str(folder), "cpu"))
    change_images(folder, lambda settings: settings.pop("patch_size"))
    model, (told,) = opened(folder)
    assert "patch_size = 16 (not 14)" in told and shown(model) == whole


@pytest.mark.parametrize("saved", ["gemma3"], indirect=True)
def test_a_count_that_cannot_be_set_later_is_named(saved: tuple[Path, str]) -> None:
    change(saved[0], lambda settings: settings.pop("image_seq_length"))
    with pytest.raises(BadInput, match=r"image_seq_length is 256 in processor_config.json, and mm_tokens_per_image 9"):
        load_lvlm(str(saved[0]), "cpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_processor_is_left_as_it_is(family: str) -> None:
    module, processor = FAMILIES[family]()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApiGraphWarning)
        complete_processor("m", module.config, processor)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_the_cases(demo: Path) -> None:
    whole = shown(load_lvlm(str(demo), "cpu"))
    for case in sorted(CASES.glob("*.json")):
        shutil.copy(case, demo / "processor_config.json")
        model, told = opened(demo)
        assert told and shown(model) == whole
