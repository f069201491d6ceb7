"""The tiny models of the LVLM tests are like real ones: folders load, images matter, attention is uneven."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.lvlm.families import FAMILIES, prompt

torch.set_num_threads(1)

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


def asked(processor: Any, colour: str) -> dict[str, Any]:
    picture = Image.linear_gradient("L").resize((150, 90)).convert("RGB")
    picture.paste(colour, (20, 10, 70, 60))
    inputs = processor(images=[[picture]], text=[prompt(processor, "What is it?")], return_tensors="pt")
    return {name: value for name, value in inputs.items() if name != "labels"}


@pytest.mark.parametrize("build", FAMILIES.values(), ids=FAMILIES)
def test_a_folder_holds_all_of_it(build: Callable[[], Any], tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    inputs, reread = asked(processor, "red"), asked(AutoProcessor.from_pretrained(tmp_path), "red")
    assert model.config.model_type == ("llava" if build.__name__ == "pixtral" else build.__name__)
    assert torch.equal(inputs["input_ids"], reread["input_ids"])
    # In some releases a reread processor resizes with torch where the first did with PIL.
    assert (inputs["pixel_values"] - reread["pixel_values"]).abs().mean() <= 0.02
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, again(**inputs).logits)


@pytest.mark.parametrize("build", FAMILIES.values(), ids=FAMILIES)
def test_images_matter_and_attention_is_uneven(build: Callable[[], Any]) -> None:
    model, processor = build()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        red, blue = (model(**asked(processor, colour), output_attentions=True) for colour in ("red", "blue"))
    assert (red.logits[0, -1] - blue.logits[0, -1]).abs().max() > 1e-3
    for layer in red.attentions:
        last = layer[0, :, -1]  # (H, S): a prompt's last query
        entropy = -(last * last.clamp(min=1e-12).log()).sum(-1)
        assert entropy.mean() < 0.95 * math.log(last.shape[-1])
