"""Writes what is generated from the nodes and the shipped graphs: run it after a node or a graph has changed.

    python tools/make_docs.py            all texts: docs/nodes.md, docs/graphs.md, docs/gallery.md,
                                         nodes/specs.json, locales/, web/docs/,
                                         example_workflows/*.json, subgraphs/*.json
    python tools/make_docs.py --pictures the thumbnails beside the example workflows and the pictures of
                                         docs/recipes.md, too (runs every graph)

A test compares the texts with what is committed. Texts that `api_graph/docs/zh.json` does not translate are written in
English on the Chinese pages, with a warning.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageOps

from api_graph import run_graph
from api_graph.demo.scenes import VALIDATION_SEEDS, scene
from api_graph.docs import (
    Catalogue,
    Example,
    chinese,
    gallery,
    graph_list,
    help_page,
    locale_files,
    picture_of,
    reference,
)
from api_graph.draw import template_name, to_picture, to_template
from api_graph.draw.blueprint import Blueprint, to_blueprint
from api_graph.draw.core_templates import CORE_TEMPLATES, core_template
from api_graph.graph import Graph, read_graph
from api_graph.registry import STORED, Registry, all_nodes, own_nodes, stored_nodes
from api_graph.settings import shipped

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ("locales", "web/docs", "example_workflows", "subgraphs")
"""Folders in which nothing is written by hand."""

BASES = {name: ROOT / template.base for name, template in CORE_TEMPLATES.items()}
"""The graphs of which templates with ComfyUI's own nodes are made, by the template's name."""

CHINESE = "api_graph/docs/zh.json"

_MODELS = (
    "The model demo knows rendered shapes only, as in the example picture: for photographs choose a CLIP of the hub "
    "in the node, such as ViT-B-32 (small) or ViT-L-14-336 (large)."
)
BLUEPRINTS = {
    "Text to mask (attention, segment by prompt)": Blueprint(
        "api_clip_mask",
        f"The part of an image that a text means, as a mask, a heatmap and a point for SAM. {_MODELS}",
        inputs={"image": "1", "text": "2"},
        outputs={"mask": ("10", 0), "heatmap": ("9", 0), "points": ("14", 0)},
        widgets=[("3", "model"), ("10", "threshold")],
    ),
    "Text to crop (attention, find object by prompt)": Blueprint(
        "api_clip_crop",
        f"The part of an image that a text means, cut out, and where it was. {_MODELS}",
        inputs={"image": "1", "text": "2"},
        outputs={"crop": ("11", 0), "mask": ("11", 1), "placement": ("11", 2), "box": ("10", 0)},
        widgets=[("3", "model"), ("11", "margin"), ("11", "aspect")],
    ),
    "Look where I ask (attention, saliency, heatmap, VQA)": Blueprint(
        "api_clip_ask",
        f"Show a model where to look for a question (Attention Prompting on Image), and ask it. {_MODELS}",
        inputs={"image": "1", "question": "2"},
        outputs={"image": ("15", 0), "heatmap": ("14", 0), "answer": ("19", 0)},
        widgets=[("5", "model"), ("3", "answerer")],
    ),
    "Which box (referring expression, FALIP)": Blueprint(
        "rec_foveal",
        f"The box that a text means, by foveal attention (FALIP). {_MODELS}",
        inputs={"image": "1", "text": "2", "boxes": "3"},
        outputs={"choice": ("11", 0), "box": ("11", 3), "image": ("11", 2), "text": ("11", 1)},
        widgets=[("4", "model")],
    ),
}
"""One node for a whole chain, by the name under which ComfyUI's library shows it: the words that people search for."""

THUMBNAIL = (640, 360)
_MOST_PICTURES = 3
_GROUND = "#1c1d20"
_GAP = 8


def texts() -> dict[str, str]:
    """Content of each generated text file, by its path in the repository."""
    own = own_nodes()
    languages = {"en": Catalogue(), "zh": chinese()}
    found = {
        "docs/nodes.md": reference(all_nodes(), examples()),
        "docs/graphs.md": graph_list(),
        "docs/gallery.md": gallery(graphs_by_name(), all_nodes()),
        f"nodes/{STORED}": stored_nodes(),
    }
    for language, words in languages.items():
        for name, document in locale_files(own, words).items():
            found[f"locales/{language}/{name}"] = _json(document)
    for id, spec in own.items():
        graphs = [name for name, graph in graphs_by_name().items() if id in _classes(graph)]
        found[f"web/docs/{id}.md"] = help_page(spec, languages["en"], graphs)
        found[f"web/docs/{id}/zh.md"] = help_page(spec, languages["zh"], graphs)
    for name, graph in graphs_by_name().items():
        found[f"example_workflows/{template_name(name)}.json"] = _json(to_template(name, graph, all_nodes()))
    for name, template in CORE_TEMPLATES.items():
        document = core_template(template, read_graph(BASES[name]), all_nodes())
        found[f"example_workflows/{name}.json"] = _json(document)
    for name, blueprint in BLUEPRINTS.items():
        drawn = to_blueprint(name, blueprint, graphs_by_name()[blueprint.graph], all_nodes())
        found[f"subgraphs/{name}.json"] = _json(drawn)
    return found


@cache
def graphs_by_name() -> dict[str, Graph]:
    """The shipped graphs."""
    return {name: read_graph(file) for name, file in shipped().items()}


def examples() -> dict[str, Example]:
    """Of each of our nodes the smallest shipped graph with it that saves or shows a picture of its own."""
    found: dict[str, Example] = {}
    for name, graph in sorted(graphs_by_name().items(), key=lambda one: len(one[1].nodes)):
        if _classes(graph) & {"APSaveImage", "APSaveHeatmap", "SaveImage"}:
            for id in _classes(graph) & own_nodes().keys():
                found.setdefault(id, Example(name, picture_of(name), "gallery.md"))
    return found


def thumbnails() -> dict[str, str | Path]:
    """The graph that makes each template's picture, by the template's name: the base of those with ComfyUI's nodes."""
    own: dict[str, str | Path] = {template_name(name): name for name in graphs_by_name()}
    return own | BASES


def thumbnail(graph: str | Path) -> Image.Image:
    """What a graph makes of its example picture, side by side; or the graph itself if it makes no picture."""
    with tempfile.TemporaryDirectory() as folder:
        run_graph(graph, cache=False, output=folder)
        pictures = [Image.open(file).convert("RGB") for file in sorted(Path(folder).glob("*.png"))]
    return _side_by_side(pictures[:_MOST_PICTURES] or [to_picture(graphs_by_name()[str(graph)], all_nodes())])


RECIPES = sorted(path.stem for path in (ROOT / "docs" / "recipes").glob("*.json"))
"""The graphs of docs/recipes.md."""
STARS = tuple(seed for seed in VALIDATION_SEEDS[:40] if [one.shape for one in scene(seed).objects].count("star") == 1)
"""Rendered scenes with one star each, for the recipe that works on a folder."""


def recipe_picture(name: str) -> Image.Image:
    """What the graph of a recipe makes; of "folder", what that of the points makes of several pictures."""
    with tempfile.TemporaryDirectory() as folder:
        rows: list[dict[str, str]] = [{}]
        if name == "folder":
            rows = [{"image": f"{folder}/{seed}.png", "query": "the star"} for seed in STARS[:_MOST_PICTURES]]
            for seed, row in zip(STARS, rows, strict=False):
                scene(seed).image.save(row["image"])
        graph = ROOT / "docs" / "recipes" / f"{'points' if name == 'folder' else name}.json"
        for row in rows:
            run_graph(graph, row, cache=False, output=f"{folder}/made")
        made = sorted(Path(folder, "made").glob("points*.png" if name == "folder" else "*.png"))
        return _side_by_side([Image.open(file).convert("RGB") for file in made])


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", THUMBNAIL, _GROUND)
    cell = ((THUMBNAIL[0] - _GAP) // len(pictures) - _GAP, THUMBNAIL[1] - 2 * _GAP)
    for number, picture in enumerate(pictures):
        fitted = ImageOps.contain(picture, cell)
        left = _GAP + number * (cell[0] + _GAP) + (cell[0] - fitted.width) // 2
        sheet.paste(fitted, (left, (THUMBNAIL[1] - fitted.height) // 2))
    return sheet


def warnings_of(registry: Registry, words: Catalogue) -> list[str]:
    """What the Chinese catalogue lacks of these nodes, and what it has for none of them: at most a line for each."""
    found = {
        f"not in {CHINESE}, so they stay English": words.missing(registry),
        f"in {CHINESE}, but in no node": words.stale(registry),
    }
    quoted = {problem: [json.dumps(text, ensure_ascii=False) for text in texts] for problem, texts in found.items()}
    return [f"{problem}: {', '.join(texts)}" for problem, texts in quoted.items() if texts]


def _classes(graph: Graph) -> set[str]:
    return {node.class_type for node in graph.nodes.values()}


def _json(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def left_over(kept: Sequence[str]) -> list[Path]:
    """Files in the generated folders that are not among the paths `kept`."""
    keep = {ROOT / path for path in kept}
    files = (path for folder in GENERATED for path in (ROOT / folder).rglob("*") if path.is_file())
    return sorted(path for path in files if path not in keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true", help="make the thumbnails, too")
    asked = parser.parse_args()
    for warning in warnings_of(own_nodes(), chinese()):
        print(f"warning: {warning}", file=sys.stderr)
    written = texts()
    pictures = [f"example_workflows/{name}.jpg" for name in thumbnails()]
    for path in left_over([*written, *pictures]):
        path.unlink()
    for path, text in written.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8", newline="\n")
    if asked.pictures:
        for name, graph in thumbnails().items():
            thumbnail(graph).save(ROOT / f"example_workflows/{name}.jpg", quality=85, optimize=True)
        for name in (*RECIPES, "folder"):
            recipe_picture(name).save(ROOT / f"docs/recipes/{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
