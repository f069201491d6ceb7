"""Checkpoints that are wrong, broken or hostile, and models whose maps say nothing."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from api_graph.nodes import blend, heatmap
from api_graph.nodes.attribution import normalize_map
from PIL import Image
from safetensors.torch import load_file, save_file

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

from .conftest import Cli

WEIGHTS = "open_clip_model.safetensors"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("dmo", "Did you mean demo?"),
        ("ViT-B-33/openai", "Did you mean ViT-B-32"),
        ("ViT-B-32/opnai", "Did you mean openai?"),
        ("ViT-B-32", "an architecture alone would have random weights"),
        ("", "no such thing in the model folders"),
        ("/no/such/folder", "model: there is no such file or folder"),
        ("x" * 5000, "unknown model"),
        (".", "open_clip_config.json is missing"),
    ],
)
def test_an_unknown_model(cli: Cli, model: str, said: str) -> None:
    answer = cli("run", "api_clip_cls", model=model)
    assert answer.code == 1
    assert answer.error().startswith('node 3 "Load CLIP": model: ')
    assert said in answer.error()


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        (WEIGHTS, lambda data: data[: len(data) // 2], "the checkpoint cannot be read"),
        (WEIGHTS, lambda data: b"", "the checkpoint cannot be read"),
        (WEIGHTS, lambda data: b"\xff" * 999, "the checkpoint cannot be read"),
        ("open_clip_config.json", lambda data: data[:99], "it describes no model"),
        ("open_clip_config.json", lambda data: b"5", "it describes no model"),
        ("open_clip_config.json", lambda data: b'{"model_cfg": 5}', "it describes no model"),
        ("tokenizer.json", lambda data: data[:99], "tokenizer could not be loaded"),
    ],
)
def test_a_corrupt_checkpoint(
    cli: Cli, model_folder: Path, file: str, damage: Callable[[bytes], bytes], said: str
) -> None:
    (model_folder / file).write_bytes(damage((model_folder / file).read_bytes()))
    error = cli("run", "api_clip_cls", model=model_folder).error()
    assert error.startswith('node 3 "Load CLIP": model: ')
    assert said in error and str(model_folder)[-20:] in error


class Bomb:
    """What unpickles to a file that should never be there."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.mkdir, ("exploded",)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["old.pt", "new.pt", "weights.bin"])
def test_a_pickle_that_would_run_code_does_not_run_it(cli: Cli, name: str) -> None:
    if name == "new.pt":
        torch.save({"visual.proj": Bomb()}, name)
    else:
        Path(name).write_bytes(pickle.dumps(Bomb()))
    answer = cli("run", "api_clip_cls", "--set", f"Load CLIP.checkpoint={name}", model="ViT-S-32-alt")
    assert answer.error().startswith('node 3 "Load CLIP": checkpoint: the checkpoint is damaged, or holds more than ')
    assert "code in it is never run" in answer.error()
    assert not Path("exploded").exists()


# ------------------------------------------------------------------------------------- maps that say nothing


def fill(folder: Path, name: str, value: float) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[name] = torch.full_like(tensors[name], value)
    save_file(tensors, folder / WEIGHTS)


def test_weights_that_make_nan_are_an_error_of_the_first_node_that_looks(cli: Cli, model_folder: Path) -> None:
    fill(model_folder, "visual.proj", float("nan"))
    answer = cli("run", "api_clip_cls", "--quiet", model=model_folder)
    errors = answer.lines()
    assert answer.code == 1
    assert errors[0].startswith('node 7 "Normalize map": attribution: map 0 holds NaN or infinite values (got nan).')
    assert "Look at the step that made it" in errors[0]
    assert not list(Path("output").glob("*"))


def test_a_constant_map_is_a_uniform_heatmap_and_a_warning(cli: Cli, model_folder: Path) -> None:
    fill(model_folder, "visual.proj", 0.0)
    answer = cli("run", "api_clip_map", model=model_folder)
    assert answer.code == 0
    assert [w for w in answer.lines("warning") if "map 0 of 1 is constant" in w and "uniform 0.5" in w]
    with Image.open("output/map_00001_.png") as picture:
        assert picture.mode == "L" and picture.getextrema() == (128, 128)


def nan_map() -> Attribution:
    values = torch.zeros(1, 3, 3)
    values[0, 1, 1] = float("nan")
    return Attribution(values, (Geometry.whole(6, 6),))


@pytest.mark.parametrize(
    "step",
    [
        lambda: normalize_map(nan_map()),
        lambda: normalize_map(nan_map(), mode="none"),
        lambda: heatmap.resize(nan_map()),
        lambda: heatmap.resize(nan_map(), geometry="reference"),
        lambda: heatmap.normalize_heatmap(nan_map().values),
        lambda: blend.blend(torch.zeros(1, 3, 3, 3), nan_map().values),
        lambda: blend.blend(torch.zeros(1, 3, 3, 3), nan_map().values, arithmetic="reference"),
    ],
)
def test_nan_in_a_map_never_becomes_a_picture(step: Callable[[], object]) -> None:
    with pytest.raises(BadInput, match=r"NaN or infinite values.* Look at the step that made it"):
        step()
