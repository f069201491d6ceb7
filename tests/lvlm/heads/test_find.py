"""Finding heads: the measures beside eager attention worked out by hand, a planted head, and items of every kind."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor

import api_graph
from api_graph.demo.scenes import VALIDATION_SEEDS
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.lvlm import HeadProfile, LvlmModel, Request, attribute
from api_graph.lvlm.decoder import attention_modules, decoder_of
from api_graph.lvlm.heads.find import find_heads, spatial_entropy
from api_graph.lvlm.heads.items import HeadItem
from api_graph.lvlm.layout import token_layouts
from api_graph.lvlm.prompt import arguments_of, build_prompt
from api_graph.lvlm.steer import SinkRule
from api_graph.lvlm.steer.sinks import sink_dims
from tests.lvlm.asked import picture, tiny
from tests.lvlm.families import FAMILIES
from tests.lvlm.heads.made import items


def table_of(profile: HeadProfile) -> dict[tuple[int, int], list[float]]:
    return {one.place: [one.gaze, one.image_share, one.entropy, one.sink_share] for one in profile.record.heads}


# ------------------------------------------------------------------------------------------ the measures


def by_hand(model: LvlmModel, given: list[Any], dims: tuple[int, ...], limit: float) -> dict[tuple[int, int], Tensor]:
    """Of a LLaVA of 6 × 6 tokens whose pictures are squares: eager attention, item by item, all loops written out."""
    network: Any = model.module
    totals: dict[tuple[int, int], Tensor] = {}
    for image, question, boxes in given:
        prompt = build_prompt(model, [Request(question, (image,))])
        before = decoder_of(network).config._attn_implementation
        decoder_of(network).set_attn_implementation("eager")
        try:
            with torch.no_grad():
                told = network(**arguments_of(model, prompt.tensors), output_attentions=True, output_hidden_states=True)
        finally:
            decoder_of(network).set_attn_implementation(before)
        columns = (prompt.input_ids[0] == model.config.image_token_id).nonzero().flatten().tolist()
        cell = image.width / 6
        for layer, weights in enumerate(told.attentions):
            hidden = told.hidden_states[layer][0]
            for head in range(weights.shape[1]):
                row = weights[0, head, -1].tolist()
                values = [row[column] for column in columns]
                inside = sinks = 0.0
                for n, column in enumerate(columns):
                    left, top = n % 6 * cell, n // 6 * cell
                    if any(b[0] < left + cell and b[2] > left and b[1] < top + cell and b[3] > top for b in boxes):
                        inside += row[column]
                    size = hidden[column] / hidden[column].square().mean().add(1e-6).sqrt()
                    if max(abs(float(size[dim])) for dim in dims) > limit:
                        sinks += row[column]
                found = [inside, sum(values), entropy_by_hand(values, 6), sinks / sum(values)]
                totals[layer, head] = totals.get((layer, head), torch.zeros(4)) + torch.tensor(found) / len(given)
    return totals


def entropy_by_hand(values: list[float], width: int) -> float:
    """Patches found by walking from cell to cell."""
    mean = sum(values) / len(values)
    left = {(n // width, n % width) for n, value in enumerate(values) if value > mean}
    if not left:
        return math.log(len(values))
    total, sizes = len(left), []
    while left:
        patch, edge = 0, [left.pop()]
        while edge:
            y, x = edge.pop()
            patch += 1
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        sizes.append(patch)
    return -sum(size / total * math.log(size / total) for size in sizes)


def squares() -> list[Any]:
    return [
        (picture(90, 90), "What colour?", [[20, 16, 44, 44]]),
        (picture(48, 48, (20, 20, 230)), "Where is the big blue thing?", [[8, 0, 24, 8], [40, 40, 48, 48]]),
        (picture(60, 60, (20, 220, 30)), "Green?", [[1, 2, 9, 11]]),
    ]


def test_the_measures_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few hidden states of a random model exceed 20: two dims and a lower limit make some of the tokens sinks."""
    from api_graph.lvlm.heads import find

    model = tiny("llava")
    monkeypatch.setattr(find, "sink_dims", lambda model: (3, 7))
    monkeypatch.setattr(find, "SinkRule", lambda: SinkRule(threshold=1.5))
    found, expected = table_of(find_heads(model, squares(), batch_size=2)), by_hand(model, squares(), (3, 7), 1.5)
    assert found.keys() == expected.keys()
    for place, values in expected.items():
        assert torch.allclose(torch.tensor(found[place]), values, atol=2e-5), place
    shares = torch.stack([*expected.values()])
    assert 0.05 < float(shares[:, 3].mean()) < 0.95 and shares.std(0).min() > 1e-3  # each measure tells heads apart


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family: str) -> None:
    """As `attribute` reads each head alone; and in whatever batches."""
    model = tiny(family)
    together, alone = find_heads(model, items(), batch_size=3), find_heads(model, items(), batch_size=1)
    for place, values in table_of(alone).items():
        assert values == pytest.approx(table_of(together)[place], abs=2e-5), place
    assert [one.layer for one in alone.record.layers] == sorted(attention_modules(model.module))
    layer, head = alone.record.heads[-1].place
    gaze = image = 0.0
    for shown, question, boxes in items():
        (one,) = attribute(model, [Request(question, (shown,))], layers=layer, heads=[head], max_new_tokens=1)
        weights = one.step_maps[0]
        image += float(weights.sum()) / 3
        gaze += float(weights @ touched(one.layout, boxes)) / 3
    assert table_of(alone)[layer, head][:2] == pytest.approx([gaze, image], abs=1e-5)
    assert 0 < gaze < image < 1


def touched(layout: Any, boxes: list[list[float]]) -> Tensor:
    """1 for tokens into whose cell a box reaches, in the order of the columns."""
    flags: dict[int, float] = {}
    for view in layout.views:
        xs, ys = view.area.cell_edges(view.grid)
        for n, column in enumerate(view.columns.tolist()):
            y, x = divmod(n, view.grid[1])
            near = [
                box[0] < xs[x + 1] - 1e-5
                and box[2] > xs[x] + 1e-5
                and box[1] < ys[y + 1] - 1e-5
                and box[3] > ys[y] + 1e-5
                for box in boxes
            ]
            flags[column] = float(any(near))
    return torch.tensor([flags[column] for column in layout.columns.tolist()])


def test_each_item_runs_through_the_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = tiny("llava"), list[int]()
    find_heads(model, items()[:1])  # what tells sinks is looked for once for a network
    decoder: Any = decoder_of(model.module)
    handle = decoder.register_forward_pre_hook(
        lambda _, args, named: seen.append(len(named["inputs_embeds"])), with_kwargs=True
    )
    told: list[tuple[int, int | None]] = []
    try:
        find_heads(model, items() * 3, batch_size=4, progress=lambda done, total: told.append((done, total)))
    finally:
        handle.remove()
    assert seen == [4, 4, 1] and told == [(4, 9), (8, 9), (9, 9)]
    assert decoder.config._attn_implementation == "sdpa"


# ------------------------------------------------------------------------------------------ spatial entropy


@pytest.mark.parametrize(
    ("cells", "entropy"),
    [
        ("##. ... ...", 0.0),
        ("#.. .#. ..#", 0.0),  # corners touch
        ("#.# ... ...", math.log(2)),
        ("#.# ... #.#", math.log(4)),
        ("##. ... ..#", -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))),
        ("... ... ...", math.log(9)),
    ],
)
def test_spatial_entropy(cells: str, entropy: float) -> None:
    one = torch.tensor([[float(cell == "#") for cell in row] for row in cells.split()])
    assert float(spatial_entropy(one[None])[0]) == pytest.approx(entropy)


@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7), st.integers(0, 10**6))
def test_spatial_entropy_of_several_maps_is_of_each(maps: int, height: int, width: int, seed: int) -> None:
    values = torch.randint(0, 3, (maps, height, width), generator=torch.Generator().manual_seed(seed)).float()
    expected = [entropy_by_hand(one.flatten().tolist(), width) for one in values]
    assert spatial_entropy(values).tolist() == pytest.approx(expected)


# ------------------------------------------------------------------------------------------ a planted head


def red_squares() -> list[Any]:
    """A red square somewhere on blue, and its box."""
    made = []
    for number in range(12):
        left, top = 8 * (number % 4), 8 * (number * 5 % 4)
        image = Image.new("RGB", (48, 48), (30, 60, 90))
        ImageDraw.Draw(image).rectangle((left, top, left + 15, top + 15), fill=(230, 20, 20))
        made.append(
            (image, "Where is it?" if number % 2 else "Show me the red one.", [[left, top, left + 16, top + 16]])
        )
    return made


@contextmanager
def inputs_of(model: LvlmModel, layer: int) -> Iterator[list[Tensor]]:
    """What a layer's attention is fed."""
    seen: list[Tensor] = []
    handle = attention_modules(model.module)[layer].register_forward_pre_hook(
        lambda _, args, named: seen.append((args[0] if args else named["hidden_states"]).detach()), with_kwargs=True
    )
    try:
        yield seen
    finally:
        handle.remove()


@torch.no_grad()
def planted(layer: int, head: int) -> LvlmModel:
    """A random model one of whose heads looks from the prompt's last token at what is red.

    One dim of the head's keys is 1 at the tokens of the squares and 0 at all others, by least squares, and its query
    there is large at the last token. The dim is one that positions turn the least.
    """
    source = tiny("llava")
    model = LvlmModel(copy.deepcopy(source.module), source.processor, "planted")
    hidden, wanted, last = [], [], []
    for image, question, boxes in red_squares():
        prompt = build_prompt(model, [Request(question, (image,))])
        ((layout,),) = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)
        with inputs_of(model, layer) as seen:
            model.module(**arguments_of(model, prompt.tensors))
        flags = torch.zeros(prompt.length)
        flags[layout.columns] = touched(layout, boxes)
        hidden.append(seen[0][0])
        wanted.append(flags)
        last.append(seen[0][0, -1])
    every, ends = torch.cat(hidden), torch.stack(last)
    points = torch.linalg.lstsq(every, torch.cat(wanted)[:, None]).solution[:, 0]
    asks = torch.linalg.lstsq(ends, torch.full((len(ends), 1), 60.0)).solution[:, 0]
    attention: Any = attention_modules(model.module)[layer]
    width = attention.head_dim
    shared = head // 2  # two heads have one key
    attention.k_proj.weight[shared * width : (shared + 1) * width] = 0
    attention.q_proj.weight[2 * shared * width : 2 * (shared + 1) * width] = 0
    attention.k_proj.weight[shared * width + width // 2 - 1] = points
    attention.q_proj.weight[head * width + width // 2 - 1] = asks
    return model


@pytest.mark.parametrize(("layer", "head"), [(0, 1), (1, 3), (2, 0)])
def test_a_planted_head_is_ranked_first(layer: int, head: int) -> None:
    before = find_heads(tiny("llava"), red_squares()).ranking("gaze")
    profile = find_heads(planted(layer, head), red_squares())
    first, second = profile.ranking("gaze")[:2]
    assert (first.layer, first.head) == (layer, head) and first.score > 0.6 > 0.4 > second.score
    assert profile.chosen(count=1).heads == {layer: (head,)}
    assert (before[0].layer, before[0].head, before[0].score) != pytest.approx((layer, head, first.score), abs=0.05)
    assert profile.layer_ranking()[0].layer == layer


# ------------------------------------------------------------------------------------------ items


def test_what_is_recorded() -> None:
    model = tiny("llava")
    profile = api_graph.find_heads(model, items())
    made, facts = profile.record.made, profile.record.model
    assert (made.items, made.unseen, made.source, made.table, made.seeds) == (3, 0, "list", None, None)
    assert {"python", "torch", "transformers"} <= set(made.versions)
    assert (facts.name, facts.family, facts.layers, facts.heads, facts.dtype) == (
        "tiny llava",
        "llava",
        3,
        4,
        "float32",
    )
    again = api_graph.find_heads(model, iter(items()))
    assert again.record == profile.record
    others = [(image, question, [[30, 16, 60, 41]]) for image, question, _ in items()]
    assert api_graph.find_heads(model, others).record.made.items_digest != made.items_digest
    assert profile.record.sinks.dims == sink_dims(model)


def test_scenes_where_no_items_are_given() -> None:
    """They are those of the seeds, and no scene that figures are reported of."""
    model = api_graph.load_lvlm("demo", device="cpu")
    profile = api_graph.find_heads(model, scenes=6)
    made = profile.record.made
    assert (made.items, made.source) == (6, "scenes")
    assert made.seeds is not None and made.seeds[0] in VALIDATION_SEEDS and made.seeds[1] in VALIDATION_SEEDS
    assert api_graph.find_heads(model, scenes=6).record == profile.record
    others = api_graph.find_heads(model, scenes=6, seeds=range(5, 99))
    assert others.record.made.seeds == (5, 98) and others.record.made.items_digest != made.items_digest
    with pytest.raises(BadInput, match="scenes: the seeds have 2 such scenes"):
        api_graph.find_heads(model, scenes=6, seeds=range(2))


def test_boxes_that_no_token_shows_do_not_count() -> None:
    """LLaVA cuts off what lies left and right of the middle square."""
    model = tiny("llava")
    wide = picture(200, 50)
    seen, unseen = (wide, "What?", [[80, 10, 120, 40]]), (wide, "What?", [[0, 0, 20, 50]])
    with pytest.warns(ApiGraphWarning, match="an item does not count: no image token shows its boxes"):
        profile = find_heads(model, [unseen, seen, unseen])
    assert (profile.record.made.items, profile.record.made.unseen) == (1, 2)
    assert table_of(profile) == table_of(find_heads(model, [seen]))
    with pytest.raises(BadInput, match="no image token shows the boxes of any item"), pytest.warns(ApiGraphWarning):
        find_heads(model, [unseen])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "there are no items"),
        (7, "items: "),
        ([7], "item 1 is no picture with a question and boxes"),
        ([{"image": picture(), "boxes": [[0, 0, 9, 9]]}], "item 1 has no query or question"),
        ([{"image": picture(), "question": "a", "query": "b", "boxes": []}], "item 1 has query and question"),
        ([(picture(), "What?", [[0, 0, 9, 9]]), (picture(), " ", [[0, 0, 9, 9]])], "item 2: query: there is no"),
        ([(picture(), "What?", [[0, 0, 9]])], "item 1: boxes: box 1 has 3 numbers"),
        ([(picture(), "What?", [])], "item 1: boxes: there is no box"),
        ([(picture(), "What?", 5)], "item 1: boxes: these are no boxes"),
        ([(picture(), "What?", [[500, 0, 600, 9]])], "item 1: boxes: box 1 lies outside"),
        ([("none.png", "What?", [[0, 0, 9, 9]])], "item 1: .*none.png"),
        ([([picture(), picture()], "What?", [[0, 0, 9, 9]])], "item 1: image: an item has one picture"),
    ],
)
def test_items_that_are_none(given: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        api_graph.find_heads(tiny("llava"), given)


def test_one_item_in_every_form() -> None:
    model = tiny("llava")
    image, question, boxes = squares()[0]
    forms: list[Any] = [
        {"image": image, "question": question, "boxes": boxes},
        {"image": image, "query": question, "box": boxes[0], "answer": "red"},
        {"image": image, "query": question, "boxes": " ".join(map(str, boxes[0]))},
        HeadItem(image, question, boxes),
        (image, question, torch.tensor(boxes)),
    ]
    records = [find_heads(model, [form]).record for form in forms]
    assert all(record == records[0] for record in records)
