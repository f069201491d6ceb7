"""A profile: which heads it chooses, by hand; its file, whole and damaged; and whose it is."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api_graph.errors import BadInput
from api_graph.lvlm import HeadProfile, LvlmModel
from api_graph.lvlm.heads.profile import fingerprint_of, other_heads
from api_graph.lvlm.heads.record import MOST_BYTES, ProfileRecord, read_record, record_text
from tests.lvlm.asked import tiny
from tests.lvlm.heads.made import profile_of, record_of

GAZE = [[0.1, 0.5, 0.2], [0.5, 0.05, 0.9]]
IMAGE = [[0.9, 0.6, 0.3], [0.7, 0.2, 0.95]]
ENTROPY = [[2.0, 1.0, 0.1], [1.0, 0.2, 1.5]]
SINKS = [[0.9, 0.0, 0.0], [0.5, 0.0, 0.1]]


@pytest.fixture
def profile() -> HeadProfile:
    return HeadProfile(record_of(GAZE, image=IMAGE, entropy=ENTROPY, sinks=SINKS))


# ------------------------------------------------------------------------------------------ the choice


@pytest.mark.parametrize(
    ("by", "places", "first"),
    [
        ("gaze", [(1, 2), (0, 1), (1, 0), (0, 2), (0, 0), (1, 1)], 0.9),
        ("image", [(1, 2), (0, 0), (1, 0), (0, 1), (0, 2), (1, 1)], 0.95),
        # The mean of the image's shares is .608: only three heads have it, and .6 is too little.
        ("entropy", [(1, 0), (1, 2), (0, 0), (0, 2), (1, 1), (0, 1)], 1.0),
        # .855, .6, .35, .3, .2, .09
        ("sinks", [(1, 2), (0, 1), (1, 0), (0, 2), (1, 1), (0, 0)], 0.855),
    ],
)
def test_rankings_by_hand(by: Any, places: list[tuple[int, int]], first: float, profile: HeadProfile) -> None:
    ranking = profile.ranking(by)
    assert [(one.layer, one.head) for one in ranking] == places
    assert ranking[0].score == pytest.approx(first)
    chosen = profile.chosen(by, 2)
    assert chosen.heads == _by_layer(places[:2]) and chosen.number == 2
    assert chosen.ranking() == ranking


def _by_layer(places: list[tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    return {layer: tuple(sorted(h for la, h in places if la == layer)) for layer in sorted({la for la, _ in places})}


def test_layers_rank_by_the_means_of_their_heads(profile: HeadProfile) -> None:
    """Of gaze .267 and .483; of entropy 1.033 and .9, both with about the mean weight on the image."""
    assert [(one.layer, round(one.score, 3)) for one in profile.layer_ranking("gaze")] == [(1, 0.483), (0, 0.267)]
    assert [(one.layer, round(one.score, 3)) for one in profile.layer_ranking("entropy")] == [(1, 0.9), (0, 1.033)]
    layers = profile.chosen(unit="layers", count=1)
    assert layers.heads == {1: (0, 1, 2)} and layers.chosen(draw="random").heads == {0: (0, 1, 2)}


def test_nothing_said_is_a_tenth_and_at_least_one() -> None:
    wide = HeadProfile(record_of([[h / 40 for h in range(32)]]))
    assert wide.heads == {0: (29, 30, 31)}
    assert HeadProfile(record_of(GAZE)).heads == {1: (2,)}


def test_controls(profile: HeadProfile) -> None:
    """By chance: as many, none of the chosen, of their seed; all: all."""
    best = profile.chosen(count=2)
    drawn = [best.chosen(draw="random", seed=seed).heads for seed in range(60)]
    assert drawn == [best.chosen(draw="random", seed=seed).heads for seed in range(60)]
    for one in drawn:
        places = {(layer, head) for layer, heads in one.items() for head in heads}
        assert len(places) == 2 and places.isdisjoint({(1, 2), (0, 1)})
    assert len({tuple(sorted(one.items())) for one in drawn}) == 6  # all pairs of the four others
    assert best.chosen(draw="all").heads == {0: (0, 1, 2), 1: (0, 1, 2)}
    with pytest.raises(BadInput, match="count: 4 heads are chosen, and there are 2 others"):
        _ = best.chosen(count=4, draw="random").heads


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 2**32 - 1), st.data())
def test_other_heads_are_as_many_others(sizes: list[int], seed: int, data: st.DataObject) -> None:
    everything = {layer: tuple(range(size)) for layer, size in enumerate(sizes)}
    places = [(layer, head) for layer, heads in everything.items() for head in heads]
    taken = data.draw(st.sets(st.sampled_from(places), max_size=len(places) // 2))
    chosen = {layer: [h for la, h in taken if la == layer] for layer in everything}
    found = {(layer, head) for layer, heads in other_heads(chosen, everything, seed).items() for head in heads}
    assert len(found) == len(taken) and found <= set(places) - taken


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"by": "charm"}, "by: there is no such choice"),
        ({"unit": "rows"}, "unit: there is no such choice"),
        ({"draw": "worst"}, "draw: there is no such choice"),
        ({"count": 7}, "count: the profile has 6 heads to choose from"),
        ({"count": -1}, "count: the profile has 6 heads"),
        ({"count": 3, "unit": "layers"}, "count: the profile has 2 layers"),
    ],
)
def test_choices_that_there_are_not(settings: dict[str, Any], said: str, profile: HeadProfile) -> None:
    with pytest.raises(BadInput, match=said):
        profile.chosen(**settings)


def test_values_are_a_matrix(profile: HeadProfile) -> None:
    assert profile.values().tolist() == torch.tensor(GAZE).tolist()
    assert profile.values("entropy").tolist() == torch.tensor(ENTROPY).tolist()
    gaps = HeadProfile(record_of(GAZE, layers=[1, 3])).values()
    assert gaps.shape == (4, 3) and gaps[[0, 2]].isnan().all() and not gaps[[1, 3]].isnan().any()


# ------------------------------------------------------------------------------------------ the file


def test_a_file_gives_the_profile_back(profile: HeadProfile, tmp_path: Path) -> None:
    profile.save(tmp_path / "new" / "heads.json")
    assert HeadProfile.load(tmp_path / "new" / "heads.json").record == profile.record
    text = (tmp_path / "new" / "heads.json").read_text("ascii")
    assert json.loads(text)["format"] == 1 and text == record_text(profile.record)
    chosen = profile.chosen("entropy", 3, draw="random", seed=5)
    stored = json.loads(json.dumps(chosen.to_storage()[1]))
    again = HeadProfile.from_storage({}, stored)
    assert (again.record, again.heads) == (profile.record, chosen.heads)


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(record_text(record_of(GAZE)))
    change(document)
    return json.dumps(document).encode()


DAMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "this is no JSON"),
    "cut": (record_text(record_of(GAZE)).encode()[:-200], "this is no JSON"),
    "no UTF-8": (b'{"format": "\xff"}', "this is no JSON"),
    "deep": (b"[" * 100_000, "this is no JSON"),
    "a list": (b"[]", "this is no profile of heads"),
    "other JSON": (b'{"1": {"class_type": "APText"}}', "this is no profile of heads"),
    "another kind": (_changed(lambda d: d.update(kind="graph")), "no profile of heads, but 'graph'"),
    "a later format": (_changed(lambda d: d.update(format=2)), "it has format 2, and this version reads 1"),
    "format true": (_changed(lambda d: d.update(format=True)), "this is no profile of heads"),
    "more fields": (_changed(lambda d: d.update(run="rm")), "run: Extra inputs"),
    "a share above 1": (_changed(lambda d: d["heads"][0].update(gaze=1.5)), r"heads\.0\.gaze: "),
    "NaN": (_changed(lambda d: d["heads"][2].update(entropy=math.nan)), r"heads\.2\.entropy: "),
    "a text for a number": (_changed(lambda d: d["heads"][0].update(gaze="0.5")), r"heads\.0\.gaze: "),
    "a head twice": (_changed(lambda d: d["heads"].append(d["heads"][0])), "not those of its layers"),
    "a head too few": (_changed(lambda d: d["heads"].pop()), "not those of its layers"),
    "a head far off": (_changed(lambda d: d["heads"][0].update(head=99_999)), r"heads\.0\.head: "),
    "layers that do not rise": (_changed(lambda d: d["layers"].reverse()), "the layers do not rise"),
    "a layer too many": (_changed(lambda d: d["model"].update(layers=1)), "the layers do not rise, or are not"),
    "a long name": (_changed(lambda d: d["model"].update(name="x" * 600)), r"model\.name: "),
    "no fingerprint": (_changed(lambda d: d["model"].pop("fingerprint")), r"model\.fingerprint: "),
    "a fingerprint of another kind": (_changed(lambda d: d["model"].update(fingerprint="../x")), "fingerprint: "),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_told(damage: str, tmp_path: Path) -> None:
    content, said = DAMAGES[damage]
    path = tmp_path / "heads.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        read_record(path)
    assert caught.value.input == "profile" and str(path) in str(caught.value.value)


def test_files_that_cannot_be_read_or_written(profile: HeadProfile, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"profile: it cannot be read \(No such file"):
        HeadProfile.load(tmp_path / "none.json")
    with pytest.raises(BadInput, match="profile: it cannot be read"):
        HeadProfile.load(tmp_path)
    with pytest.raises(BadInput, match="profile: it cannot be read"):
        HeadProfile.load("a\0b")
    with pytest.raises(BadInput, match="path: it cannot be written"):
        profile.save(tmp_path)
    (tmp_path / "large.json").write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(BadInput, match="larger than 16,777,216 bytes"):
        HeadProfile.load(tmp_path / "large.json")


def test_the_largest_profile_fits_its_file(tmp_path: Path) -> None:
    number = 0.12345678
    record = record_of([[number] * 1024] * 64)
    assert len(record_text(record)) < MOST_BYTES
    with pytest.raises(ValidationError):
        record_of([[number] * 1024] * 65)


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_in_the_place_of_the_file_is_written_over(profile: HeadProfile, tmp_path: Path) -> None:
    """And not what it leads to."""
    (tmp_path / "other").write_text("kept")
    (tmp_path / "heads.json").symlink_to(tmp_path / "other")
    profile.save(tmp_path / "heads.json")
    assert (tmp_path / "other").read_text() == "kept" and HeadProfile.load(tmp_path / "heads.json")


# ------------------------------------------------------------------------------------------ whose it is


def other(model: LvlmModel) -> LvlmModel:
    """The same network with one other weight matrix."""
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        next(p for name, p in module.named_parameters() if name.endswith("q_proj.weight")).mul_(1.1)
    return replace(model, module=module, name="the other")


def test_another_model_is_refused_and_both_are_named(tmp_path: Path) -> None:
    model, path = tiny("llava"), tmp_path / "heads.json"
    profile_of(model).save(path)
    assert HeadProfile.load(path, model).record.model.name == "tiny llava"
    for one in (other(model), tiny("qwen2_vl")):
        with pytest.raises(BadInput, match=f"profile: the profile is of tiny llava .*, and this is {one.name} "):
            HeadProfile.load(path, one)


def test_one_checkpoint_is_one_model() -> None:
    """Held otherwise, named otherwise: the weights tell."""
    model = tiny("llava")
    rough = copy.deepcopy(model.module).to(torch.bfloat16)
    assert fingerprint_of(rough) == fingerprint_of(model.module) == fingerprint_of(copy.deepcopy(model.module))
    assert fingerprint_of(other(model).module) != fingerprint_of(model.module)


def test_what_is_read_is_what_was_written() -> None:
    record = record_of(GAZE, layers=[1, 3])
    assert ProfileRecord.model_validate_json(record_text(record)) == record
