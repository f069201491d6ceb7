"""What reading an LVLM's attention costs, and steering it, over generating without either.

    python -m benchmarks.lvlm --repeats 15 --json result.json

A random LLaVA (they cost what trained ones cost): 12 layers of width 512, 8 heads, and a vision tower too small to
matter; 636 prompt tokens, 576 of them the image's; 20 new tokens. The variants run in turn, so that the machine is the
same for all; medians of `time.process_time` (seconds of all threads), and of the ratios to plain SDPA.

* sdpa: plain `generate`, greedy; the baseline.
* sdpa + capture: the same, with one layer's rows kept, as `lvlm_attribution` does.
* sdpa + steering: boost_suppress of a box at its default in all layers and heads, `rows="last"`.
* sdpa + steering, all rows: the same for every row of the prompt, too.
* sdpa + capture + steering: one layer's steered rows kept.
* eager: transformers' own attention, whose maps are thrown away.
* eager + output_attentions: what one would write without this project; it keeps every layer's every map.

Kept: bytes of the rows, or maps, that are still in memory when the answer is complete. All variants that do not steer
must generate the same tokens.

A second table has several questions about one image in a batch, as POPE (6) and MME (2) ask: their prefix run once,
against every prompt run whole, in turn; by the demo LVLM, its processor included, and by the random LLaVA.

A third table has what one forward over prompts of three lengths makes: the bytes of all tensors that steering adds to
plain, and the largest tensor of it. With `rows="last"` both must grow as the prompt does, not as its square.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, Request, Sampling, generate, load_lvlm
from api_graph.lvlm.capture import capture
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.layout import TokenLayout, View
from api_graph.lvlm.prefix import with_prefix_run
from api_graph.lvlm.prompt import Prompt
from api_graph.lvlm.steer import Rows, Steering, steered
from api_graph.lvlm.vision import nothing_shared
from api_graph.settings import shipped_graphs

IMAGE_TOKENS, TEXT_TOKENS, NEW_TOKENS = 576, 60, 20
LAYER = 6
IMAGE_TOKEN = 4000


@dataclass(frozen=True)
class Shape:
    """Of a random LLaVA: layers, width, MLP width, heads and words of its decoder, and the same of its vision tower."""

    text: tuple[int, int, int, int, int] = (12, 512, 1376, 8, 4096)
    vision: tuple[int, int, int, int] = (2, 32, 32, 2)


def build(
    side: int = 24, shape: Shape = Shape(), device: str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[LvlmModel, dict[str, Tensor]]:
    """The model, made on its device, and a prompt: half of the text, an image of side × side tokens, the other half."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    layers, width, mlp, heads, words = shape.text
    text = LlamaConfig(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        vocab_size=words,
        tie_word_embeddings=False,
    )
    layers, width, mlp, heads = shape.vision
    vision = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=14 * side,
        patch_size=14,
    )
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE_TOKEN, tie_word_embeddings=False
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model: Any = LlavaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = None
    ids = torch.randint(3, IMAGE_TOKEN, (1, TEXT_TOKENS))
    image = torch.full((1, side * side), IMAGE_TOKEN)
    prompt = torch.cat([ids[:, : TEXT_TOKENS // 2], image, ids[:, TEXT_TOKENS // 2 :]], dim=1)
    inputs = {
        "input_ids": prompt,
        "attention_mask": torch.ones_like(prompt),
        "pixel_values": torch.randn(1, 3, 14 * side, 14 * side),
    }
    inputs = {name: one.to(device, dtype if one.is_floating_point() else None) for name, one in inputs.items()}
    return LvlmModel.from_transformers(model, name="random LLaVA"), inputs


def steering(model: LvlmModel, inputs: dict[str, Tensor], rows: Rows = "last") -> AbstractContextManager[None]:
    """A box over a quarter of each prompt's image, at the default."""
    columns = (inputs["input_ids"][0] == IMAGE_TOKEN).nonzero().flatten()
    count = len(inputs["input_ids"])
    side = math.isqrt(len(columns))
    whole = Geometry.whole(14 * side, 14 * side)
    layout = TokenLayout((14 * side, 14 * side), (View(columns, (side, side), whole),))
    way = Steering.of([[0, 0, 7 * side, 7 * side]], rows=rows)
    return steered(model, [[layout]] * count, [way] * count, inputs["input_ids"].shape[1])


def variants(model: LvlmModel, inputs: dict[str, Tensor]) -> dict[str, Callable[[], tuple[list[int], int]]]:
    """Name -> a run that gives the tokens and how many bytes of attention are kept."""
    module: Any = model.module
    columns = (inputs["input_ids"][0] == IMAGE_TOKEN).nonzero().flatten()
    sampling = Sampling(max_tokens=NEW_TOKENS)

    def plain() -> tuple[list[int], int]:
        return generate_ids(model, inputs, sampling)[0], 0

    def captured() -> tuple[list[int], int]:
        with capture(model, [LAYER], [columns]) as kept:
            tokens = generate_ids(model, inputs, sampling)[0]
        return tokens, kept.rows(LAYER).nbytes

    def pointed(rows: Rows = "last") -> tuple[list[int], int]:
        with steering(model, inputs, rows):
            return generate_ids(model, inputs, sampling)[0], 0

    def both() -> tuple[list[int], int]:
        with steering(model, inputs):
            return captured()

    def eager(**more: Any) -> tuple[list[int], int]:
        module.set_attn_implementation("eager")
        try:
            found = module.generate(
                **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, return_dict_in_generate=True, **more
            )
        finally:
            module.set_attn_implementation("sdpa")
        maps = [one for step in found.get("attentions") or () for one in step]
        return found.sequences[0, -NEW_TOKENS:].tolist(), sum(one.nbytes for one in maps)

    return {
        "sdpa": plain,
        "sdpa + capture": captured,
        "sdpa + steering": pointed,
        "sdpa + steering, all rows": lambda: pointed("all"),
        "sdpa + capture + steering": both,
        "eager": eager,
        "eager + output_attentions": lambda: eager(output_attentions=True),
    }


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Per variant: CPU milliseconds, the ratio to plain SDPA, and MiB kept."""
    model, inputs = build()
    runs = variants(model, inputs)
    outputs = {name: run() for name, run in runs.items()}
    plain = [tuple(tokens) for name, (tokens, _) in outputs.items() if "steering" not in name]
    assert len(set(plain)) == 1, "the variants disagree on the tokens"
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {
        name: {
            "ms": 1000 * median(taken),
            "ratio": median(own / plain for own, plain in zip(taken, seconds["sdpa"], strict=True)),
            "kept MiB": outputs[name][1] / 2**20,
        }
        for name, taken in seconds.items()
    }


def asked(model: LvlmModel, inputs: dict[str, Tensor], questions: int) -> Prompt:
    """As many prompts as questions, which differ in the words behind the image alone; the last is padded by 5."""
    rows = {name: value.repeat_interleave(questions, 0) for name, value in inputs.items()}
    rows["input_ids"][:, -TEXT_TOKENS // 4 :] = torch.randint(3, IMAGE_TOKEN, (questions, TEXT_TOKENS // 4))
    for name, value in rows.items():
        if name != "pixel_values":
            value[-1] = torch.cat([value.new_zeros(5), value[-1, :-5]])
    return Prompt(rows, [[(336, 336)]] * questions)


def shared(repeats: int) -> dict[str, dict[str, float]]:
    """Per batch of questions about one image: CPU milliseconds with a shared prefix and without, and their ratio."""
    model, inputs = build()
    demo = load_lvlm("demo", "cpu")
    picture = Image.open(shipped_graphs() / "api_graph_example.png").convert("RGB")
    colours = ("red", "green", "blue", "yellow", "purple", "orange")
    requests = [Request(f"Is there a {colour} ring in the picture?", (picture,)) for colour in colours]

    def run(prompt: Prompt, tokens: int) -> list[list[int]]:
        found = with_prefix_run(model, prompt, [None] * len(prompt.sizes), tokens)
        return generate_ids(model, found.tensors, Sampling(max_tokens=tokens), cache=found.cache)

    runs: dict[str, Callable[[], object]] = {
        f"demo LVLM, {count} questions": functools.partial(_texts, demo, requests[:count]) for count in (2, 6)
    }
    for count, tokens in ((2, 2), (6, 2), (6, NEW_TOKENS)):
        name = f"random LLaVA, {count} questions, {tokens} tokens"
        runs[name] = functools.partial(run, asked(model, inputs, count), tokens)
    found: dict[str, dict[str, float]] = {}
    for name, one in runs.items():
        with nothing_shared():
            alone = one()
        assert one() == alone, "a shared prefix changes the answers"
        times = [_both(one) for _ in range(repeats)]
        found[name] = {
            "shared ms": 1000 * median(own for own, _ in times),
            "whole ms": 1000 * median(whole for _, whole in times),
            "ratio": median(own / whole for own, whole in times),
        }
    return found


def _texts(model: LvlmModel, requests: list[Request]) -> list[str]:
    return [answer.text for answer in generate(model, requests, Sampling(max_tokens=6))]


def _both(run: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of a run that shares, and of one that does not."""
    taken: list[float] = []
    for context in (nullcontext(), nothing_shared()):
        start = time.process_time()
        with context:
            run()
        taken.append(time.process_time() - start)
    return taken[0], taken[1]


class Made(TorchDispatchMode):
    """Counts what is made inside: bytes of all new tensors, and of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {one.untyped_storage().data_ptr() for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, Tensor) and one.untyped_storage().data_ptr() not in given:  # a view is nothing new
                self.total += one.untyped_storage().nbytes()
                self.largest = max(self.largest, one.untyped_storage().nbytes())
        return result


def memory() -> list[dict[str, float]]:
    """Per length of the prompt: MiB that steering adds to a forward, and the largest tensor, by the rows steered."""
    found: list[dict[str, float]] = []
    for side in (12, 24, 48):
        model, inputs = build(side)
        made = {}
        for name in ("plain", "last", "all"):
            context = nullcontext() if name == "plain" else steering(model, inputs, cast("Rows", name))
            with torch.inference_mode(), context, Made() as made[name]:
                model.module(**inputs)
        row: dict[str, float] = {"tokens": inputs["input_ids"].shape[1]}
        for name in ("last", "all"):
            row[f"{name}: added MiB"] = (made[name].total - made["plain"].total) / 2**20
        found.append(row | {f"{name}: largest MiB": made[name].largest / 2**20 for name in made})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = measure(arguments.repeats)
    print("| | ms | × | kept, MiB |\n|---|---|---|---|")
    for name, figures in results.items():
        print(f"| {name} | {figures['ms']:.0f} | {figures['ratio']:.3f} | {figures['kept MiB']:.2f} |")
    prefixes = shared(arguments.repeats)
    print("\n| | shared, ms | whole, ms | × |\n|---|---|---|---|")
    for name, row in prefixes.items():
        print(f"| {name} | {row['shared ms']:.0f} | {row['whole ms']:.0f} | {row['ratio']:.3f} |")
    lengths = memory()
    print(f"\n| {' | '.join(lengths[0])} |\n|{'---|' * len(lengths[0])}")
    for row in lengths:
        print(f"| {' | '.join(f'{value:.4g}' for value in row.values())} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cost": results, "prefix": prefixes, "memory": lengths}, indent=1))


if __name__ == "__main__":
    main()
