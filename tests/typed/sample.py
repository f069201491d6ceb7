"""A project of a user's, outside the repository: strict type checkers have nothing to say about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import api_graph
from api_graph import (
    Annotated,
    Answer,
    ApiGraphError,
    Attribution,
    BadInput,
    BoxChoice,
    Classification,
    ClipModel,
    GraphError,
    Images,
    LvlmModel,
    MapResults,
    NodeError,
    Results,
    RowResult,
    Steering,
)


def annotated(photo: str | Path, content: bytes) -> list[Path]:
    one: Annotated = api_graph.annotate(photo, "a dog")
    same: Annotated = api_graph.annotate(content, "a dog", "ViT-B-16", device="cpu", strength=0.5)
    opened: Annotated = api_graph.annotate(Image.open(photo), "a dog", recipe="reference", grey=200)
    several: list[Annotated] = api_graph.annotate(photo, ["a dog", "a cat"], background="blur", progress=False)
    many: list[Annotated] = api_graph.annotate([photo, content], "a dog", layer=-2, psi="cls")
    heat: torch.Tensor = one.heatmap
    print(float(heat.max()), one.image.size, one.query, one.original)
    return [result.save(f"{n}.png") for n, result in enumerate([one, same, opened, *several, *many])]


def arrays(levels: NDArray[np.uint8], floats: torch.Tensor) -> tuple[int, int]:
    one = api_graph.annotate(levels, "a dog")
    print(api_graph.annotate(floats, "a dog").image)
    size: tuple[int, int] = one.image.size
    for result in api_graph.annotate([levels, levels], "a dog"):
        result.show()
    return size


def maps(image: Images, clip: ClipModel, lvlm: LvlmModel) -> list[Attribution]:
    seen = api_graph.clip_attribution(image, ["a dog"], clip)
    print(seen.combined.shape, seen.cls, seen.comp, seen.geometry[0].width)
    looked = api_graph.lvlm_attribution(image, "Where?", lvlm, layers="last 4", max_tokens=8)
    for word in looked.words:
        print(word.text, word.map.argmax())
    return [seen.attribution, looked.attribution]


def asked(photo: Path) -> str:
    lvlm = api_graph.load_lvlm("demo", device="cpu")
    answer: Answer = api_graph.ask(photo, "What is it?", lvlm, fovea=[(1, 2, 30, 40)], strength=2.0)
    steering = Steering.of("image", layers="last 2")
    api_graph.ask(None, "What?", "vllm/some-model", max_tokens=5)
    print(api_graph.ask(photo, "What?", lvlm, fovea=steering).tokens)
    print(api_graph.ask(photo, "What?", lvlm, fovea="image", **api_graph.steer_preset("PAI")).text)
    for seen in (api_graph.annotate(photo, "a dog"), api_graph.lvlm_attribution(photo, "Where?", lvlm)):
        print(api_graph.ask(photo, "What?", lvlm, fovea=seen).text, Steering.of([seen, None]))
    print(api_graph.ask(photo, "What?", lvlm, fovea=api_graph.clip_attribution(photo, "a dog")).text)
    contrast = api_graph.contrast_preset("VCD")
    profile = api_graph.find_heads(model=lvlm, scenes=5)
    print(api_graph.ask(photo, "What?", lvlm, fovea="image", heads=profile.heads, contrast=contrast))
    return answer.text


def falip(photo: Path, boxes: list[tuple[float, float, float, float]]) -> tuple[int, list[str]]:
    choice: BoxChoice = api_graph.choose_box(photo, boxes, "the dog", ["demo", api_graph.load_clip()])
    found: Classification = api_graph.classify([photo], ["dog", "cat"], boxes=boxes, alpha=0.3)
    cloud = api_graph.classify_point_cloud(np.zeros((9, 3), np.float32), ["chair", "table"])
    rows = np.array(boxes)
    print(api_graph.choose_box(photo, rows, "the dog").index, api_graph.choose_box(photo, torch.tensor(rows), "it"))
    print(api_graph.classify(photo, ["dog", "cat"], boxes=rows), api_graph.classify(photo, ["dog"], boxes=[rows]))
    mask = api_graph.foveal_mask(boxes[0], (640, 480), (14, 14)) + api_graph.foveal_mask(rows[0], (640, 480), (14, 14))
    features = api_graph.foveal_features(photo, mask[None], "demo")
    print(choice.margin, found.top(2)[0][0][1], cloud.probabilities, features.shape)
    return choice.index, found.names


def graphs(table: Path) -> Iterator[RowResult]:
    outputs = api_graph.run_graph("api_clip", {"query": "a dog"}, output="out", device="cpu")
    print([values["files"] for values in outputs.values()])
    rows: MapResults = api_graph.map_graph("api_clip_map", table, output="mapped", columns={"query": "text"})
    print(rows.columns.sets)
    yield from rows
    results: Results = api_graph.read_results("mapped")
    print(len(results), [row.results["Figures"]["peak"] for row in results if row.ok])


def told() -> None:
    try:
        compared = api_graph.compare_results(["a", "b"], on=["query"])
        print(compared.pairs[0].verdict, compared.notes)
        print(api_graph.sweep_scores("a", "Figures.peak").scores[0].mean)
        print(api_graph.plot_sweep("a", "a.pdf").files, api_graph.draw_figure("a", ["a.png"], rows="0-3").notes)
    except BadInput as error:
        print(error.problem, error.input, error.hint)
    except (GraphError, NodeError, ApiGraphError) as error:
        print(error)
