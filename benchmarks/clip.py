"""What attribution costs over the plain encode of the same model: FLOPs, CPU time, memory, a second query.

    python -m benchmarks.clip --models ViT-B-16 ViT-L-14 --repeats 7 --json result.json

Weights are random (they do not change the cost). "Plain" is open_clip's `encode_image` + `encode_text` of one
image and one query; "attribution" is `encode_image` + `encode_text` + Ψcls + Ψcomp of this project. Figures
are ratios.

* FLOPs: those that torch's counter sees, with the fused MultiheadAttention kernel switched off, which is
  opaque to it: the plain model's attention would be left out. `first` includes folding the output projections
  into the image head, once per model; in `full query` the query fills the context: nothing is saved on text.
* CPU time: `time.process_time` (seconds of all threads), the two in turn, median of the ratios.
* Memory: peak of what torch allocates (the profiler's events) over plain's; `with weights` adds the parameters.
* Second query: `encode_text` + both maps on a kept image, over open_clip's `encode_text`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from api_graph.clip.decompose import encode_image
from api_graph.clip.load import load_clip
from api_graph.clip.maps import psi_cls, psi_comp
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text

MODELS = ("ViT-B-16", "ViT-L-14", "ViT-L-14-336")
QUERY = "Is there a red bird on the left side of the image?"
LONG_QUERY = "a very long question " * 40


def measure(name: str, repeats: int) -> dict[str, float]:
    """All figures of one model."""
    model = load_clip(name, "random", device="cpu")
    assert model.tokenizer is not None
    pixels = torch.randn(1, 3, *model.preprocess.size)
    short, full = model.tokenizer([QUERY]), model.tokenizer([LONG_QUERY])
    network: Any = model.module

    def plain() -> None:
        network.encode_image(pixels)
        network.encode_text(short)

    def ours(ids: torch.Tensor = short) -> None:
        tokens, text = encode_image(model, pixel_values=pixels), encode_text(model, token_ids=ids)
        psi_cls(tokens, text)
        psi_comp(tokens, text)

    kept = encode_image(model, pixel_values=pixels)

    def second() -> None:
        text = encode_text(model, token_ids=short)
        psi_cls(kept, text)
        psi_comp(kept, text)

    fresh = ClipModel.from_open_clip(model.module)
    plain_flops, plain_peak, weights = flops(plain), peak_bytes(plain), parameter_bytes(network)
    ours_peak = peak_bytes(ours)
    return {
        "plain GFLOP": plain_flops / 1e9,
        "FLOPs": flops(ours) / plain_flops,
        "FLOPs, full query": flops(lambda: ours(full)) / plain_flops,
        "FLOPs, image alone": flops(lambda: encode_image(model, pixel_values=pixels))
        / flops(lambda: network.encode_image(pixels)),
        "FLOPs, image alone, first": flops(lambda: encode_image(fresh, pixel_values=pixels))
        / flops(lambda: network.encode_image(pixels)),
        "CPU time": time_ratio(ours, plain, repeats),
        "CPU time, image alone": time_ratio(
            lambda: encode_image(model, pixel_values=pixels), lambda: network.encode_image(pixels), repeats
        ),
        "plain peak MB": plain_peak / 1e6,
        "memory": ours_peak / plain_peak,
        "memory with weights": (ours_peak + weights) / (plain_peak + weights),
        "second query CPU time": time_ratio(second, lambda: network.encode_text(short), repeats),
    }


def flops(run: Callable[[], object]) -> int:
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops()


def time_ratio(ours: Callable[[], object], plain: Callable[[], object], repeats: int) -> float:
    """Median of ours / plain, measured in turn so that both meet the same machine."""

    def seconds(run: Callable[[], object]) -> float:
        start = time.process_time()
        run()
        return time.process_time() - start

    with torch.inference_mode():
        ours()
        plain()
        return median(seconds(ours) / seconds(plain) for _ in range(repeats))


def peak_bytes(run: Callable[[], object]) -> int:
    """Peak of the bytes torch's CPU allocator holds above where it was at the start."""
    with torch.inference_mode():
        run()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            run()
    results: Any = profiler.profiler.kineto_results  # type: ignore[union-attr]
    events = [e for e in results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def parameter_bytes(module: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {name: measure(name, arguments.repeats) for name in arguments.models}
    names = list(results)
    print("| |", " | ".join(names), "|")
    print("|---|" + "---|" * len(names))
    for figure in results[names[0]]:
        print(f"| {figure} |", " | ".join(f"{results[name][figure]:.3f}" for name in names), "|")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
