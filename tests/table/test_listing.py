"""Results are never rows, and what a call has listed is what it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.graph import set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.map import map_graph
from api_graph.table.options import RunOptions
from api_graph.table.plan import TablePlan, plan_of
from api_graph.table.shards import Shard
from api_graph.table.verify import verify
from tests.table.runs import GRAPH, ROOT, files_in, named_files, picture, records, results, surroundings

from .conftest import manifest, record, write_journal


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(5):
        picture(tmp_path / "photos" / f"{number}.png", number)
    return tmp_path / "photos"


def planned(source: str | Path, out: Path, shard: Shard | None = None) -> TablePlan:
    registry, constants = all_nodes(), {"query": "the ring"}
    graph = set_inputs(open_graph(GRAPH), registry, constants)
    return plan_of(graph, GRAPH, source, out, registry, constants, RunOptions(cache=None, shard=shard))


def names(plan: TablePlan) -> list[object]:
    return [row.values["image"] for row in plan.rows()]


def said(plan: TablePlan) -> list[str]:
    assert plan.listing is not None
    return plan.listing.in_words()


def own_pictures(count: int = 5) -> list[str]:
    return [f"{number}.png" for number in range(count)]


@pytest.mark.parametrize("out", ["output", "a/b/other", "."])
@pytest.mark.parametrize("source", [".", "**/*.png"])
def test_run_three_times_in_the_folder_of_the_pictures(
    photos: Path, monkeypatch: pytest.MonkeyPatch, out: str, source: str
) -> None:
    monkeypatch.chdir(photos)
    done = [len(list(map_graph(GRAPH, source, {"query": "the ring"}, output=out, cache=False))) for _ in range(3)]
    assert done == [5, 0, 0]
    assert [record["values"]["image"] for record in records(photos / out)] == own_pictures()


@pytest.mark.parametrize("earlier", ["manifest", "listing", "journal", "shards", "format 9"])
def test_folders_of_other_runs_are_passed_over(photos: Path, earlier: str) -> None:
    old = photos / "deep" / "old"
    picture(old / "files" / "0a" / "0abc" / "map.png", 7)
    if earlier in ("manifest", "format 9"):
        manifest().write(old)
    if earlier == "format 9":
        document = json.loads((old / "manifest.json").read_bytes())
        (old / "manifest.json").write_text(json.dumps({**document, "format": 9}))
    elif earlier == "listing":
        (old / "listing.jsonl").write_text('{"base": "/x", "pattern": "**/*"}\n"a.png"\n')
    elif earlier == "journal":
        write_journal(old, [record(0)])
    elif earlier == "shards":
        manifest(shard="1/2").write(old / "shards" / "1-of-2")
    plan = planned(photos, photos / "new")
    assert names(plan) == own_pictures()
    assert said(plan) == [f"{old} holds results: its pictures are no rows"]


def test_a_folder_that_only_looks_like_results(photos: Path) -> None:
    """Somebody's own manifest.json and results.jsonl are no reason to pass over their pictures."""
    picture(photos / "site" / "files" / "6.png", 6)
    (photos / "site" / "manifest.json").write_text('{"name": "my site", "format": 1}')
    (photos / "site" / "results.jsonl").write_text('{"score": 3}\n')
    plan = planned(photos, photos / "new")
    assert names(plan) == [*own_pictures(), "site/files/6.png"] and said(plan) == []


def test_the_table_is_itself_a_folder_with_results(photos: Path) -> None:
    """Only what the run wrote is left out; pictures that lie beside it are rows."""
    picture(photos / "files" / "0a" / "0abc" / "map.png", 7)
    picture(photos / "more" / "5.png", 5)
    manifest().write(photos)
    assert names(planned(photos, photos.parent / "out")) == [*own_pictures(), "more/5.png"]


@pytest.mark.parametrize("source", ["out/files", "out/files/0a", "out/files/**/*.png", "out/shards"])
def test_the_run_s_own_results_are_refused_as_a_table(tmp_path: Path, source: str) -> None:
    for folder in ("files/0a/0abc", "shards"):
        picture(tmp_path / "out" / folder / "map.png", 1)
    with pytest.raises(BadInput, match=r"^ROWS: these pictures are results of the --out folder"):
        planned(f"{tmp_path}/{source}", tmp_path / "out")


def test_results_of_another_run_may_be_named_on_purpose(tmp_path: Path) -> None:
    picture(tmp_path / "out" / "files" / "0a" / "map.png", 1)
    manifest().write(tmp_path / "out")
    assert names(planned(tmp_path / "out" / "files", tmp_path / "new")) == ["0a/map.png"]


def test_nothing_but_results(tmp_path: Path) -> None:
    picture(tmp_path / "out" / "files" / "0a" / "map.png", 1)
    with pytest.raises(BadInput, match=r"^ROWS: all of its pictures are results of runs"):
        planned(tmp_path, tmp_path / "out")


def test_what_comes_during_a_call_is_no_row_of_it(photos: Path) -> None:
    """It is a new row of the next call, which says so."""
    out = photos / "out"
    run = map_graph(GRAPH, photos, {"query": "the ring"}, output=out, cache=False)
    done = [next(run)]
    picture(photos / "10.png", 10)
    done += run
    assert len(done) == 5
    (photos / "0.png").unlink()
    plan = planned(photos, out)
    assert names(plan) == ["1.png", "2.png", "3.png", "4.png", "10.png"]
    assert said(plan) == [
        f"{out} holds results: its pictures are no rows",
        "1 picture came after the last run: new rows",
        "1 picture of the last listing cannot be found any more",
    ]


def test_shards_share_the_listing_of_the_first(photos: Path) -> None:
    out = photos / "out"
    first = planned(photos, out, Shard(1, 2))
    picture(photos / "00.png", 20)  # before all others
    second = planned(photos, out, Shard(2, 2))
    assert names(first) + names(second) == own_pictures()
    assert said(first) == []
    assert said(second)[-1].startswith("1 picture came after the table was listed: they are no rows of its shards")
    with pytest.raises(BadInput, match=r"^ROWS: the shards in this folder are of other pictures"):
        planned(f"{photos}/*.png", out, Shard(2, 2))


def test_names_of_every_kind_come_back(tmp_path: Path) -> None:
    odd = ["line\nbreak.png", 'quo"te.png', "\u2028.png"]
    for number, name in enumerate(odd):
        picture(tmp_path / "pics" / "x.png", number)
        shutil.move(tmp_path / "pics" / "x.png", tmp_path / "pics" / name)
    first = planned(tmp_path / "pics", tmp_path / "out", Shard(1, 1))
    assert sorted(map(str, names(first))) == sorted(odd)
    assert names(planned(tmp_path / "pics", tmp_path / "out", Shard(1, 1))) == names(first)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_killed_with_the_results_among_the_pictures(tmp_path: Path) -> None:
    for number in range(150):
        picture(tmp_path / "pics" / f"{number}.png", number)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.table.kill_often", str(tmp_path / "pics"), "20", "3"],
        cwd=ROOT,
        env=surroundings(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    out = tmp_path / "pics" / "out"
    assert [results(out)[row]["values"]["image"] for row in range(150)] == own_pictures(150)
    assert files_in(out) == named_files(out)
    assert verify(out, depth="content").ok
