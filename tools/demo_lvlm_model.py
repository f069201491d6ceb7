"""The demo LVLM itself: a LLaVA whose vision tower is the demo CLIP's, and the folder that transformers loads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

SIZE, PATCH = 80, 8
IMAGE_TOKENS = (SIZE // PATCH) ** 2
FEATURE_LAYER = -2
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
"""Their ids are their places."""
IMAGE_ID = SPECIAL.index("<image>")
ENDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {% elif message['role'] == 'assistant' %}ASSISTANT: {% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }} {% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }} {% endfor %}"
    "{% endif %}"
    "{% if message['role'] == 'assistant' %}</s>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


TOKENIZER_CONFIG = {
    # The name that every release of transformers knows; newer ones save another.
    "tokenizer_class": "PreTrainedTokenizerFast",
    "processor_class": "LlavaProcessor",
    "model_max_length": 2048,
    "padding_side": "left",
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "clean_up_tokenization_spaces": False,
    "model_input_names": ["input_ids", "attention_mask"],
}
IMAGE_PROCESSOR = {
    # Squash, so that the model sees all of a picture that is not square.
    "do_resize": True,
    "size": {"height": SIZE, "width": SIZE},
    "resample": 3,
    "do_center_crop": False,
    "crop_size": {"height": SIZE, "width": SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_convert_rgb": True,
}
PROCESSOR = {
    "processor_class": "LlavaProcessor",
    "image_token": "<image>",
    "num_additional_image_tokens": 1,
    "patch_size": PATCH,
    "vision_feature_select_strategy": "default",
}


def vision_tower(visual: Any) -> CLIPVisionModel:
    """open_clip's VisionTransformer as a CLIPVisionModel with the same outputs."""
    blocks = visual.transformer.resblocks
    config = CLIPVisionConfig(
        hidden_size=visual.conv1.out_channels,
        intermediate_size=blocks[0].mlp.c_fc.out_features,
        num_hidden_layers=len(blocks),
        num_attention_heads=blocks[0].attn.num_heads,
        image_size=SIZE,
        patch_size=PATCH,
        hidden_act="gelu",
    )
    tower = CLIPVisionModel(config).eval()
    # transformers 4 has one module more around all of them.
    prefix = "vision_model." if hasattr(tower, "vision_model") else ""
    source = visual.state_dict()
    tower.load_state_dict({prefix + name: tensor for name, tensor in _renamed(source, len(blocks))})
    return tower


def _renamed(source: dict[str, Tensor], layers: int) -> Iterable[tuple[str, Tensor]]:
    yield "embeddings.class_embedding", source["class_embedding"]
    yield "embeddings.patch_embedding.weight", source["conv1.weight"]
    yield "embeddings.position_embedding.weight", source["positional_embedding"]
    # transformers' own spelling of the first one.
    for theirs, ours in (("pre_layrnorm", "ln_pre"), ("post_layernorm", "ln_post")):
        yield from ((f"{theirs}.{part}", source[f"{ours}.{part}"]) for part in ("weight", "bias"))
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names["self_attn.out_proj"] = "attn.out_proj"
    for i in range(layers):
        theirs, ours = f"encoder.layers.{i}", f"transformer.resblocks.{i}"
        for part in ("weight", "bias"):
            yield from ((f"{theirs}.{a}.{part}", source[f"{ours}.{b}.{part}"]) for a, b in names.items())
            stacked = source[f"{ours}.attn.in_proj_{part}"].chunk(3)
            for name, tensor in zip("qkv", stacked, strict=True):
                yield f"{theirs}.self_attn.{name}_proj.{part}", tensor


def new_model(tower: CLIPVisionModel, tokenizer: PreTrainedTokenizerFast, layers: int, heads: int) -> Any:
    """A fresh LLaVA around a tower that stays as it is."""
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        # Llama's 0.02 is made for models far wider than this one.
        initializer_range=0.06,
        tie_word_embeddings=False,
        **ENDS,
    )
    config = LlavaConfig(
        vision_config=tower.config,
        text_config=text,
        image_token_index=IMAGE_ID,
        vision_feature_layer=FEATURE_LAYER,
        vision_feature_select_strategy="default",
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=False,
    )
    model: Any = LlavaForConditionalGeneration(config)  # Any: PyTorch does not type its submodules
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.vision_tower.requires_grad_(False)
    model.generation_config = GenerationConfig(do_sample=False, **ENDS)
    return model


@torch.no_grad()
def start_projector(projector: Any, features: Tensor) -> None:
    """Weights that take features (N, D) like these to unit variance, whatever their scale."""
    mean, deviation = features.mean(dim=0), features.std(dim=0) + 1e-3
    for linear in (projector.linear_1, projector.linear_2):
        nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))
        nn.init.zeros_(linear.bias)
    projector.linear_1.weight.div_(deviation)
    projector.linear_1.bias.copy_(-projector.linear_1.weight @ mean)


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """One token a word, letter case aside, for all the words of `texts`; other words are <unk>."""
    pieces = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    words = sorted({word for text in texts for word, _ in pieces.pre_tokenize_str(text.lower())})
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate((*SPECIAL, *words))}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pieces
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens(list(SPECIAL))
    # The answers of the evaluate prompt keep their case.
    tokenizer.add_tokens([AddedToken(letter, single_word=True, normalized=False) for letter in "TF"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", SPECIAL.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def save_folder(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write what `AutoModelForImageTextToText` and `AutoProcessor` load, in the form of published LLaVAs.

    By hand, since what transformers 5 writes, transformers 4 does not read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {_published(name): tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    contents = {
        "tokenizer_config.json": TOKENIZER_CONFIG,
        "preprocessor_config.json": IMAGE_PROCESSOR | {"image_processor_type": "CLIPImageProcessorFast"},
        "processor_config.json": PROCESSOR
        | {"image_processor": IMAGE_PROCESSOR | {"image_processor_type": "CLIPImageProcessor"}},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _published(name: str) -> str:
    """The name that a weight has in published LLaVAs, whatever this release of transformers calls it."""
    name = name.removeprefix("model.")
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    tower, text = "vision_tower.", "language_model."
    if name.startswith(tower) and not name.startswith(tower + "vision_model."):
        return f"{tower}vision_model.{name.removeprefix(tower)}"
    return f"{text}model.{name.removeprefix(text)}" if name.startswith(text) else name
