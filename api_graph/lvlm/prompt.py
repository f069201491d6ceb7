"""From requests to the tensors that a model takes: chat template, images, padding."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from api_graph.errors import ApiGraphError, BadInput
from api_graph.lvlm.layout import Size
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.protocols import Cache, ModelInputs, Processor
from api_graph.lvlm.quiet import quiet
from api_graph.lvlm.request import Request


@dataclass(frozen=True, eq=False)
class Prompt:
    """A left-padded batch: all tensors that the processor returned, and for each prompt its images' (width, height).

    `cache` is what the model has computed of its first columns already, as `lvlm.prefix` makes it: for one run.
    """

    tensors: ModelInputs
    sizes: list[list[Size]]
    cache: Cache | None = None

    @property
    def input_ids(self) -> Tensor:
        """(B, S) int64."""
        return self.tensors["input_ids"]

    @property
    def length(self) -> int:
        """Tokens of each prompt, padding and images included."""
        return self.input_ids.shape[1]


def build_prompt(model: LvlmModel, requests: Sequence[Request]) -> Prompt:
    """The batch of `requests` on the model's device, pixels in its dtype.

    Raises BadInput for a model without a processor, a text that holds one of the model's control tokens, a system
    prompt that the model's chat template refuses, and whatever else the processor does not take.
    """
    processor = model.processor
    if processor is None:
        raise BadInput(
            "this model has no processor, so it cannot be asked in words",
            input="model",
            hint="Wrap it together with its processor, or give input_ids and pixel_values.",
        )
    control = _control_words(processor)
    for request in requests:
        _check_text(control, request.question, "question")
        _check_text(control, request.system, "system")
    texts = [_rendered(processor, request, model.name) for request in requests]
    images = [[image.convert("RGB") for image in request.images] for request in requests]
    tensors = _processed(processor, texts, images, model.name)
    return Prompt(on_device(model, tensors), [[image.size for image in request.images] for request in requests])


def on_device(model: LvlmModel, tensors: ModelInputs) -> ModelInputs:
    """Tensors where the model is; those of floats in its dtype. What is no tensor stays as it is."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        if isinstance(value, Tensor)
        else value
        for name, value in tensors.items()
    }


def arguments_of(model: LvlmModel, tensors: ModelInputs) -> ModelInputs:
    """Those of a processor's tensors that the model has an argument for; its `generate` refuses all others."""
    arguments = inspect.signature(model.module.forward).parameters
    return {name: value for name, value in tensors.items() if name in arguments}


def padded(name: str, batch: ModelInputs, length: int, padding: int) -> Tensor:
    """A batch's tensor of that name, padded on the left; where it has none, every token is real and of kind 0."""
    ids = batch["input_ids"]
    missing = torch.ones_like(ids) if name == "attention_mask" else torch.zeros_like(ids)
    fill = padding if name == "input_ids" else 0
    return F.pad(batch.get(name, missing), (length - ids.shape[1], 0), value=fill)


def padding_id(model: LvlmModel) -> int:
    """What stands where a prompt is padded; it is never read."""
    tokenizer = model.tokenizer
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id) if tokenizer is not None else ()
    return next((id for id in ids if id is not None), 0)


def image_token(processor: Processor) -> str:
    """What stands for one image in a text that this processor reads."""
    # Gemma 3 wants a mark before the image, after which it puts the image's tokens itself.
    words = (getattr(processor, name, None) for name in ("boi_token", "image_token"))
    return next((word for word in words if isinstance(word, str)), "<image>")


def _check_text(control: set[str], text: str, input: str) -> None:
    """Control tokens in a user's words would add images that are not there, or end the turn."""
    found = sorted(word for word in control if word in text)
    if found:
        raise BadInput(
            f"the text contains {found[0]!r}, which this model reads as a control token",
            input=input,
            value=text,
            hint="Leave it out, or write it with spaces in between.",
        )


def _control_words(processor: Processor) -> set[str]:
    special = {str(token) for token in processor.tokenizer.added_tokens_decoder.values() if token.special}
    named = {image_token(processor), getattr(processor, "image_token", None), getattr(processor, "video_token", None)}
    return (special | {word for word in named if isinstance(word, str)}) - {""}


def _rendered(processor: Processor, request: Request, name: str) -> str:
    """The request in the model's own words: its chat template, or without one image tokens and the question."""
    if not getattr(processor, "chat_template", None):
        text = f"{request.system}\n{request.question}" if request.system else request.question
        return image_token(processor) * len(request.images) + text
    user = [{"type": "image"} for _ in request.images] + [{"type": "text", "text": request.question}]
    messages = [{"role": "user", "content": user}]
    if request.system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": request.system}]})
    try:
        return processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program of the model's authors, which may raise anything
        raise BadInput(
            f"the chat template of {name} does not take this request: {error}",
            input="system" if request.system else "question",
            hint="Leave the system prompt empty." if request.system else "",
        ) from error


def _processed(
    processor: Processor, texts: Sequence[str], images: Sequence[Sequence[Image.Image]], name: str
) -> Mapping[str, Tensor]:
    tokenizer = processor.tokenizer
    if len(texts) > 1 and tokenizer.pad_token is None:
        raise BadInput(
            "prompts of different lengths need a padding token, and this tokenizer has none",
            input="model",
            hint="Set processor.tokenizer.pad_token (to its eos_token, for instance), or ask one at a time.",
        )
    bos = tokenizer.bos_token
    try:
        with quiet():
            output = processor(
                text=texts,
                images=images if any(images) else None,
                padding=len(texts) > 1,
                padding_side="left",
                # Templates of some families write the first token themselves.
                add_special_tokens=not (bos and all(text.startswith(bos) for text in texts)),
                return_tensors="pt",
            )
    except ApiGraphError:
        raise
    except (ValueError, TypeError, RuntimeError, IndexError, KeyError) as error:
        raise BadInput(f"the processor of {name} does not take this request: {error}", input="question") from error
    # PaliGemma's processor adds labels, as for training.
    tensors = {key: value for key, value in output.items() if value is not None and key != "labels"}
    if not bool(tensors.get("attention_mask", torch.ones(1, 1))[:, -1].all()):
        raise BadInput(
            f"the processor of {name} pads on the right, where answers begin",
            input="model",
            hint="Set processor.tokenizer.padding_side = 'left'.",
        )
    return tensors
