"""Rows' files in tars: what others read there, and that no stop, wherever it comes, leaves too much or too little."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph import map_graph, read_results
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.report.page import write_report
from api_graph.table.journal import packed_key
from api_graph.table.merge import merge_shards
from api_graph.table.rows import content_digest, open_table
from api_graph.table.tars import STATES, RowTars, members_of, remove
from api_graph.table.verify import verify
from tests.table import runs

MIB = 1 << 20


def ran(folder: Path, out: str = "out", count: int = 6, **more: Any) -> Path:
    rows = runs.table(folder, runs.rows_of(count, 2))
    for result in map_graph(runs.GRAPH, rows, output=folder / out, **{"cache": False, "tar": MIB, **more}):
        assert result.ok, result.error
    return folder / out


def contents(out: Path) -> dict[str, bytes]:
    """Every file in the tars, by its name; each is there once."""
    found: dict[str, bytes] = {}
    for path in sorted(out.rglob("*.tar")):
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None and member.name not in found, "a file is there twice"
                found[member.name] = file.read()
        assert path.stat().st_size % 512 == 0 and path.read_bytes()[-1024:] == bytes(1024)
    return found


def named(out: Path) -> set[str]:
    """The files that the lines name, without their tars, and the samples' own."""
    names = {name for record in runs.records(out) for name in record["written"]}
    assert all((out / name).parent.suffix == ".tar" and (out / name).parent.is_file() for name in names)
    return {Path(name).name for name in names} | {f"{record['key']}.json" for record in runs.records(out)}


def test_the_samples(tmp_path: Path) -> None:
    out, plain = ran(tmp_path, maps="npz"), ran(tmp_path, "plain", maps="npz", tar=None)
    found, usual = contents(out), {row.key: row for row in read_results(plain)}
    assert len(found) == 4 * 12 and found.keys() == named(out)
    assert not (out / "files").exists()
    for row in read_results(out):
        assert {name for name in found if name.startswith(f"{row.key}.")} == {
            f"{row.key}.{ending}" for ending in ("json", "heatmap.png", "heatmap-overlay.png", "maps.npz")
        }
        facts = json.loads(found[f"{row.key}.json"])
        assert (facts["row"], facts["ok"], facts["values"]) == (row.number, True, row.values)
        assert facts["results"] == {"Figures": row.results["Figures"]}
        for title, name in (("Heatmap", "heatmap"), ("Heatmap overlay", "heatmap-overlay")):
            (path,) = row.results[title]["files"]
            with row.open_file(path) as file, Image.open(file) as picture:
                pixels = picture.tobytes()
            with Image.open(usual[row.key].results[title]["files"][0]) as meant:
                assert pixels == meant.tobytes()
            content = found[f"{row.key}.{name}.png"]
            record = next(record for record in runs.records(out) if record["key"] == row.key)
            state = record["written"][path.relative_to(out).as_posix()]
            assert state["size"] == len(content) and state["sha256"] == hashlib.sha256(content).hexdigest()
        for title, (saved,) in row.maps.items():
            assert np.array_equal(saved.values, usual[row.key].maps[title][0].values)


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_tar_itself_reads_them(tmp_path: Path) -> None:
    out = ran(tmp_path)
    listed = subprocess.run(["tar", "tf", "tars/000000.tar"], cwd=out, capture_output=True, text=True, check=True)
    assert not listed.stderr and {*listed.stdout.split()} == contents(out).keys()


def test_they_are_a_table_again(tmp_path: Path) -> None:
    out = ran(tmp_path)
    rows = {row.values["__key__"]: row for row in open_table(str(out / "tars" / "*.tar"))}
    assert rows.keys() == {record["key"] for record in runs.records(out)}
    for row in rows.values():
        assert {"heatmap", "heatmap-overlay", "values", "results"} <= row.values.keys() and len(row.pictures) == 2


def test_their_sizes_have_a_bound(tmp_path: Path) -> None:
    for i in range(10):
        noise = np.random.default_rng(i).integers(0, 256, (300, 300, 3), np.uint8)
        (tmp_path / "pics").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / "pics" / f"{i}.png")
    out = ran(tmp_path, count=10)
    tars = sorted((out / "tars").glob("*.tar"))
    assert [path.name for path in tars] == [f"{i:06}.tar" for i in range(len(tars))] and len(tars) >= 3
    sizes = [path.stat().st_size for path in tars]
    assert max(sizes) <= MIB and min(sizes[:-1]) > MIB * 2 // 3
    for path in tars:  # a row is in one
        there = {member.name for member in members_of(path)}
        keys = {name.partition(".")[0] for name in there}
        assert there == {name for name in contents(out) if name.partition(".")[0] in keys}
    assert verify(out, depth="content").ok


@pytest.mark.skipif(os.name != "posix", reason="forks and signals as POSIX has them")
@pytest.mark.parametrize("seed", ["3", "8"])
def test_killed_at_random_moments(tmp_path: Path, seed: str) -> None:
    runs.table(tmp_path, runs.rows_of(15, 3))
    options = json.dumps({"tar": MIB, "maps": "npz"})
    command = [sys.executable, "-m", "tests.table.kill_often", str(tmp_path), "5", seed, options]
    surroundings = runs.surroundings(tmp_path / "cache")
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.ROOT, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert len(runs.records(out)) == 45 and contents(out).keys() == named(out)
    assert verify(out, depth="content").ok and not (out / "files").exists()


# ------------------------------------------------------------------------------------------ every moment


def key_of(number: int) -> str:
    return content_digest(str(number).encode()).hex()


def written(out: Path, number: int, size: int, try_: int) -> tuple[Any, dict[str, bytes]]:
    """A row's record and files, as a worker leaves them, and what its tar is to have."""
    key = key_of(number)
    folder = out / "files" / key[:2] / key
    folder.mkdir(parents=True, exist_ok=True)
    content = bytes([number, try_]) * size
    (folder / "a.png").write_bytes(content)
    name = f"files/{key[:2]}/{key}/a.png"
    record = {
        "row": number,
        "key": key,
        "ok": True,
        "values": {"n": number},
        "files": {"5": [name]},
        "written": {name: {"size": len(content), "mtime_ns": 1, "sha256": ""}},
        "results": {"Saved": {"files": [name]}},
    }
    return record, {f"{key}.saved.png": content}


@given(
    sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=8),
    known=st.integers(0, 8),
    cut=st.floats(0, 1),
    lost=st.sets(st.integers(0, 7), max_size=3),
    most=st.sampled_from([2000, 6000, 10**6]),
)
@settings(max_examples=80, deadline=None)
def test_a_run_that_stops_anywhere(
    tmp_path_factory: pytest.TempPathFactory, sizes: Sequence[int], known: int, cut: float, lost: set[int], most: int
) -> None:
    """Some rows have lines, one is being written, some lines are dropped for a repair: what has a line is there."""
    out = tmp_path_factory.mktemp("tars")
    tars, wanted, ends = RowTars(out / "tars", out, most, ()), dict[int, dict[str, bytes]](), list[tuple[Path, int]]()
    for number, size in enumerate(sizes):
        record, wanted[number] = written(out, number, size, 0)
        folders = tars.take([record], {"5": "Saved"})
        if number < known:
            remove(folders)
        last = max((out / "tars").glob("*.tar"))
        ends.append((last, max(member.end for member in members_of(last))))
    known = min(known, len(sizes))
    if known < len(sizes):  # the first row without a line was cut short, or was not: nothing behind it is there
        path, end = ends[known]
        start = next(m.start for m in members_of(path) if m.key == key_of(known))
        for later in (out / "tars").glob("*.tar"):
            if later > path:
                later.unlink()
        with path.open("r+b") as file:
            file.truncate(start + round((end + 1024 - start) * cut))
    finished = {packed_key(key_of(number)) for number in range(known) if number not in lost}
    again = RowTars(out / "tars", out, most, finished)
    have = [number for number in range(known) if number not in lost]
    expected = {name: content for number in have for name, content in wanted[number].items()}
    assert {n: c for n, c in contents(out).items() if not n.endswith(".json")} == expected
    for number in range(len(sizes)):
        if number in have:
            assert not (out / "files" / key_of(number)[:2] / key_of(number)).exists()
            continue
        record, files = written(out, number, sizes[number] + 7, 1)
        remove(again.take([record], {"5": "Saved"}))
        expected |= files
        (name,) = record["files"]["5"]
        assert record["results"] == {"Saved": {"files": [name]}} and [*record["written"]] == [name]
        assert (out / name).parent.is_file() and Path(name).name in files
    again.close()
    found = contents(out)
    assert {n: c for n, c in found.items() if not n.endswith(".json")} == expected
    assert {n for n in found if n.endswith(".json")} == {f"{key_of(n)}.json" for n in range(len(sizes))}
    assert not (out / "files").exists()


def test_titles_become_words_that_differ(tmp_path: Path) -> None:
    key = key_of(1)
    folder = tmp_path / "files" / key[:2] / key
    folder.mkdir(parents=True)
    names = {}
    for i, ending in enumerate((".png", ".PNG", ".html", ".png", ".png")):
        (folder / f"{i}{ending}").write_bytes(b"x")
        names[i] = f"files/{key[:2]}/{key}/{i}{ending}"
    files = {"1": [names[0], names[3]], "2": [names[1]], "3:4": [names[2]], "5": [names[4]]}
    record: Any = {"row": 0, "key": key, "ok": True, "values": {}, "files": files, "written": {}, "results": {}}
    titles = {"1": "Größe, 2", "2": "grosse 2!", "3:4": "Ψ", "5": "json"}
    RowTars(tmp_path / "tars", tmp_path, MIB, ()).take([record], titles)
    assert {name.partition(".")[2] for name in contents(tmp_path)} == {
        "json",
        "groe-2-1.png",
        "groe-2-2.png",
        "grosse-2.png",
        "node-3-4.html",
        "json-5.png",
    }


# ------------------------------------------------------------------------------------------ repair


def spoiled(out: Path, number: int) -> str:
    """Change a byte of a row's picture in its tar, whose size and time stay; its name."""
    record = next(record for record in runs.records(out) if record["row"] == number)
    name = record["files"]["10"][0]
    path = (out / name).parent
    stat = path.stat()
    member = next(member for member in members_of(path) if member.name == Path(name).name)
    data = bytearray(path.read_bytes())
    data[member.content + 50] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return name


def test_what_is_damaged_is_done_again(tmp_path: Path) -> None:
    out = ran(tmp_path)
    before = contents(out)
    name = spoiled(out, 5)
    assert verify(out).ok  # as with files: of those that are as they were left, only reading would tell
    found = verify(out, depth="content")
    assert found.counts["damaged"] == 1 and name in found.first["damaged"][0]
    (out / "tars" / STATES).unlink()  # as after a kill
    assert verify(out).counts["damaged"] == 1
    with pytest.warns(ApiGraphWarning, match="1 row is done again: files that they wrote are damaged"):
        (again,) = map_graph(runs.GRAPH, tmp_path / "rows.jsonl", output=out, cache=False)
    assert again.number == 5 and verify(out, depth="content").ok
    after = contents(out)
    assert after.keys() == before.keys()
    for key, content in after.items():
        assert content == before[key] or key.startswith(again.key)


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_tar_that_is_lost_is_done_again(tmp_path: Path, how: str) -> None:
    out = ran(tmp_path)
    path = out / "tars" / "000000.tar"
    if how == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2 - 100)
    found = verify(out)
    assert not found.ok and found.counts["missing"] >= 2 * 5
    with pytest.warns(ApiGraphWarning, match="files that they wrote are missing"):
        list(map_graph(runs.GRAPH, tmp_path / "rows.jsonl", output=out, cache=False))
    assert verify(out, depth="content").ok and contents(out).keys() == named(out)


def test_failed_rows_leave_nothing_when_they_are_done(tmp_path: Path) -> None:
    rows = runs.table(tmp_path, runs.rows_of(3, 1))
    good = (tmp_path / "pics" / "1.png").read_bytes()
    (tmp_path / "pics" / "1.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    results = list(map_graph(runs.GRAPH, rows, output=out, cache=False, tar=MIB))
    assert sorted(result.ok for result in results) == [False, True, True] and len(contents(out)) == 7
    (tmp_path / "pics" / "1.png").write_bytes(good)
    with pytest.warns(ApiGraphWarning, match="1 row is done again: pictures"):
        list(map_graph(runs.GRAPH, rows, output=out, cache=False, retry_failed=True))
    assert contents(out).keys() == named(out) and len(contents(out)) == 9 and verify(out).ok


def test_shards(tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        ran(tmp_path, shard=shard)
    out = tmp_path / "out"
    assert verify(out).ok
    merge_shards(out)
    assert verify(out, depth="content").ok
    rows = list(read_results(out))
    assert len(rows) == 12
    for row in rows:
        with row.open_file(row.files["10"][0]) as file:
            assert file.read(4) == b"\x89PNG"
    for shard in ("1/2", "2/2"):
        ran(tmp_path, shard=shard)
    assert verify(out, depth="content").ok


def test_a_folder_keeps_them(tmp_path: Path) -> None:
    out = ran(tmp_path, limit=2)
    ran(tmp_path, tar=None)
    assert contents(out).keys() == named(out) and len(runs.records(out)) == 12
    with pytest.raises(BadInput, match="tar was 1048576 and is 2097152"):
        ran(tmp_path, tar=2 * MIB)
    with pytest.raises(BadInput, match="a tar has at least 1 MiB"):
        ran(tmp_path, "small", tar=1000)
    ran(tmp_path, "plain", tar=None, limit=2)
    with pytest.raises(BadInput, match="tar was None and is 1048576"):
        ran(tmp_path, "plain")


def test_a_report_shows_their_pictures(tmp_path: Path) -> None:
    out = ran(tmp_path, count=1)
    write_report(out)
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/webp") >= 2 * 2 and "no such file" not in page
