"""One reading of models' names for all loaders, and what stays on this machine is named by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.files import sha256_of
from api_graph.models.source import (
    ModelFolder,
    Source,
    clip_source,
    lvlm_source,
    names_repository,
    read_name,
    segmenter_source,
    shortened,
)

EXPECTED = ModelFolder("config.json", "kind", str, (".weights",), (".weights", ".json"), holds="It holds a model.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder, seen from the folder that it lies in."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "org" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"kind": "small"}')
    (folder / "a.weights").write_text("1 2 3")
    return folder


@pytest.mark.parametrize(
    ("name", "bare", "with_prefix"),
    [
        ("org/model", True, False),
        ("hf-hub:org/model", True, True),
        ("hf-hub:some-org/a_model-1.5", True, True),
        ("model", False, False),
        ("hf-hub:model", False, False),
        ("hf-hub:", False, False),
        ("a/b/c", False, False),
        ("hf-hub:a/b/c", False, False),
        ("./model", False, False),
        ("../model", False, False),
        ("hf-hub:../model", False, False),
        ("hf-hub:org/..", False, False),
        ("/org/model", False, False),
        ("org/model:tag", False, False),
        ("org\\model", False, False),
        ("", False, False),
    ],
)
def test_names_of_repositories(name: str, bare: bool, with_prefix: bool) -> None:
    assert names_repository(name) == bare
    assert names_repository(name, bare=False) == with_prefix


@pytest.mark.parametrize("name", ["org/model", "./org/model", "local-dir:org/model", "local-dir:./org/model"])
def test_names_of_folders(folder: Path, name: str) -> None:
    source = read_name(name, EXPECTED)
    assert source is not None and source.path is not None and source.path.resolve() == folder
    assert source.repository is None
    contents = {file: sha256_of(folder / file) for file in ("a.weights", "config.json")}
    assert source.identity() == {"folder": contents}
    (folder / "README.md").write_text("this decides nothing")
    assert source.identity() == {"folder": contents}


def test_absolute_paths_are_folders(folder: Path) -> None:
    assert read_name(str(folder), EXPECTED) == Source(str(folder), path=folder, deciding=(".weights", ".json"))


def test_what_transformers_would_read_in_place_of_a_repository(folder: Path) -> None:
    with pytest.raises(BadInput, match="name: a file or folder of that name lies here"):
        read_name("hf-hub:org/model", EXPECTED)
    assert read_name("hf-hub:org/model", EXPECTED, bare=False) == Source("org/model", repository="org/model")
    (folder.parent / "file").touch()
    with pytest.raises(BadInput, match="name: a file or folder of that name lies here"):
        read_name("org/file", EXPECTED)


def test_what_is_no_model(folder: Path) -> None:
    (folder / "a.weights").unlink()
    with pytest.raises(BadInput, match=r"name: the model's folder holds no weights \(.weights\) .*It holds a model"):
        read_name("org/model", EXPECTED)
    for damaged in ("{", "[]", "{}", '{"kind": 1}', "[" * 100_000):
        (folder / "config.json").write_text(damaged)
        with pytest.raises(BadInput, match=r"name: config.json is damaged: it describes no model by its kind"):
            read_name("org/model", EXPECTED)
    (folder / "config.json").unlink()
    with pytest.raises(BadInput, match=r"name: there is no model there: config.json is missing"):
        read_name("org/model", EXPECTED)
    with pytest.raises(BadInput, match="name: there is no such folder"):
        read_name("local-dir:org/nothing", EXPECTED)


def test_what_brings_its_own_weights_takes_no_others(folder: Path) -> None:
    for name in ("org/model", "hf-hub:some/model"):
        with pytest.raises(BadInput, match=f"pretrained: '{name}' brings its own weights"):
            read_name(name, EXPECTED, "openai", bare=False)


def test_a_checkpoint_is_its_content(folder: Path) -> None:
    file = folder / "a.weights"
    source = Source("an architecture", path=file, pretrained=str(file))
    assert source.identity() == {"name": "an architecture", "checkpoint": sha256_of(file)}
    assert Source("an architecture", pretrained="a tag").identity() == {
        "name": "an architecture",
        "pretrained": "a tag",
    }


@pytest.mark.parametrize("read", [clip_source, lvlm_source, segmenter_source])
def test_all_loaders_read_names_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read) -> None:
    monkeypatch.chdir(tmp_path)
    assert read("hf-hub:some/model") == Source("some/model", repository="some/model")
    (tmp_path / "here").mkdir()
    for name in ("here", "./here", "local-dir:here", str(tmp_path / "here")):
        with pytest.raises(BadInput, match=r"name: there is no model there: \S*config.json is missing"):
            read(name)
    with pytest.raises(BadInput, match="name: there is no such folder"):
        read("./nowhere")


def test_a_plain_name_with_a_slash_is_a_repository_but_for_clip() -> None:
    assert lvlm_source("some/model") == segmenter_source("some/model") == Source("some/model", repository="some/model")
    with pytest.raises(BadInput, match="name: unknown model"):
        clip_source("some/model")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is gone.", "It is gone"),
        ("a" * 300, "a" * 260 + "…"),
        ("word " * 80, ("word " * 51).strip() + " …"),  # 51·5 − 1 + 2 = 256 letters; 52 words would have 261
        ("It is gone. " + "word " * 80, "It is gone. " + ("word " * 49).strip() + " …"),
        ("word " * 40 + "end. " + "word " * 80, "word " * 40 + "end"),
    ],
)
def test_what_others_say_is_cut_between_words(text: str, said: str) -> None:
    assert shortened(text) == said


def test_the_demo_models_keys_stand() -> None:
    """Cached results of the models that come with this package are found under them."""
    demo = Path(__file__).parents[2] / "api_graph" / "demo"
    of_clip = ["open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert clip_source("demo").identity() == {"folder": {name: sha256_of(demo / "clip" / name) for name in of_clip}}
    of_lvlm = ["chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"]
    of_lvlm += ["preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json"]
    assert lvlm_source("demo").identity() == {"folder": {name: sha256_of(demo / "lvlm" / name) for name in of_lvlm}}
