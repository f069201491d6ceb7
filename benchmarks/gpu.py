"""What an accelerator does: rates, and how near to them the methods come.

    python -m benchmarks.gpu --part clip [half ...] [--out gpu] [--device cuda] [--models ViT-L-14-336 ...]
    python -m benchmarks.gpu --part all --tiny --device cpu

Each part is meant to take less than three minutes on an H200. It writes `PART.json` into the folder as soon as it is
done; a table of all that lie there, and the bounds that they meet, come at the end. Weights are random, but for
`half`'s, and nothing is downloaded. `--tiny` is for a machine without an accelerator: small models and few repeats, to
see that every part runs; its figures say nothing, and meet no bounds.

* matmul: TFLOP/s of products of large square matrices, by precision. All that follows is beside the float16 one.
* clip: images/s of open_clip's `encode_image`, of Ψ (`encode_image` of this project, a query, Ψcls and Ψcomp), each at
  its best batch, and rows/s of the graph `api_clip` over 640×480 JPEG files with all its pictures written as JPEG.
* half: rank correlation (Spearman) of float16 and bfloat16 maps with float32's, of the models that came along.
* lvlm: tokens/s of a LLaVA of 7 billion weights made on the device: plain, with rows of a layer captured, and steered;
  and with the prefix of the batch's prompts, which show one picture, run once.
* memory: what encoding takes beside the weights, and what is still allocated after the models have been unloaded.
* profile: the operations that Ψ spends its time in.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from torch import Tensor

import api_graph
from api_graph.clip import load_clip
from api_graph.demo.scenes import scene
from api_graph.executor import Executor, ModelPool
from api_graph.executor.cache.entry import Entry
from api_graph.graph import set_inputs
from api_graph.lvlm import Sampling
from api_graph.lvlm.capture import capture
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.prefix import with_prefix_run
from api_graph.lvlm.prompt import Prompt
from api_graph.lvlm.vision import nothing_shared
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders
from benchmarks import lvlm
from benchmarks.clip import flops
from benchmarks.gpu_bounds import Figures, print_found
from benchmarks.gpu_setting import MODELS, Setting, encoders, random_lvlm
from benchmarks.host import SMALL, made_table

_AT_ONCE = 0.005
"""Seconds: rows that are less apart come from one chunk."""
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


# ------------------------------------------------------------------------------------------ parts


def matmul_rate(setting: Setting, dtype: torch.dtype) -> float:
    """Operations per second of a product of square matrices."""
    side = 64 if setting.tiny else 8192
    a, b = (torch.randn(side, side, device=setting.device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / setting.seconds(lambda: a @ b)


def matmul(setting: Setting) -> Figures:
    return {f"TFLOP/s {name}": matmul_rate(setting, dtype) / 1e12 for name, dtype in DTYPES.items()}


def clip(setting: Setting) -> Figures:
    rate = matmul_rate(setting, DTYPES[setting.half])
    found: Figures = {"TFLOP/s matmul": rate / 1e12}
    count = 24 if setting.tiny else 2000
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "rows")
        made_table(table, count, SMALL)
        for name in setting.names:
            each, operations = encode_rates(setting, name)
            setting.allocated()  # gives back
            plain, psi = (max(rates.values()) for rates in each.values())
            rows = graph_rate(setting, name, table, count)
            found[name] = {
                "plain images/s": plain,
                "psi images/s": psi,
                "psi / plain": psi / plain,
                "graph rows/s": rows,
                "graph / plain": rows / plain,
                "plain / matmul": plain * operations / rate,
                "images/s by batch": each,
            }
    return found


def encode_rates(setting: Setting, name: str) -> tuple[dict[str, dict[int, float]], int]:
    """Images/s of the plain encode and of Ψ, by batch, and the operations of the plain encode of one image."""
    model = setting.model(name)
    each: dict[str, dict[int, float]] = {"plain": {}, "psi": {}}
    with torch.inference_mode():
        for batch in (1, 2) if setting.tiny else (32, 64, 128, 256):
            for kind, run in zip(each, encoders(model, batch), strict=True):
                each[kind][batch] = batch / setting.seconds(run)
        return each, flops(encoders(model, 1)[0])


def graph_rate(setting: Setting, name: str, rows: Path, count: int) -> float:
    """Rows per second of the annotate graph over files, from its first quarter on: by then the model is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        results = api_graph.map_graph(
            "api_clip",
            rows / "many.jsonl",
            {"Load CLIP.model": name if name == "demo" else f"{name}/random"},
            device=setting.device,
            output=Path(folder, "out"),
            cache=False,
            image_format="jpeg",
            heatmap_format="jpeg",
        )
        times: list[float] = []
        for result in results:
            if result.error is not None:
                raise RuntimeError(result.error)
            times.append(time.perf_counter())
    return rate_after(times, times[count // 4])


def rate_after(times: Sequence[float], start: float) -> float:
    """Rows per second that came after a time at which some did: rows of one chunk come at once."""
    return sum(one > start + _AT_ONCE for one in times) / max(times[-1] - start, _AT_ONCE)


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's, the mean over maps (n, gh, gw)."""
    ranks = [maps.flatten(1).cpu().numpy().argsort(1).argsort(1) for maps in (one, other)]
    return mean(float(np.corrcoef(a, b)[0, 1]) for a, b in zip(*ranks, strict=True))


def half(setting: Setting) -> Figures:
    """Of the models that came along: their maps say something, unlike those of random weights."""
    scenes = [scene(seed, objects=(3, 5)) for seed in range(2 if setting.tiny else 50)]
    pictures, queries = [one.image for one in scenes], [one.objects[0].name for one in scenes]
    found: Figures = {}
    exact = api_graph.clip_attribution(pictures, queries, load_clip(device=setting.device, dtype="float32"))
    lvlms = {name: api_graph.load_lvlm(device=setting.device, dtype=name) for name in DTYPES}
    asked = list(zip(pictures[:20], queries[:20], strict=True))

    def looks(model: Any, answers: Sequence[str]) -> Tensor:
        given = zip(asked, answers, strict=True)
        maps = [api_graph.lvlm_attribution(*own, model, answer=answer).map.reshape(1, 1, -1) for own, answer in given]
        return torch.cat(maps)

    answers = [api_graph.ask(*own, lvlms["float32"]).text for own in asked]
    gaze = looks(lvlms["float32"], answers)
    for name in ("float16", "bfloat16"):
        own = api_graph.clip_attribution(pictures, queries, load_clip(device=setting.device, dtype=name))
        found[name] = {
            "CLIP, psi cls": rank_correlation(own.cls, exact.cls),
            "CLIP, psi comp": rank_correlation(own.comp, exact.comp),
            "LVLM": rank_correlation(looks(lvlms[name], answers), gaze),
        }
    return found


def lvlm_rates(setting: Setting) -> Figures:
    model, prompt = random_lvlm(setting)
    tokens, layer = 2 if setting.tiny else 64, model.layers * 5 // 8  # 20 of 32
    found: Figures = {"weights": sum(one.numel() for one in model.module.parameters())}
    for batch in (1, 2) if setting.tiny else (1, 16):
        inputs = {name: one.repeat(batch, *[1] * (one.ndim - 1)) for name, one in prompt.items()}
        columns = [(row == lvlm.IMAGE_TOKEN).nonzero().flatten() for row in inputs["input_ids"]]
        sampling = Sampling(max_tokens=tokens)

        def plain(inputs: Any = inputs, sampling: Sampling = sampling) -> None:
            with nothing_shared():  # the prompts are the same
                generate_ids(model, inputs, sampling)

        def shared(inputs: Any = inputs, sampling: Sampling = sampling, batch: int = batch) -> None:
            whole = Prompt(inputs, [[(336, 336)]] * batch)
            found = with_prefix_run(model, whole, [None] * batch, sampling.max_tokens)
            generate_ids(model, found.tensors, sampling, cache=found.cache)

        def captured(plain: Callable[[], None] = plain, columns: Any = columns) -> None:
            with capture(model, [layer], columns) as kept:
                plain()
            kept.rows(layer)

        def steered(plain: Callable[[], None] = plain, inputs: Any = inputs) -> None:
            with lvlm.steering(model, inputs):
                plain()

        runs = {"plain": plain, "captured": captured, "steered": steered, "shared": shared}
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(
            2 if setting.tiny else 6
        ):  # in turn, so that the device is as warm for all; the first is left out
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                setting.sync()
                taken[name].append(time.perf_counter() - began)
        rates = {name: batch * tokens / median(own[1:]) for name, own in taken.items()}
        found[f"batch {batch}"] = {
            **{f"{name} tokens/s": one for name, one in rates.items()},
            "captured / plain": rates["captured"] / rates["plain"],
            "steered / plain": rates["steered"] / rates["plain"],
            "shared / plain": rates["shared"] / rates["plain"],
        }
    return found


def memory(setting: Setting) -> Figures:
    uses = {
        "api_clip": lambda pool: run_graph(setting, "api_clip", pool),
        "api_lvlm": lambda pool: run_graph(setting, "api_lvlm", pool),
        "LLaVA": lambda pool: ask_random(setting, pool),
    }
    left = {f"{what}, unloaded": unloaded(setting, use) for what, use in uses.items()}
    return {setting.names[-1]: encoding_takes(setting), **left}


def encoding_takes(setting: Setting) -> Figures:
    """What the largest CLIP's weights take, and its encode beside them."""
    model, batch = setting.model(setting.names[-1]), 2 if setting.tiny else 32
    found: Figures = {"weights MiB": sum(one.nbytes for one in model.module.parameters()) / 2**20, "batch": batch}
    with torch.inference_mode():
        for kind, run in zip(("plain", "psi"), encoders(model, batch), strict=True):
            if (peak := setting.peak(run)) is not None:
                found[f"{kind} MiB"] = peak / 2**20
    return found


def run_graph(setting: Setting, name: str, pool: ModelPool) -> None:
    """Run a saved graph once, with a large CLIP where it has one."""
    graph = open_graph(name)
    loaders = {id: node.class_type for id, node in graph.nodes.items() if all_nodes()[node.class_type].model}
    literals: dict[str, Any] = {f"{id}.device": setting.device.partition(":")[0] for id in loaders}
    if not setting.tiny:
        literals |= {
            f"{id}.model": f"{setting.names[-1]}/random" for id, kind in loaders.items() if kind == "APLoadCLIP"
        }
    with tempfile.TemporaryDirectory() as folder:
        Executor(pool=pool).run(set_inputs(graph, all_nodes(), literals), headless_folders(folder)).raise_failures()


def ask_random(setting: Setting, pool: ModelPool) -> None:
    """Capture and steer the random LLaVA, as the pool's model."""
    prompts: list[dict[str, Tensor]] = []

    def load() -> Entry:
        model, prompt = random_lvlm(setting)
        prompts.append(prompt)
        return Entry(([model],))

    model: Any = pool.get_or_load("LLaVA", load)[0].outputs[0][0]
    columns = (prompts[0]["input_ids"][0] == lvlm.IMAGE_TOKEN).nonzero().flatten()
    with lvlm.steering(model, prompts[0]), capture(model, [0], [columns]):
        generate_ids(model, prompts[0], Sampling(max_tokens=2))
    pool.release("LLaVA")


def unloaded(setting: Setting, use: Callable[[ModelPool], None]) -> Figures:
    """What is still allocated after models have gone, beside what was before, and over what they take."""
    left, model = [], 0
    for _ in range(2):  # the first leaves what the libraries of the device keep for good
        pool = ModelPool()
        use(pool)
        model = setting.allocated()
        pool.clear()
        left.append(setting.allocated())
    taken, more = model - left[1], left[1] - left[0]
    return {"model MiB": taken / 2**20, "left MiB": more / 2**20, "left / model": more / taken}


def profile(setting: Setting) -> Figures:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    name = setting.names[-1]
    on_gpu = setting.device.startswith("cuda")
    model = setting.model(name)
    run = encoders(model, 2 if setting.tiny else 64)[1]
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.inference_mode():
        run()
        with profiled(activities=activities) as profiler:
            for _ in range(1 if setting.tiny else 5):
                run()
            setting.sync()
    which = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -getattr(event, which))
    total = sum(getattr(event, which) for event in events)
    return {
        "model": name,
        "ms": total / 1000,
        "operations": [
            {
                "name": event.key,
                "calls": event.count,
                "ms": getattr(event, which) / 1000,
                "share": getattr(event, which) / total,
            }
            for event in events[:20]
        ],
    }


PARTS: dict[str, Callable[[Setting], Figures]] = {
    "matmul": matmul,
    "clip": clip,
    "half": half,
    "lvlm": lvlm_rates,
    "memory": memory,
    "profile": profile,
}


# ------------------------------------------------------------------------------------------ what comes out


def machine(setting: Setting) -> Figures:
    on_gpu = setting.device.startswith("cuda")
    name = torch.cuda.get_device_name() if on_gpu else "processor"
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"device": name, "torch": torch.__version__, "processors": count, "tiny": setting.tiny}


def run(part: str, setting: Setting, folder: Path) -> Path:
    """Measure one part, and write it."""
    began = time.perf_counter()
    figures = PARTS[part](setting)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    held = {"part": part, "machine": machine(setting), "seconds": time.perf_counter() - began, "figures": figures}
    path.write_text(json.dumps(held, indent=1), "utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=[*PARTS, "all"], required=True)
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    setting = Setting(options.device, options.tiny, tuple(options.models))
    for part in PARTS if "all" in options.part else options.part:
        run(part, setting, options.out)
        setting.allocated()  # gives back
    print_found({part: options.out / f"{part}.json" for part in PARTS})


if __name__ == "__main__":
    main()
