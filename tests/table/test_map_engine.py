"""What a run over a table shares, waits for and survives: models, encodings, memory, servers, disks."""

from __future__ import annotations

import errno
import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api_graph import clip
from api_graph.executor import Event
from api_graph.graph import set_inputs
from api_graph.pixels import write as picture_files
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.chunks import ReferenceCounts
from api_graph.table.map import engine_of, map_graph
from api_graph.table.options import RunOptions
from api_graph.table.output import WriteFailed
from api_graph.table.plan import plan_of
from api_graph.table.ray_cluster import RayOptions
from api_graph.table.run import TableRun
from api_graph.table.worker import Worker, run_local
from tests.lvlm.remote.server import Server, after, running, says
from tests.table.runs import GRAPH, picture, records, results, rows_of, table

PICTURES, QUESTIONS = 40, 5


def run_heard(folder: Path, rows: list[dict[str, Any]], **options: Any) -> tuple[TableRun, list[Event]]:
    """Run the rows to the end; the events of the executor too."""
    registry, heard = all_nodes(), []
    path, graph = table(folder, rows), open_graph(GRAPH)
    plan = plan_of(graph, GRAPH, path, folder / "out", registry, {}, RunOptions(cache=None, **options))
    run = TableRun(plan)
    for _ in run.records(engine_of(plan, listener=heard.append)):
        pass
    return run, heard


@pytest.mark.parametrize("order", ["by picture", "by question"])
def test_each_picture_is_encoded_once_and_the_model_loaded_once(tmp_path: Path, order: str) -> None:
    rows = rows_of(PICTURES, QUESTIONS)
    rows.sort(key=lambda row: row["query"] if order == "by question" else row["image"])
    run, heard = run_heard(tmp_path, rows, memory=2**28)
    done = [event.title for event in heard if event.kind == "done"]
    assert run.failed == 0
    assert done.count("Load CLIP") == 1
    assert done.count("Encode image") == done.count("image") == PICTURES
    assert done.count("Encode query") == PICTURES * QUESTIONS


def test_rows_of_equal_content_are_computed_once(tmp_path: Path) -> None:
    rows = [{**row, "id": turn} for row in rows_of(3, 1) for turn in range(30)]
    _, heard = run_heard(tmp_path, rows)
    done = [event.title for event in heard if event.kind == "done"]
    assert (done.count("Encode image"), done.count("Mean filter"), done.count("Heatmap")) == (3, 3, 90)


def test_what_no_row_to_come_needs_is_not_held(tmp_path: Path) -> None:
    path = table(tmp_path, rows_of(30, 4))
    registry = all_nodes()
    plan = plan_of(open_graph(GRAPH), GRAPH, path, tmp_path / "out", registry, {}, RunOptions(cache=None))
    worker = Worker(plan.job)
    memory = worker.executor.memory
    assert memory is not None
    worker.references = ReferenceCounts(worker.binding.nodes_by_columns(plan.table.columns), plan.rows())
    for _ in run_local(worker, plan.rows()):
        pass
    assert len(memory) == 0


def test_memory_that_runs_out_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encode = clip.encode_image_at

    def short_of_memory(model: Any, images: Any, choices: Any) -> Any:
        sizes.append(len(images))
        if len(images) > 3:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")
        return encode(model, images, choices)

    path = table(tmp_path, rows_of(24, 1))
    list(map_graph(GRAPH, path, output=tmp_path / "a", cache=False))
    monkeypatch.setattr(clip, "encode_image_at", short_of_memory)
    found = list(map_graph(GRAPH, path, output=tmp_path / "b", cache=False))
    assert [result.error for result in found] == [None] * 24
    assert max(sizes) > 3
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_a_full_disk_stops_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, rows_of(20, 2))
    encode, written, lock = picture_files.encode, [0], threading.Lock()

    def full(*given: Any) -> None:
        with lock:
            written[0] += 1
            room = written[0] <= 30
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        encode(*given)

    with monkeypatch.context() as patch:
        patch.setattr(picture_files, "encode", full)
        with pytest.raises(WriteFailed, match="no space left on the device"):
            list(map_graph(GRAPH, path, output=tmp_path / "out", cache=False))
    before = records(tmp_path / "out")
    assert all(record["ok"] for record in before) and len(before) < 40
    rest = list(map_graph(GRAPH, path, output=tmp_path / "out", cache=False))
    assert len(rest) == 40 - len(before) and all(result.ok for result in rest)
    list(map_graph(GRAPH, path, output=tmp_path / "clean", cache=False))
    assert results(tmp_path / "out") == results(tmp_path / "clean")


@contextmanager
def endpoint(patch: pytest.MonkeyPatch, path: Path, latency: float, slots: int) -> Iterator[Server]:
    """A server that answers after so many seconds, as the profile `slow`."""
    with running() as server:
        server.replies = [after(latency, says("red"))]
        profile = f'[slow]\nbase_url = "{server.url}"\nmodels = ["m"]\nconcurrency = {slots}\n'
        path.write_text(profile, "utf-8")
        patch.setenv("API_GRAPH_ENDPOINTS", str(path))
        yield server


def test_a_server_s_slots_are_all_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is asked once; as many at a time as the profile allows, and never more."""
    picture(tmp_path / "0.png", 0)
    rows = [{"image": "0.png", "query": f"what is {number}?"} for number in range(160)]
    with endpoint(monkeypatch, tmp_path / "endpoints.toml", 0.1, 16) as server:
        graph = set_inputs(open_graph("lvlm_ask"), all_nodes(), {"answerer": "endpoint:slow/m"})
        found = list(map_graph(graph, rows, output=tmp_path / "out", input_folders=[tmp_path], cache=False, threads=16))
    assert [result.error for result in found] == [None] * len(rows)
    assert (len(server.seen), server.most_at_once) == (len(rows), 16)


@pytest.mark.parametrize("module", ["map", "ray_engine", "ray_cluster"])
def test_the_old_name_of_the_ray_options_warns(module: str) -> None:
    loaded = importlib.import_module(f"api_graph.table.{module}")
    with pytest.warns(DeprecationWarning, match="RayWishes is called RayOptions now"):
        assert loaded.RayWishes is RayOptions
    with pytest.raises(AttributeError):
        loaded.RayHopes  # noqa: B018
