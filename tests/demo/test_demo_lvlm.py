"""The LVLM that comes with the package: loads offline, sees as the demo CLIP sees, and answers about its scenes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image

import api_graph.demo
from api_graph.bench.answers import is_right
from api_graph.bench.scenes.answering import attention_maps, points_at_target
from api_graph.demo.questions import AskedScene, asked_scenes
from api_graph.demo.scenes import TEST_SEEDS
from api_graph.lvlm import load_lvlm

DEMO = Path(api_graph.demo.__file__).parent
FOLDER = DEMO / "lvlm"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the demo model must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    """Model and processor, by transformers alone; a warning would be an error."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(FOLDER, dtype=torch.float32)
    return model.eval(), AutoProcessor.from_pretrained(FOLDER)


def say(loaded: tuple[Any, Any], conversations: list[tuple[str, list[Image.Image]]], system: str = "") -> list[str]:
    """Greedy answers to texts and their images."""
    model, processor = loaded
    turns = [
        [{"role": "system", "content": system}] * bool(system)
        + [{"role": "user", "content": [*[{"type": "image"}] * len(images), {"type": "text", "text": text}]}]
        for text, images in conversations
    ]
    texts = [processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns]
    inputs = processor(images=[images for _, images in conversations], text=texts, padding=True, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=20)[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in processor.batch_decode(ids, skip_special_tokens=True)]


def share_right(loaded: tuple[Any, Any], asked: list[AskedScene], template: str = "{}") -> float:
    answers = say(loaded, [(template.format(a.question.text), [a.scene.image]) for a in asked])
    return sum(is_right(said, a.question.answer) for said, a in zip(answers, asked, strict=True)) / len(asked)


def test_the_folder_is_small_and_holds_no_pickle() -> None:
    files = list(FOLDER.iterdir())
    assert sum(file.stat().st_size for file in files) < 6_000_000
    assert {file.suffix for file in files} <= {".json", ".safetensors", ".jinja", ".md"}


def test_the_vision_tower_is_the_demo_clips(loaded: tuple[Any, Any]) -> None:
    clip: Any = open_clip.create_model(f"local-dir:{DEMO / 'clip'}").eval()
    states: list[torch.Tensor] = []
    for block in clip.visual.transformer.resblocks:
        block.register_forward_hook(lambda module, inputs, output: states.append(output))
    pixels = torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        clip.visual(pixels)
        hidden = loaded[0].model.vision_tower(pixels, output_hidden_states=True).hidden_states[1:]
    assert len(hidden) == len(states) == 4
    for ours, theirs in zip(hidden, states, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_the_processor_shows_what_the_demo_clip_is_shown(loaded: tuple[Any, Any]) -> None:
    image = asked_scenes(TEST_SEEDS, "colour", 1)[0].scene.image.resize((240, 160))
    preprocess: Any
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{DEMO / 'clip'}")
    pixels = loaded[1](images=[image], text=["<image>"], return_tensors="pt")["pixel_values"]
    # Two libraries resize: they round differently, by less than three 255ths.
    torch.testing.assert_close(pixels[0], preprocess(image), atol=0.025, rtol=0)


@pytest.mark.parametrize(("kind", "floor"), [("colour", 0.8), ("shape", 0.9), ("exists", 0.7)])
def test_it_answers_about_held_out_scenes(loaded: tuple[Any, Any], kind: str, floor: float) -> None:
    assert share_right(loaded, asked_scenes(TEST_SEEDS, kind, 50)) >= floor


@pytest.mark.parametrize(
    "template",
    [
        "{} Answer the question using a single word or phrase.",
        "{} Let's think step by step.",
        "{} (Hint: The answer is related to the unmasked visible regions).",
        'For the Question "{}", Your previous answer is "no". Evaluate the quality of the answer and provide a new '
        "answer.",
    ],
)
def test_the_strategies_prompts_get_answers(loaded: tuple[Any, Any], template: str) -> None:
    assert share_right(loaded, asked_scenes(TEST_SEEDS, "shape", 25), template) >= 0.8


def test_two_images_and_a_system_prompt(loaded: tuple[Any, Any]) -> None:
    asked = asked_scenes(TEST_SEEDS, "shape", 25)
    answers = say(loaded, [(a.question.text, [a.scene.image] * 2) for a in asked], "You are a helpful assistant.")
    assert sum(is_right(said, a.question.answer) for said, a in zip(answers, asked, strict=True)) >= 20


def test_without_the_picture_it_knows_nothing(loaded: tuple[Any, Any]) -> None:
    asked = asked_scenes(TEST_SEEDS, "shape", 25)
    answers = say(loaded, [(a.question.text, [Image.new("RGB", (160, 160), "grey")]) for a in asked])
    assert sum(is_right(said, a.question.answer) for said, a in zip(answers, asked, strict=True)) <= 8


def test_the_words_of_the_strategies_are_known_and_others_do_no_harm(loaded: tuple[Any, Any]) -> None:
    tokenizer = loaded[1].tokenizer
    prompts = (
        "Let's think step by step. (Hint: The answer is related to the unmasked visible regions). For this image, "
        'the question is "". Evaluate whether the unmasked visible regions of the image alone can provide an answer '
        'to the question. If they suffice to answer the question, respond with letter "T". If they do not support an '
        'answer to the question, reply with the letter "F". Please answer yes or no'
    )
    assert tokenizer.unk_token_id not in tokenizer(prompts).input_ids
    assert tokenizer.unk_token_id in tokenizer("Zürich, 東京!").input_ids
    assert say(loaded, [("Zürich, 東京?", [Image.new("RGB", (90, 200), "red")])]) != [""]


def test_its_attention_points_at_what_it_is_asked_about() -> None:
    model = load_lvlm("demo", device="cpu")
    assert model.default_layer == json.loads((FOLDER / "config.json").read_text("utf-8"))["attribution_layer"]
    asked = asked_scenes(TEST_SEEDS, "shape", 50)
    assert sum(points_at_target(attention_maps(model, asked), asked)) >= 42
