"""A model on the hub is its revision: what a cache key names is what is loaded, for every loader alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load, save

from tests.models.fake_hub import FakeHub, Files, fake_hub, in_process
from tests.segment.tiny_models import save_sam

DEMO = Path(__file__).parents[2] / "api_graph" / "demo"

# Each loader's repository, and the weight that its states differ in.
WEIGHTS = {
    "some/clip": ("open_clip_model.safetensors", "logit_scale"),
    "some/tag": ("open_clip_model.safetensors", "logit_scale"),
    "some/lvlm": ("model.safetensors", "multi_modal_projector.linear_1.bias"),
    "some/sam": ("model.safetensors", "mask_decoder.iou_token.weight"),
}
TOKENIZER = "some/tokenizer"

LOADERS = """
import json, os, sys, urllib.request
import open_clip
from open_clip import factory, pretrained
from api_graph import clip, lvlm, segment
from api_graph.errors import BadInput

factory._MODEL_CONFIGS["Tiny"] = json.loads(sys.argv[1])
tag = {"hf_hub": "some/tag/", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "interpolation": "bilinear",
       "resize_mode": "squash", "quick_gelu": True}
pretrained._PRETRAINED["Tiny"] = {"tag": tag}

IDENTITIES = {
    "some/clip": lambda: clip.checkpoint_identity("hf-hub:some/clip"),
    "some/tag": lambda: clip.checkpoint_identity("Tiny", "tag"),
    "some/lvlm": lambda: lvlm.checkpoint_identity("some/lvlm"),
    "some/sam": lambda: segment.segmenter_identity("hf-hub:some/sam"),
}
models = {}

def weight(repository, name):
    "One number of the weights, as they are loaded."
    if repository == "some/clip":
        models[repository] = clip.load_clip("hf-hub:some/clip", device="cpu")
    if repository == "some/tag":
        models[repository] = clip.load_clip("Tiny", "tag", device="cpu")
    if repository == "some/lvlm":
        models[repository] = lvlm.load_lvlm("some/lvlm", device="cpu")
    if repository == "some/sam":
        models[repository] = segment.load_segmenter("hf-hub:some/sam", device="cpu")
    model = models[repository]
    module = model.model if repository == "some/sam" else model.module
    return next(w for n, w in module.state_dict().items() if n.endswith(name)).flatten()[0].item()

def move(*repositories):
    for repository in repositories:
        urllib.request.urlopen(f"{os.environ['HF_ENDPOINT']}/move/{repository}").close()

def ids(repository):
    return models[repository].tokenizer(["ring"])[0].tolist()
"""


def folder_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def changed(files: Files, repository: str) -> Files:
    """The next state of a model's repository."""
    file, name = WEIGHTS[repository]
    tensors = load(files[file])
    return {**files, file: save({**tensors, name: tensors[name] + 1}, {"format": "pt"})}


def number(files: Files, repository: str) -> float:
    """What `weight` in a process gives for this state."""
    file, name = WEIGHTS[repository]
    return load(files[file])[name].flatten()[0].item()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """The files of each repository. The tokenizer of the CLIPs lies in one of its own."""
    clip = folder_files(DEMO / "clip")
    config = json.loads(clip["open_clip_config.json"])
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = TOKENIZER
    tokenizer = {name: clip.pop(name) for name in ("tokenizer.json", "tokenizer_config.json")}
    weights = {"open_clip_model.safetensors": clip["open_clip_model.safetensors"]}
    return {
        "some/clip": {**clip, "open_clip_config.json": json.dumps(config).encode()},
        "some/tag": weights,
        "some/lvlm": folder_files(DEMO / "lvlm"),
        "some/sam": folder_files(save_sam(tmp_path_factory.mktemp("sam"))),
        TOKENIZER: tokenizer,
    }


@pytest.fixture
def hub(models: dict[str, Files]) -> Iterator[FakeHub]:
    with fake_hub() as hub:
        for repository, files in models.items():
            hub.push(repository, files)
        yield hub


def with_loaders(code: str, cache: Path, models: dict[str, Files], hub: FakeHub | None = None, **env: str) -> Any:
    config = json.loads(models["some/clip"]["open_clip_config.json"])["model_cfg"]
    return in_process(LOADERS + code, cache, hub, [json.dumps(config)], **env)


def other_tokenizer(files: Files) -> Files:
    """A tokenizer that calls "ring" what the first calls "!"."""
    content = json.loads(files["tokenizer.json"])
    words = content["model"]["vocab"]
    words["\u0120ring"], words["!"] = words["!"], words["\u0120ring"]
    return {**files, "tokenizer.json": json.dumps(content).encode()}


def test_what_a_key_names_is_loaded_though_the_hub_moves(
    hub: FakeHub, models: dict[str, Files], tmp_path: Path
) -> None:
    first = {repository: hub.main(repository) for repository in models}
    later = {repository: changed(models[repository], repository) for repository in WEIGHTS}
    hub.coming.update({**later, TOKENIZER: other_tokenizer(models[TOKENIZER])})
    names = {repository: name for repository, (_, name) in WEIGHTS.items()}

    # The first run: its keys are made before anything is in the cache, and hold afterwards.
    moving = f"""
before = {{repository: identity() for repository, identity in IDENTITIES.items()}}
move("{TOKENIZER}", *IDENTITIES)
found = {{repository: (before[repository], weight(repository, name)) for repository, name in {names}.items()}}
after = {{repository: identity() for repository, identity in IDENTITIES.items()}}
print(json.dumps([found, after, ids("some/clip"), ids("some/tag")]))
"""
    found, after, *ids = with_loaders(moving, tmp_path, models, hub)
    for repository, (before, loaded) in found.items():
        assert before == after[repository] and before["revision"] == first[repository]
        assert loaded == number(models[repository], repository)
    assert [found[name][0]["text"] for name in ("some/clip", "some/tag")] == [{TOKENIZER: first[TOKENIZER]}] * 2
    words = json.loads(models[TOKENIZER]["tokenizer.json"])["model"]["vocab"]
    assert ids[0][:2] == ids[1][:2] == [words["<bos>"], words["\u0120ring"]]

    # A later one does not take the old revision for the new one. What open_clip makes of it by itself is the same.
    still = f"""
found = {{repository: (IDENTITIES[repository](), weight(repository, name)) for repository, name in {names}.items()}}
equal = []
for repository, own in [
    ("some/clip", open_clip.create_model("hf-hub:some/clip")),
    ("some/tag", open_clip.create_model("Tiny", pretrained="tag", force_quick_gelu=True)),
]:
    ours = models[repository].module
    states = ours.state_dict(), own.state_dict()
    equal.append(states[0].keys() == states[1].keys() and all(states[0][n].equal(states[1][n]) for n in states[0]))
    equal.append(ours.visual.preprocess_cfg == own.visual.preprocess_cfg and str(ours) == str(own))
    equal.append(ids(repository) == open_clip.get_tokenizer("Tiny")(["ring"])[0].tolist())
print(json.dumps([found, equal, ids("some/clip"), ids("some/tag")]))
"""
    online = with_loaders(still, tmp_path, models, hub)
    found, equal, *ids = online
    for repository, (identity, loaded) in found.items():
        assert identity["revision"] == hub.main(repository) != first[repository]
        assert loaded == number(later[repository], repository)
    assert [found[name][0]["text"] for name in ("some/clip", "some/tag")] == [{TOKENIZER: hub.main(TOKENIZER)}] * 2
    assert ids[0][:2] == ids[1][:2] == [words["<bos>"], words["!"]]
    assert all(equal), equal

    # Offline nothing changes, and no request is made.
    before = len(hub.asked)
    assert with_loaders(still, tmp_path, models, hub, HF_HUB_OFFLINE="1") == online
    assert len(hub.asked) == before


def test_a_run_finds_the_results_of_the_first_one_until_the_model_moves(
    hub: FakeHub, models: dict[str, Files], tmp_path: Path
) -> None:
    run = """
import json
from api_graph import run_graph

events = []
run_graph(
    "api_clip",
    {"query": "ring", "3.model": "hf-hub:some/clip", "3.device": "cpu"},
    cache="results",
    listener=lambda event: events.append((event.kind, event.title)),
)
print(json.dumps([title for kind, title in events if kind == "started"]))
"""
    ran = in_process(run, tmp_path, hub)
    assert {"Load CLIP", "Encode image", "Encode query"} <= set(ran)
    again = in_process(run, tmp_path, hub)
    offline = in_process(run, tmp_path, HF_HUB_OFFLINE="1")
    assert not {"Load CLIP", "Encode image", "Encode query"} & {*again, *offline}
    hub.push("some/clip", changed(models["some/clip"], "some/clip"))
    assert {"Load CLIP", "Encode image", "Encode query"} <= set(in_process(run, tmp_path, hub))


@pytest.mark.parametrize("noted", [False, True], ids=["nothing in the cache", "only the revision in the cache"])
def test_offline_without_the_model_every_loader_says_so(models: dict[str, Files], tmp_path: Path, noted: bool) -> None:
    for repository in models if noted else ():
        reference = tmp_path / "hub" / f"models--{repository.replace('/', '--')}" / "refs" / "main"
        reference.parent.mkdir(parents=True)
        reference.write_text("0" * 40)
    code = f"""
said = []
for repository, name in {[(repository, name) for repository, (_, name) in WEIGHTS.items()]}:
    try:
        weight(repository, name)
    except BadInput as error:
        said.append(str(error))
print(json.dumps(said))
"""
    said = with_loaders(code, tmp_path, models, HF_HUB_OFFLINE="1")
    assert len(said) == len(WEIGHTS)
    for line in said:
        assert "could not be downloaded" in line and "HF_HUB_OFFLINE is set" in line and "\n" not in line
