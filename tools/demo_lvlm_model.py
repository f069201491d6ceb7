"""The demo LVLM itself: a LLaVA whose vision tower is the demo CLIP's, and the folder that transformers loads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIZE, PATCH = 80, 8
IMAGE_TOKENS = (SIZE // PATCH) ** 2
FEATURE_LAYER = -2
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
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
    ids = {name: tokenizer.convert_tokens_to_ids(f"<{name}>") for name in ("pad", "s", "/s", "image")}
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
        pad_token_id=ids["pad"],
        bos_token_id=ids["s"],
        eos_token_id=ids["/s"],
        tie_word_embeddings=False,
    )
    config = LlavaConfig(
        vision_config=tower.config,
        text_config=text,
        image_token_index=ids["image"],
        vision_feature_layer=FEATURE_LAYER,
        vision_feature_select_strategy="default",
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=False,
    )
    model: Any = LlavaForConditionalGeneration(config)  # Any: PyTorch does not type its submodules
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.vision_tower.requires_grad_(False)
    model.generation_config = GenerationConfig(
        do_sample=False, pad_token_id=ids["pad"], bos_token_id=ids["s"], eos_token_id=ids["/s"]
    )
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
        extra_special_tokens={"image_token": "<image>"},
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Squash, so that the model sees all of a picture that is not square."""
    half = [0.5, 0.5, 0.5]
    images = CLIPImageProcessor(
        size={"height": SIZE, "width": SIZE}, do_center_crop=False, image_mean=half, image_std=half
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def save_folder(folder: Path, model: Any, processor: LlavaProcessor) -> None:
    """Write model and processor, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    # A copy: the model itself stays as it is, so that training can go on.
    weights = {name: tensor.detach().half() for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=weights)
    processor.save_pretrained(folder)
    edit_json(folder / "config.json", lambda config: config | {"dtype": "float16"})


def edit_json(path: Path, change) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8"))), indent=2) + "\n", "utf-8")
