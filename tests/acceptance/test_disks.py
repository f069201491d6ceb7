"""Folders that cannot be written, disks that are full, and two runs on one cache at once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import STAR, Cli

ROOT = Path(__file__).parents[2]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`full_disk(".png")`: from now on no file of that kind fits."""
    replace = os.replace

    def fill(suffix: str) -> None:
        def full(source: str | Path, target: str | Path) -> None:
            if str(target).endswith(suffix):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)

        monkeypatch.setattr("os.replace", full)

    return fill


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("out", ["a_file", "a_file/deeper", "loop"])
def test_an_output_folder_that_is_none(cli: Cli, out: str) -> None:
    Path("a_file").touch()
    Path("loop").symlink_to("loop")
    answer = cli("run", "api_clip_cls", "--out", out)
    assert answer.code == 2
    assert answer.error().startswith("--out: is a file, where a folder is wanted (got ")
    assert answer.error().endswith("Name another.")


def test_a_full_disk_costs_the_files_and_not_the_work(cli: Cli, full_disk: Callable[[str], None]) -> None:
    full_disk(".png")
    answer = cli("run", "api_clip_map", query=STAR)
    heatmap, overlay = answer.lines()
    assert answer.code == 1
    assert heatmap.startswith('node 10 "Heatmap": filename_prefix: cannot be written (No space left on device) (got ')
    assert heatmap.endswith("Free some space, or choose a folder that you may write to.")
    assert overlay.startswith('node 12 "Heatmap overlay": ')
    assert "peak at" in answer.out  # what does not write goes on
    assert files_in(Path("output")) == []  # nothing half-written, no name left reserved


def test_after_a_full_disk_the_next_run_only_writes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *rest: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)
        assert cli("run", "api_clip_map").code == 1
    actions = cli("run", "api_clip_map", "--json").actions
    assert (actions["Load CLIP"], actions["Mean filter"], actions["Heatmap"]) == ("unneeded", "disk", "ran")


def test_a_full_disk_under_the_cache_is_a_warning(cli: Cli, full_disk: Callable[[str], None], tmp_path: Path) -> None:
    full_disk(".safetensors")
    answer = cli("run", "api_clip_map")
    (warning,) = answer.lines("warning")
    assert answer.code == 0
    assert warning.startswith("results are not kept on disk: ")
    assert warning.endswith("cannot be written (No space left on device)")
    assert len(files_in(Path("output"))) == 2
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_cache_that_is_a_file_is_a_warning_or_an_error_where_it_was_typed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a_file").touch()
    assert cli("run", "api_clip_map", "--cache", "a_file").error().startswith("--cache: is a file")
    monkeypatch.setenv("API_GRAPH_CACHE", "a_file")
    answer = cli("run", "api_clip_map")
    assert answer.code == 0
    assert answer.lines("warning") == ["results are not kept on disk: a_file cannot be written (Not a directory)"]


def test_two_processes_on_one_cache_at_once(cli: Cli, tmp_path: Path) -> None:
    """Both go through; their files are the same; and what they have kept is whole."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "api_graph", "run", "api_clip_cls", "--quiet", "--no-metadata", "--set"]
    runs = [
        subprocess.Popen([*words, f"query={STAR}", "--out", name], env=surroundings, stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 2
    first, second = ({p.name: p.read_bytes() for p in files_in(Path(name))} for name in ("one", "two"))
    assert len(first) == 3 and first == second
    again = cli("run", "api_clip_cls", "--json", "--no-metadata", "--out", "one", query=STAR)
    assert again.lines("warning") == []
    assert {again.actions[title] for title in ("Load CLIP", "Encode image", "Encode query")} == {"unneeded"}
    assert not list((tmp_path / "cache").rglob("*.part"))
