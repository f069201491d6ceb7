"""The papers' tables: recipes that fit the graphs, and figures that are those of the runs."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_graph.bench.papers import API_1, API_3, FALIP_1, PAPERS, PaperTable
from api_graph.bench.scores import read_figures
from api_graph.benching.paper import graphs_of, settings_of
from api_graph.benching.registry import benchmark
from api_graph.graph import set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from tests.benching.falip_sets import BOXES, CLOUDS
from tests.benching.sets import SETS, answers
from tests.benching.stub import answering, profiles
from tests.cli.conftest import Cli
from tests.lvlm.remote.server import Server
from tests.tasks.files import complaint


@pytest.mark.parametrize("table", PAPERS.values(), ids=list(PAPERS))
def test_recipes_fit_graphs_and_benchmarks(table: PaperTable) -> None:
    """Each setting names an input of its graph, each part one of the benchmark's, and rows have names of their own."""
    graphs = graphs_of(table, {})
    settings = settings_of(table, graphs, {}, {})
    for row, source in graphs.items():
        own = {key.partition(":")[2]: value for key, value in settings.items() if key.startswith(f"{row}:")}
        assert set(own.values()) >= {table.models[role] for role in next(r for r in table.rows if r.name == row).models}
        set_inputs(open_graph(source), all_nodes(), own)
    assert len({row.name for row in table.rows}) == len(table.rows)
    assert all(len(row.reported) == len(table.columns) for row in table.rows)
    for name, parts in table.benchmarks().items():
        assert benchmark(name).chosen_parts(parts) == (parts or tuple(benchmark(name).parts))
        assert benchmark(name).paper in ("", table.name.partition("-")[0].upper())
    assert {role for row in table.rows for role in row.models} <= set(table.models)


def test_what_the_papers_say() -> None:
    """Gains that the text of the papers names."""
    reported = {row.title: dict(zip([c.title for c in API_1.columns], row.reported, strict=True)) for row in API_1.rows}
    best, plain = reported["API (LLaVA)"], reported["no prompt"]
    assert round((best["MM-Vet"] or 0) - (plain["MM-Vet"] or 0), 1) == 3.8
    assert round((best["LLaVA-W"] or 0) - (plain["LLaVA-W"] or 0), 1) == 2.9
    assert API_3.rows[1].reported == (83.83, 83.83, 82.81, 82.81)
    assert FALIP_1.rows[2].reported == (44.2, 39.4, 46.8, 51.5)


def test_models_and_settings_of_rows() -> None:
    graphs = graphs_of(API_1, {"som": "mine.json", "no-prompt": "other.json"})
    assert graphs["som"] == "mine.json" and "fgvp-mask" not in graphs
    found = settings_of(API_1, graphs, {"clip": "demo"}, {"som:x": "1", "Load LVLM.model": "demo"})
    assert found == {
        "step-by-step:answerer": "llava-hf/llava-1.5-13b-hf",
        "api-clip:answerer": "llava-hf/llava-1.5-13b-hf",
        "api-clip:Load CLIP.model": "demo",
        "api-llava:answerer": "llava-hf/llava-1.5-13b-hf",
        "som:x": "1",
        "Load LVLM.model": "demo",
    }, "the user's own graph gets none of the recipe's settings, and his own settings go before"
    assert "There are: no-prompt" in complaint(graphs_of, API_1, {"plain": "x"})
    assert "There are: answerer, clip, lvlm." in complaint(settings_of, API_1, graphs, {"judge": "x"}, {})


def test_a_table_with_the_demo_clip(cli: Cli, tmp_path: Path) -> None:
    BOXES["refcoco"](tmp_path / "data" / "refcoco")
    words = ("bench", "paper", "falip-1", "--data", "data", "--model", "clip=demo", "--limit", "5", "--out", "out")
    ran = cli(*words, "--graph", "pasta=rec_crop", "--json")
    assert ran.code == 0, ran.err
    assert "RefCOCO+ is left out" in ran.err and "RefCOCOg is left out" in ran.err
    cells = {(cell["row"], cell["column"]): cell for cell in ran.json["cells"]}
    for row, name in (("RedCircle", "redcircle"), ("PASTA", "pasta"), ("FALIP", "falip")):
        figures = {f.name: f for f in read_figures(tmp_path / "out" / "refcoco" / name)}
        for part, column in (("testa", "RefCOCO testA"), ("testb", "RefCOCO testB")):
            figure = figures[f"accuracy at IoU > 0.5: {part}"]
            assert cells[row, column]["value"] == 100 * figure.value and cells[row, column]["n"] == figure.n == 5
        assert cells[row, "RefCOCOg test"]["value"] is None
    assert cells["FALIP", "RefCOCO testB"]["paper"] == 39.4
    bench = json.loads((tmp_path / "out" / "refcoco" / "bench.json").read_text())
    assert bench["parts"] == ["testa", "testb"]
    assert bench["graphs"]["falip"]["set"] == {"Load CLIP.model": "demo", "Foveal mask.cells": "reference"}
    assert bench["graphs"]["pasta"]["set"] == {}

    again = cli(*words)
    assert again.code == 0 and "10 rows (10 before)" in again.err
    assert "RefCOCO testA" in again.out and "41.7" in again.out
    page = (tmp_path / "out" / "paper.md").read_text().splitlines()
    assert page[0].startswith("| FALIP, referring expressions: ViT-B/16, annotated boxes | RefCOCO testA | paper |")
    assert page[4].startswith("| FALIP | ") and page[4].split(" | ")[2] == "44.2"
    with (tmp_path / "out" / "paper.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["value"]]
    assert {(row["row"], row["column"]): float(row["value"]) for row in rows} == {
        place: cell["value"] for place, cell in cells.items() if cell["value"] is not None
    }
    assert (tmp_path / "out" / "paper.tex").read_text().startswith("\\begin{tabular}{lrrrrrrrr}\n")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, Server]]:
    with profiles(tmp_path / "endpoints.toml") as found:
        yield found


def test_known_answers_give_known_cells(cli: Cli, tmp_path: Path, servers: dict[str, Server]) -> None:
    """Each of POPE's parts has one wrong answer in four; the judged benchmark waits for a judge."""
    said = answers(SETS["pope"](tmp_path / "data" / "pope"))
    servers["stub"].replies = [answering(said.__getitem__)]
    models = ("--model", "answerer=endpoint:stub", "--model", "clip=demo", "--model", "lvlm=demo")
    ran = cli("bench", "paper", "api-3", "--data", "data", *models, "--limit", "4", "--out", "out", "--json")
    assert ran.code == 0, ran.err
    found = {(cell["row"], cell["column"]): cell["value"] for cell in ran.json["cells"]}
    # Of each four the truths are yes, no, yes, no; the last one is answered by yes.
    for row in ("no prompt", "API (CLIP)", "API (LLaVA)"):
        assert found[row, "POPE, accuracy"] == pytest.approx(75)
        assert found[row, "POPE, F1"] == pytest.approx(80)
        assert found[row, "Unanswerable, recall"] is None
    SETS["llava-bench"](tmp_path / "data" / "llava-bench")
    judged = cli("bench", "paper", "api-2", "--data", "data", *models[:2], "--limit", "4", "--out", "two")
    assert judged.code == 0 and "LLaVA-Bench (in the wild) is left out: it is judged; say --judge PROFILE" in judged.err


def test_point_clouds_beside_one_figure(cli: Cli, tmp_path: Path) -> None:
    CLOUDS["scanobjectnn"](tmp_path / "data" / "scanobjectnn")
    ran = cli("bench", "paper", "falip-4", "--data", "data", "--model", "clip=demo", "--limit", "2", "--json")
    assert ran.code == 0, ran.err
    cells = [cell for cell in ran.json["cells"] if cell["row"] == "FALIP"]
    assert [cell["paper"] for cell in cells] == [18.6, 15.3, 15.3, 15.3]
    assert [cell["n"] for cell in cells] == [None, 2, 2, 2]
    assert (tmp_path / "bench" / "falip-4" / "paper.md").is_file()


def test_what_does_not_fit_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for words, said in (
        (("falip-9",), "There are: api-1, api-2"),
        (("falip-1",), "It has folders of the names refcoco, refcoco-plus, refcocog."),
        (("falip-1", "--data", "dat"), "--data"),
        (("falip-1", "--data", "data", "--model", "lvlm=demo"), "There are: clip."),
        (("falip-1", "--data", "data", "--graph", "crop=rec_crop"), "There are: redcircle, pasta, falip."),
    ):
        ran = cli("bench", "paper", *words)
        assert ran.code == 2 and said in ran.err, ran.err
    listed = cli("bench", "paper", "--json").json
    assert [table["name"] for table in listed] == list(PAPERS)


@pytest.mark.parametrize(
    ("words", "code"), [(["list"], 0), (["paper"], 0), (["pop", "--data", "x"], 2), (["paper", "api-9"], 2)]
)
def test_what_runs_no_model_waits_for_none(tmp_path: Path, words: list[str], code: int) -> None:
    script = (
        "import sys; from api_graph.cli.app import app\n"
        f"try: app({['bench', *words]!r}, prog_name='api-graph')\n"
        "except SystemExit as ended: print(); print(ended.code or 0, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    if words == ["paper", "api-9"]:
        assert "There are: api-1" in ran.stderr
    else:
        assert ran.stdout.splitlines()[-1] == f"{code} False"
