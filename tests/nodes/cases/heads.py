"""Heads of an LVLM: nodes/heads.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from api_graph.context import Context, SaveContext
from api_graph.demo.scenes import scene
from api_graph.errors import BadInput
from api_graph.lvlm import HeadProfile, LvlmModel
from api_graph.lvlm.heads.find import find_heads
from api_graph.lvlm.heads.items import scene_items
from api_graph.lvlm.heads.record import record_text
from api_graph.lvlm.heads.report import head_figure, report_text
from api_graph.pixels.read import to_tensor
from tests.lvlm.asked import tiny
from tests.lvlm.heads.made import profile_of, record_of
from tests.nodes.case import Case, Unseen, at, case, refused
from tests.nodes.world import World


def choice(profile: Any) -> Any:
    """A profile in what can be compared: measures, source, and the chosen heads."""
    if isinstance(profile, BadInput):
        return profile
    made = profile.record.made
    return [profile.values(name).nan_to_num(-1) for name in ("gaze", "entropy", "image_share", "sink_share")], [
        *(made.items, made.source, made.table, made.seeds, made.items_digest),
        profile.record.model.fingerprint,
        profile.heads,
    ]


def text_file(world: World, name: str, text: str) -> str:
    def write(path: Path) -> None:
        path.write_text(text, "utf-8")

    return world.file(name, write)


def table_of(world: World, name: str, *rows: dict[str, Any]) -> str:
    return text_file(world, name, "".join(f"{json.dumps(row)}\n" for row in rows))


@case("APFindHeads")
def find(world: World) -> Case:
    """A table's pictures lie in the input folder; what they are is told by hand here."""
    boxes = [[20, 30, 70, 80]]
    asked = {"question": "What colour is it?", "boxes": boxes}
    shown = [world.file(f"heads{seed}.png", scene(seed).image.save) for seed in (3, 4)]
    jsonl = table_of(world, "heads.jsonl", *({"image": name, **asked} for name in shown))
    csv = text_file(world, "heads.csv", f"image,query,box\n{shown[0]},Where?,1 2 30 40\n")
    given = {
        jsonl: [(scene(seed).image, asked["question"], boxes) for seed in (3, 4)],
        csv: [(scene(3).image, "Where?", [[1, 2, 30, 40]])],
    }
    odd = text_file(world, "odd.png", "no picture")

    def expected(context: Context, model: LvlmModel, table: str, scenes: int) -> Any:
        if table == "rendered scenes":
            found = find_heads(model, list(scene_items(scenes)))
        else:
            found = find_heads(model, given[table])
        made = found.record.made
        source = {"source": "table", "table": table} if table in given else {"source": "scenes"}
        seeds = None if table in given else (10_500_000, 10_999_999)
        changed = made.model_copy(update={"table": None, **source, "seeds": seeds})
        return HeadProfile(found.record.model_copy(update={"made": changed}))

    return Case(
        expected,
        given={"model": world.lvlm, "scenes": 2},
        others={
            "model": [at(world.other_lvlm), at(tiny("qwen2_vl"))],
            "table": [at(jsonl), at(csv)],
            "scenes": at(3),
        },
        refusals=[
            refused("table", table="none.jsonl"),
            refused("table", table=table_of(world, "gone.jsonl", {"image": "gone.png", **asked})),
            refused("table", table=table_of(world, "out.jsonl", {"image": "../out.png", **asked})),
            refused("table", table=table_of(world, "odd.jsonl", {"image": odd, **asked})),
        ],
        view=choice,
    )


@case("APChooseHeads")
def choose(world: World) -> Case:
    def expected(profile: HeadProfile, by: str, count: int, unit: str) -> HeadProfile:
        return HeadProfile(profile.record, by, count, unit)  # type: ignore[arg-type]

    gaze = [[0.1, 0.5, 0.2], [0.5, 0.05, 0.9], [0.6, 0.6, 0.6]]
    image = [[0.9, 0.6, 0.3], [0.7, 0.2, 0.8], [0.5, 0.5, 0.5]]
    entropy = [[2.0, 1.0, 0.1], [1.0, 0.2, 1.5], [3.0, 3.0, 3.0]]
    sinks = [[0.9, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    profile = HeadProfile(record_of(gaze, image=image, entropy=entropy, sinks=sinks))
    return Case(
        expected,
        given={"profile": profile},
        others={
            "profile": [at(HeadProfile(record_of([[0.3, 0.2]])))],
            "by": [at("image"), at("entropy"), at("sinks")],
            "count": at(2),
            "unit": at("layers"),
        },
        refusals=[refused("count", count=10), refused("count", count=4, unit="layers")],
        view=choice,
    )


@case("APLoadHeadProfile")
def load(world: World) -> Case:
    own, other = profile_of(world.lvlm), HeadProfile(record_of([[0.3, 0.2]]))
    files = {
        world.file(name, lambda path, one=one: one.save(path)): one
        for name, one in (("own.json", own), ("other.json", other))
    }
    damaged = text_file(world, "damaged.json", "{")

    def expected(context: Context, file: str, model: LvlmModel | None) -> HeadProfile:
        return files[file]

    return Case(
        expected,
        given={"file": "own.json"},
        others={"file": at("other.json"), "model": Unseen("it is only checked: the refusals have another model")},
        refusals=[
            refused("file", model=world.other_lvlm),
            refused("file", file="none.json"),
            refused("file", file=damaged),
            refused("file", file="../own.json"),
        ],
        view=choice,
    )


@case("APSaveHeadProfile")
def save(world: World) -> Case:
    def expected(profile: HeadProfile, context: SaveContext, filename_prefix: str) -> str:
        name = f"{filename_prefix}_00001_.json"
        path = context.folders.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record_text(profile.record), "utf-8")
        context.show_file(path, kind="profiles")
        context.show_text(name)
        return name

    return Case(
        expected,
        given={"profile": profile_of(world.lvlm)},
        others={"profile": at(HeadProfile(record_of([[0.3, 0.2]]))), "filename_prefix": at("folder/mine")},
        refusals=[
            refused("filename_prefix", filename_prefix="../mine"),
            refused("filename_prefix", filename_prefix="m" * 300),
        ],
    )


@case("APHeadReport")
def report(world: World) -> Case:
    def expected(profile: HeadProfile, measure: Any, draws: int, most: int, colormap: Any) -> tuple[Any, ...]:
        places = [(layer, head) for layer, heads in sorted(profile.heads.items()) for head in heads]
        figure: Tensor = to_tensor(head_figure(profile, measure, colormap))[0]
        text = report_text(profile, draws, most)
        return figure, text, [layer for layer, _ in places], [head for _, head in places]

    profile = profile_of(world.lvlm, count=3)
    return Case(
        expected,
        given={"profile": profile},
        others={
            "profile": [at(profile.chosen(count=5)), at(HeadProfile(record_of([[0.3, 0.2]])))],
            "measure": [at("entropy"), at("image_share"), at("sink_share")],
            "draws": [at(3), at(0)],
            "most": at(2),
            "colormap": at("inferno"),
        },
    )
