"""The same table on Ray and in this process; actors that are killed; clusters without room."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.errors import BadInput
from api_graph.table.journal import read_records
from api_graph.table.map import map_graph
from api_graph.table.ray_actor import MOST_ATTEMPTS, counted_attempt, row_from_text, row_to_text
from api_graph.table.ray_cluster import RayOptions, Room, room
from api_graph.table.rows import Row

ROOT = Path(__file__).parents[2]
ROWS = 24
GPU_NODE = {"CPU": 16.0, "GPU": 4.0}

ray = pytest.importorskip("ray", reason="needs api-graph[ray]")
pytest.importorskip("ray.data", reason="needs api-graph[ray]")
pytestmark = [
    # Ray's own threads and sockets, in this process, end when it likes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows about six pictures; one names a picture that is not there."""
    folder = tmp_path_factory.mktemp("table")
    for number in range(6):
        Image.new("RGB", (40, 30), (40 * number, 90, 200)).save(folder / f"{number}.png")
    rows = [{"image": f"{n % 6}.png", "query": f"a square, {n}"} for n in range(ROWS - 1)]
    rows.append({"image": "missing.png", "query": "a square"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def local(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the local engine makes of it."""
    return run(table, tmp_path_factory.mktemp("local"), None)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of four processors, which the engine finds this process connected to."""
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": ""}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        store = 256 << 20
        ray.init(address="local", num_cpus=4, object_store_memory=store, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def run(table: Path, output: Path, options: RayOptions | None, **more: Any) -> Path:
    for _ in map_graph("api_clip_map", table / "rows.jsonl", output=output, cache=False, ray=options, **more):
        pass
    return output


def results(output: Path) -> dict[int, Mapping[str, Any]]:
    """Records by row, without what depends on time and on the order of rows."""
    unstable = {"seconds", "ran", "cached", "steps", "written"}
    records = list(read_records(output))
    assert len(records) == len({record["row"] for record in records})
    return {record["row"]: {k: v for k, v in record.items() if k not in unstable} for record in records}


def files(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in (output / "files").rglob("*.png")}


def actors() -> list[int]:
    """Processes of Ray Data's actors on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"MapWorker" in path.read_bytes() and _is_descendant(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def _is_descendant(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_same_rows_and_files_as_in_one_process(table: Path, local: Path, cluster: None, tmp_path: Path) -> None:
    output = run(table, tmp_path, RayOptions(2))
    assert results(output) == results(local)
    assert len(results(output)) == ROWS
    assert files(output) == files(local)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds the actor's process in /proc")
def test_killed_actor_costs_no_row(table: Path, local: Path, cluster: None, tmp_path: Path) -> None:
    rows = map_graph("api_clip_map", table / "rows.jsonl", output=tmp_path, cache=False, ray=RayOptions(1))
    next(rows)
    (actor,) = actors()
    os.kill(actor, signal.SIGKILL)
    assert len(list(rows)) == ROWS - 1
    assert results(tmp_path) == results(local)
    assert files(tmp_path) == files(local)


def test_goes_on_where_another_engine_stopped(table: Path, local: Path, cluster: None, tmp_path: Path) -> None:
    run(table, tmp_path, None, limit=ROWS // 2)
    rest = map_graph("api_clip_map", table / "rows.jsonl", output=tmp_path, cache=False, ray=RayOptions(1))
    assert sorted(result.number for result in rest) == list(range(ROWS // 2, ROWS))
    assert results(tmp_path) == results(local)


def test_a_grid_gives_the_same_as_in_one_process(table: Path, cluster: None, tmp_path: Path) -> None:
    own = {"start_layer": [-1, -2], "kernel_size": [1, 7]}
    outputs = [
        run(table, tmp_path / name, options, grid=own, limit=6)
        for name, options in (("local", None), ("ray", RayOptions(2)))
    ]
    assert results(outputs[0]) == results(outputs[1]) and len(results(outputs[1])) == 24
    assert files(outputs[0]) == files(outputs[1])


def test_no_room_is_said_at_once(table: Path, cluster: None, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="room for 4 actors"):
        run(table, tmp_path, RayOptions(5))
    with pytest.raises(BadInput, match="room for 0 actors"):
        run(table, tmp_path, RayOptions(1, gpus_per_actor=0.5))


@pytest.mark.parametrize(
    ("options", "nodes", "expected"),
    [
        (RayOptions(), [{"CPU": 8.0}], Room(1, 8, 0)),
        (RayOptions(3), [{"CPU": 8.0}], Room(3, 2, 0)),
        (RayOptions(3), [{"CPU": 8.0}, {"CPU": 4.0}], Room(3, 4, 0)),
        (RayOptions(), [GPU_NODE], Room(4, 4, 1)),
        (RayOptions(), [GPU_NODE, {"CPU": 8.0}], Room(4, 4, 1)),
        (RayOptions(gpus_per_actor=2), [GPU_NODE, GPU_NODE], Room(4, 8, 2)),
        (RayOptions(gpus_per_actor=0.3), [GPU_NODE], Room(12, 1, 0.3)),
        (RayOptions(2, gpus_per_actor=0), [GPU_NODE], Room(2, 8, 0)),
    ],
)
def test_room(options: RayOptions, nodes: list[dict[str, float]], expected: Room) -> None:
    assert room(options, nodes) == expected


@pytest.mark.parametrize(
    ("options", "input"),
    [
        (RayOptions(9), "--concurrency"),
        (RayOptions(gpus_per_actor=0.5), "--gpus-per-actor"),
    ],
)
def test_no_room(options: RayOptions, input: str) -> None:
    with pytest.raises(BadInput, match="cluster has 8 CPUs and 0 GPUs") as error:
        room(options, [{"CPU": 8.0}])
    assert error.value.input == input


@pytest.mark.parametrize("wrong", [{"actors": 0}, {"gpus_per_actor": -1.0}, {"gpus_per_actor": 1.5}])
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        RayOptions(**wrong)


@pytest.mark.parametrize(
    "row",
    [
        Row(3, "ab-2", {"query": "grün\udcff", "x": [1, None, 0.1]}),
        Row(4, "cd", {}, BadInput("it is no object", input="ROWS", value=(1, 2), hint="Mend it.")),
    ],
)
def test_rows_travel_as_texts(row: Row) -> None:
    back = row_from_text(row_to_text(row))
    assert (back.number, back.key, back.values) == (row.number, row.key, row.values)
    assert (back.fault is None) == (row.fault is None)


def test_block_that_ends_its_process_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "api-graph-run-key").write_bytes(b"." * (MOST_ATTEMPTS - 1))
    with counted_attempt("run-key", 8):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    (tmp_path / "api-graph-run-key").write_bytes(b"." * MOST_ATTEMPTS)
    with pytest.raises(RuntimeError, match="ended its process"), counted_attempt("run-key", 8):
        pass


def test_command_line_is_quiet(table: Path, tmp_path: Path) -> None:
    """From a folder where api_graph is only to be found by PYTHONPATH, on a cluster of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "API_GRAPH_CACHE": str(tmp_path / "cache")}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-m", "api_graph", "map", "api_clip_map", "rows.jsonl", "--out", str(tmp_path / "out")]
    ran = subprocess.run(
        [*command, "--engine", "ray", "--limit", "3", "--no-cache"],
        cwd=table,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    columns, kept, *progress = ran.stderr.splitlines()
    assert columns.startswith("columns: ") and kept.startswith("the same for all rows"), ran.stderr
    progress = [line for line in progress if not line.startswith("warning: The demo model knows")]
    assert all(" of 3 rows, " in line for line in progress), ran.stderr
    assert ran.stdout.startswith("3 rows: 3 ok")
