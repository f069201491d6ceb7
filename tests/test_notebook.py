"""What results are where people look at them: one line, a table or a picture in a notebook, a file, a figure."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageShow

import api_graph
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm import Answer
from api_graph.notebook import html_table, in_notebook, one_line, quoted
from api_graph.pixels.overlay import color_table
from api_graph.pixels.shown import coloured, maps_over, save_picture, side_by_side
from api_graph.progress import tracked
from api_graph.runs import open_graph
from api_graph.settings import shipped_graphs
from api_graph.sockets import Attribution
from api_graph.tasks import BoxChoice, Classification
from api_graph.tasks.outlines import outlined
from tests.table.runs import ROOT

PICTURE = shipped_graphs() / "api_graph_example.png"
STAR, RING = "the orange star", "the yellow\nring <b>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """One of each kind, as its function gives it."""
    folder = tmp_path_factory.mktemp("results")
    clip, lvlm = api_graph.load_clip(device="cpu"), api_graph.load_lvlm(device="cpu")
    rows = [{"image": str(PICTURE), "query": query, "truth": "yes"} for query in (STAR, RING)]
    grid = {"kernel_size": [1, 3]}
    mapped = api_graph.map_graph("api_clip_map", rows, output=folder / "a", grid=grid)
    done = list(mapped)
    list(api_graph.map_graph("api_clip_map", rows, output=folder / "b", grid=grid, inputs={"recipe": "reference"}))
    figure = "Figures.peak"
    swept = api_graph.sweep_scores(folder / "a", figure)
    return {
        "Annotated": api_graph.annotate(PICTURE, RING, clip),
        "Answer": api_graph.ask(PICTURE, "What colour is the star?", lvlm),
        "Attribution": api_graph.clip_attribution(PICTURE, STAR, clip).attribution,
        "BoxChoice": api_graph.choose_box(PICTURE, [(354, 165, 432, 243), (209, 52, 283, 129)], RING, clip),
        "Classification": api_graph.classify([PICTURE] * 5, [STAR, RING], clip),
        "ClipAttribution": api_graph.clip_attribution(PICTURE, [STAR, RING], clip),
        "ClipModel": clip,
        "ComparedResults": api_graph.compare_results([folder / "a", folder / "b"], figure, on=["query", "kernel_size"]),
        "Contrast": api_graph.Contrast(),
        "DrawnFigure": api_graph.draw_figure(
            folder / "a", [folder / f"f.{kind}" for kind in ("png", "svg", "pdf")], columns="image,Heatmap overlay"
        ),
        "HeadProfile": api_graph.find_heads(model=lvlm, scenes=2),
        "LvlmAttribution": api_graph.lvlm_attribution(PICTURE, "What colour is the ring?", lvlm),
        "LvlmModel": lvlm,
        "MapResults": mapped,
        "Results": api_graph.read_results(folder / "a"),
        "RowResult": done[1],
        "Steering": api_graph.Steering.of([[1, 2, 30, 40]], layers="last 2"),
        "Sweep": swept,
        "SweepPlot": api_graph.plot_sweep(folder / "a", folder / "p.png", figure),
    }


REPRS = {
    "Annotated": r"Annotated\('the yellow\\nring <b>', 480×320 pixels, peak at x=\d+, y=\d+\)",
    "Answer": r"Answer\('orange', 2 tokens, demo\)",
    "Attribution": r"Attribution\(1 map, 10×10 cells\)",
    "BoxChoice": r"BoxChoice\(box [01] of 2, p=0\.\d{3}, margin=0\.\d{3}\)",
    "Classification": r"Classification\(('the \w+ [^']*' p=0\.\d{3}, ){3}and 2 more, of 2 labels\)",
    "ClipAttribution": r"ClipAttribution\(2 maps, 10×10 cells\)",
    "ClipModel": r"ClipModel\('demo', float32 on cpu\)",
    "ComparedResults": r"ComparedResults\('Figures\.peak', a and b, 4 items\)",
    "Contrast": r"Contrast\(against='no_fovea', strength=1\.5, cut=0\.1, noise=500, seed=0\)",
    "DrawnFigure": r"DrawnFigure\(f\.png, f\.svg, f\.pdf, 4 rows\)",
    "HeadProfile": r"HeadProfile\(demo, \d+ heads? by gaze, best\)",
    "LvlmAttribution": r"LvlmAttribution\('yellow', 1 map, 10×10 cells, 2 steps, layer 1\)",
    "LvlmModel": r"LvlmModel\('demo', \w+, float32 on cpu\)",
    "MapResults": r"MapResults\(image sets image, query sets query\)",
    "Results": r"Results\('a', 4 rows\)",
    "RowResult": r"RowResult\(row 1, ok, \d+\.\d\d s\)",
    "Steering": r"Steering\(1 fovea, layers='last 2'\)",
    "Sweep": r"Sweep\('Figures\.peak', 2 settings, kernel_size\)",
    "SweepPlot": r"SweepPlot\(p\.png, Sweep\('Figures\.peak', 2 settings, kernel_size\)\)",
}


@pytest.mark.parametrize("name", REPRS)
def test_a_repr_is_one_line(name: str, results: Mapping[str, object]) -> None:
    assert type(results[name]).__name__ == name
    assert re.fullmatch(REPRS[name], repr(results[name])), repr(results[name])
    assert len(repr(results[name])) < 200


def test_every_public_class_has_one(results: Mapping[str, object]) -> None:
    classes = {
        name
        for name in api_graph.__all__
        if isinstance(own := getattr(api_graph, name), type) and not issubclass(own, BaseException)
    }
    assert classes - set(results) == {"Endpoint"}  # tests/lvlm/remote
    assert set(REPRS) == set(results)


def test_long_and_failed_ones_stay_one_line(tmp_path: Path) -> None:
    said = repr(Answer("word\n" * 999, 3, 1.0, "m", "length"))
    assert said == f"Answer({('word' + chr(10)) * 11 + 'word…'!r}, 3 tokens, m, length)"
    (row,) = api_graph.map_graph("api_clip_map", [{"image": "gone.png", "query": STAR}], output=tmp_path)
    assert re.fullmatch(r"RowResult\(row 0, '.*', 0\.00 s\)|RowResult\(row 0, \".*\", 0\.00 s\)", repr(row)), repr(row)
    assert "gone.png" in row._repr_html_()
    assert repr(Attribution(torch.zeros(1, 2, 3, device="meta"), (Geometry.whole(3, 2),))).endswith("cells, meta)")
    assert one_line(Path("."), "a", "", None, 0).endswith("Path(a, 0)")
    assert quoted("it's") == '"it\'s"'


# ------------------------------------------------------------------------------------------ in a notebook


class Cells(HTMLParser):
    """The texts of a table's cells, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def cells(thing: Any) -> list[list[str]]:
    found = Cells(thing._repr_html_())
    assert found.tags <= {"table", "thead", "tbody", "tr", "th", "td", "p"}  # nothing of the texts is markup
    return found.rows


def test_nothing_in_a_table_is_markup() -> None:
    html = html_table(["<i>"], [["<script>alert(1)</script>", 3]], "a & b")
    assert Cells(html).tags == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert cells(SimpleNamespace(_repr_html_=lambda: html))[1][0] == "<script>alert(1)</script>"


def test_tables(results: Mapping[str, Any]) -> None:
    choice = BoxChoice.of(torch.tensor([1.0, 3.0, 2.0]))
    head, *lines = cells(choice)
    assert head == ["box", "score", "probability", "chosen"]
    e = [np.exp(x) for x in (1, 3, 2)]
    assert lines == [[str(n), f"{s}.000", f"{e[n] / sum(e):.3f}", "✓" * (n == 1)] for n, s in enumerate((1, 3, 2))]
    verdict = Classification(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), ("a", "<b>"))
    assert [row[:2] for row in cells(verdict)] == [["image", "label"], ["0", "<b>"], ["", "a"], ["1", "a"], ["", "<b>"]]
    assert "5,900 lines more." in Classification(torch.rand(2000, 3), ("a", "b", "c"))._repr_html_()
    rows = cells(results["Results"])
    assert rows[0][:5] == ["row", "image", "query", "truth", "kernel_size"] and rows[0][-1] == "error"
    assert [row[2] for row in rows[1:]] == [STAR, STAR, RING, RING]
    assert "Figures.peak" in rows[0]
    row = dict(cells(results["RowResult"]))
    assert row["query"] == STAR and row["kernel_size"] == "3" and float(row["Figures.peak"]) > 0
    swept = cells(results["Sweep"])
    assert swept[0] == ["kernel_size", "mean", "low", "high", "rows"]
    assert [line[0] for line in swept[1:]] == ["1", "3"] and [line[-1] for line in swept[1:]] == ["2", "2"]
    for line, score in zip(swept[1:], results["Sweep"].scores, strict=True):
        assert float(line[1]) == pytest.approx(score.mean, rel=1e-3)
    compared = cells(results["ComparedResults"])
    assert compared[0] == ["items", "first", "second", "p"] and compared[1][0] == "all"
    assert results["ComparedResults"].pairs[0].verdict in results["ComparedResults"]._repr_html_()


def test_a_long_table_of_results_is_cut(tmp_path: Path) -> None:
    rows = [{"image": str(PICTURE), "query": f"ring {n}"} for n in range(25)]
    list(api_graph.map_graph("api_clip_map", rows, output=tmp_path))
    html = api_graph.read_results(tmp_path)._repr_html_()
    assert html.count("<tr>") == 21 and "5 rows more." in html


def test_files_that_were_drawn(results: Mapping[str, Any]) -> None:
    html = results["DrawnFigure"]._repr_html_()
    assert html.count("<img ") == 2 and 'src="data:image/png;base64,' in html and "image/svg+xml" in html
    assert html.endswith("<p>f.pdf</p>") and "<svg" not in html
    assert results["SweepPlot"]._repr_html_().startswith('<img alt="p.png" src="data:image/png;base64,iVBOR')


# ------------------------------------------------------------------------------------------ pictures


def test_a_map_lies_in_colours_over_its_image() -> None:
    """By hand: half the image, half the colour of the level."""
    image = Image.new("RGB", (4, 2), (100, 50, 200))
    heatmap = torch.tensor([[[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]])
    low, high = (color_table("turbo")[level] * 255 for level in (0, 255))
    found = np.asarray(coloured(heatmap, image), np.float32)
    for y in range(2):
        for x in range(4):
            colour = high if heatmap[0, y, x] else low
            assert np.abs(found[y, x] - (0.5 * np.array([100, 50, 200]) + 0.5 * colour.numpy())).max() <= 1
    alone = np.asarray(coloured(heatmap, None), np.float32)
    assert np.abs(alone[0, 0] - low.numpy()).max() <= 1 and np.abs(alone[0, 1] - high.numpy()).max() <= 1


def test_each_map_is_stretched_from_its_lowest_to_its_highest() -> None:
    """A map of two cells: the left half has the lowest colour, the right half the highest."""
    attribution = Attribution(torch.tensor([[[5.0, 9.0]], [[-1.0, -3.0]]]), (Geometry.whole(20, 10),) * 2)
    low, high = (color_table("turbo")[level].numpy() * 255 for level in (0, 255))
    for picture, ends in zip(maps_over(attribution, ()), ((low, high), (high, low)), strict=True):
        pixels = np.asarray(picture, np.float32)
        assert picture.size == (20, 10)
        assert np.abs(pixels[:, 0] - ends[0]).max() <= 1 and np.abs(pixels[:, -1] - ends[1]).max() <= 1


def test_pictures_side_by_side() -> None:
    strip = side_by_side([Image.new("RGB", (10, 20), "red"), Image.new("RGB", (40, 40), "blue")])
    assert strip.size == (10 + 8 + 20, 20)
    assert [strip.getpixel(at) for at in ((9, 0), (12, 9), (18, 19))] == [(255, 0, 0), (255,) * 3, (0, 0, 255)]


def test_boxes_are_outlined_inside_their_edges() -> None:
    """By hand: three pixels inside each edge, a white rim of one pixel on both sides, the chosen box over others."""
    image = Image.new("RGBA", (60, 40), (10, 200, 10, 0))
    boxes = torch.tensor([[10.0, 12.0, 30.0, 32.0], [20.0, 12.0, 40.0, 32.0]])
    found = outlined(image, boxes, ["", ""], (0,))
    assert found.mode == "RGB" and image.getpixel((10, 12)) == (10, 200, 10, 0)
    chosen, other, rim, image_colour = (0xC2, 0x18, 0x5B), (0x37, 0x47, 0x4F), (255,) * 3, (10, 200, 10)
    row = [found.getpixel((x, 22)) for x in (8, 9, 10, 12, 13, 14, 25, 26, 27, 29, 30, 31, 37, 39, 40, 41)]
    assert row == [
        *(image_colour, rim, chosen, chosen, rim, image_colour),
        *(image_colour, rim, chosen, chosen, rim, image_colour),
        *(other, other, rim, image_colour),
    ]
    assert [found.getpixel((15, y)) for y in (10, 11, 12, 14, 15, 16)] == row[:6]


def test_a_name_stands_above_its_box_or_inside_at_the_edge() -> None:
    boxes = torch.tensor([[100.0, 100.0, 150.0, 150.0], [0.0, 0.0, 50.0, 50.0], [190.0, 150.0, 200.0, 200.0]])
    plain = outlined(Image.new("RGB", (200, 200)), boxes, ["", "", ""], ())
    named = outlined(Image.new("RGB", (200, 200)), boxes, ["a", "b", "a name that is longer than the picture" * 3], ())
    rows, columns = np.nonzero((np.asarray(plain) != np.asarray(named)).any(-1))
    above = (rows >= 80) & (rows < 101) & (columns >= 99) & (columns < 130)
    inside = (rows < 25) & (columns < 30)
    wide = (rows >= 133) & (rows < 151)
    assert above.any() and inside.any() and (wide & (columns < 10)).any() and (above | inside | wide).all()


def test_what_was_made_of_scores_alone_has_no_picture() -> None:
    for result in (BoxChoice.of(torch.rand(3)), Classification(torch.rand(2, 2), ("a", "b"))):
        assert result._repr_png_() is None
        with pytest.raises(BadInput, match=r"no images? to show"):
            result.show()


def test_the_image_of_one_classification_keeps_its_size() -> None:
    verdict = api_graph.classify(PICTURE, [STAR, "ring"], boxes=[(354, 165, 432, 243)])
    assert verdict.picture().width == 480 + 16 and len(verdict.regions) == 1
    pixels, before = np.asarray(verdict.picture())[8:328, 8:488], np.asarray(Image.open(PICTURE).convert("RGB"))
    rows, columns = np.nonzero((pixels != before).any(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (164, 243, 353, 432)


SEEN = ["Annotated", "BoxChoice", "Classification", "ClipAttribution", "LvlmAttribution"]


@pytest.mark.parametrize("name", SEEN)
def test_the_picture_is_what_is_saved_and_shown(name: str, results: Mapping[str, Any], tmp_path: Path) -> None:
    result = results[name]
    pixels = np.asarray(result.picture())
    sizes = {"ClipAttribution": (968, 320), "Classification": (4 * 328 + 8, result.picture().height)}
    size = sizes.get(name, (480, 320))
    assert result.picture().size == size
    with Image.open(io.BytesIO(result._repr_png_())) as picture:
        assert picture.format == "PNG" and np.array_equal(np.asarray(picture), pixels)
    saved = result.save(tmp_path / "new" / "a.png")
    assert saved == tmp_path / "new" / "a.png"
    with Image.open(saved) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), pixels)
    for ending, kind in (("jpg", "JPEG"), ("JPEG", "JPEG"), ("webp", "WEBP")):
        with Image.open(result.save(str(tmp_path / f"a.{ending}"))) as picture:
            assert picture.format == kind and picture.size == size
            assert np.abs(np.asarray(picture.convert("RGB"), np.float32) - pixels).mean() < 8


def test_the_annotated_image_is_its_picture(results: Mapping[str, Any]) -> None:
    assert results["Annotated"].picture() is results["Annotated"].image
    with Image.open(PICTURE) as original:
        image = np.asarray(original.convert("RGB"), np.float32)
    assert np.array_equal(np.asarray(results["LvlmAttribution"].image, np.float32), image)
    assert len(results["ClipAttribution"].images) == 2
    lvlm = results["LvlmAttribution"]
    heatmap = lvlm.attribution.with_values((lvlm.map - lvlm.map.min())[None] / (lvlm.map.max() - lvlm.map.min()))
    over = np.asarray(next(maps_over(heatmap, (lvlm.image,))), np.float32)
    assert np.abs(np.asarray(lvlm.picture(), np.float32) - over).max() <= 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.pdf", r"not saved as such a file.*plot\(\)\.savefig"),
        ("a", "not saved as such a file"),
        ("file/a.png", "it cannot be written"),
    ],
)
def test_what_cannot_be_saved(path: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match=said) as caught:
        save_picture(Image.new("RGB", (4, 4)), tmp_path / path)
    assert caught.value.input == "path"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("name", SEEN)
def test_a_figure(name: str, results: Mapping[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = results[name].plot()
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert (
        titles
        == {
            "Annotated": [RING, "heatmap", "annotated"],
            "BoxChoice": [RING],
            "Classification": [f"{name} {p:.2f}" for ((name, p),) in results["Classification"].top(1)],
            "ClipAttribution": ["image", "Ψcls", "Ψcomp", "combined"] * 2,
            "LvlmAttribution": ["image", "yellow"],
        }[name]
    )
    maps = {"Annotated": 1, "ClipAttribution": 6, "LvlmAttribution": 1}.get(name, 0)
    empty = {"Classification": 3}.get(name, 0)  # five in rows of four
    assert len(figure.axes) == len(titles) + empty + maps  # a colour bar for each
    figure.savefig(tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_of_tensors_there_is_no_image() -> None:
    pytest.importorskip("matplotlib")
    seen = api_graph.clip_attribution(None, STAR, pixel_values=torch.rand(1, 3, 80, 80))
    assert seen.images == () and seen.picture().size == (80, 80)
    assert [axes.get_title() for axes in seen.plot().axes[:3]] == ["Ψcls", "Ψcomp", "combined"]


def test_without_matplotlib_a_figure_says_what_to_install(
    results: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r"figures need matplotlib.*pip install 'api-graph\[plots\]'"):
        results["Annotated"].plot()


# ------------------------------------------------------------------------------------------ show, and progress


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """As in a notebook's kernel: what is displayed there."""
    displayed: list[object] = []
    shell = SimpleNamespace(config={"IPKernelApp": {}}, display_formatter=None)
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    display.display = displayed.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return displayed


def test_show_in_a_notebook_is_below_the_cell(results: Mapping[str, Any], kernel: list[object]) -> None:
    assert in_notebook()
    results["Annotated"].show()
    results["DrawnFigure"].show()
    assert kernel == [results["Annotated"].image, results["DrawnFigure"]]


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> list[Image.Image]:
    """A viewer of pictures, as Pillow's users register one."""
    seen: list[Image.Image] = []

    class Viewer(ImageShow.Viewer):
        def show(self, image: Image.Image, **options: Any) -> int:
            seen.append(image.copy())
            return 1

    monkeypatch.setattr(ImageShow, "_viewers", [Viewer()])
    return seen


def test_show_elsewhere_is_the_systems_viewer(results: Mapping[str, Any], viewer: list[Image.Image]) -> None:
    assert not in_notebook()
    results["LvlmAttribution"].show()
    results["SweepPlot"].show()
    assert len(viewer) == 2 and viewer[0].size == (480, 320)
    figure = api_graph.DrawnFigure([results["DrawnFigure"].files[2]], [0], [])
    with pytest.raises(BadInput, match="only a PNG can be shown"):
        figure.show()


def counted_lines(capsys: pytest.CaptureFixture[str], items: Callable[[], object]) -> str:
    items()
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_progress_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert counted_lines(capsys, lambda: list(tracked([1, 2], "work", None))) == ""
    assert counted_lines(capsys, lambda: list(tracked([1, 2], "work", False))) == ""
    said = counted_lines(capsys, lambda: list(tracked([1, 2], "work", True)))
    assert said.startswith("\rwork:") and "2/2" in said
    assert "3/7" in counted_lines(capsys, lambda: list(tracked(iter("abc"), "work", True, 7)))
    lvlm = api_graph.load_lvlm(device="cpu")
    said = counted_lines(capsys, lambda: api_graph.annotate(PICTURE, ["a", "b", "c"], lvlm, progress=True))
    assert said.startswith("\rannotate:") and "3/3" in said
    said = counted_lines(capsys, lambda: api_graph.find_heads(model=lvlm, scenes=3, batch_size=2, progress=True))
    assert said.startswith("\rfind_heads:") and "3/3" in said


def test_progress_of_graphs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nodes = len(open_graph("api_clip_cls").nodes)
    heard: list[str] = []

    def run() -> None:
        api_graph.run_graph(
            "api_clip_cls", cache=False, output=tmp_path, progress=True, listener=lambda event: heard.append(event.kind)
        )

    for _ in range(2):  # the second time most is known, and some nodes are not needed
        said = counted_lines(capsys, run)
        assert said.startswith("\rrun_graph:") and f"{nodes}/{nodes}" in said and "done" in heard
    rows = [{"image": str(PICTURE), "query": query} for query in (STAR, RING, "c", "d", "e")]
    for upto, bar in ((3, "3/3"), (5, "2/2")):  # of those that are left

        def mapped(upto: int = upto) -> None:
            list(api_graph.map_graph("api_clip_map", rows[:upto], output=tmp_path / "m", progress=True))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", api_graph.ApiGraphWarning)  # the table has grown
            said = counted_lines(capsys, mapped)
        assert said.startswith("\rmap_graph:") and bar in said
    rows_again = api_graph.map_graph("api_clip_map", rows, output=tmp_path / "m", progress=False)
    assert counted_lines(capsys, lambda: list(rows_again)) == ""


@pytest.mark.usefixtures("kernel")
def test_progress_is_shown_in_a_notebook(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "2/2" in counted_lines(capsys, lambda: list(tracked([1, 2], "work", None)))
    assert counted_lines(capsys, lambda: list(tracked([1], "work", None))) == ""
    assert counted_lines(capsys, lambda: list(tracked([1, 2], "work", False))) == ""


def test_nothing_of_this_needs_a_notebook() -> None:
    """No module of a notebook is imported, or even looked for."""
    script = "import sys, api_graph.notebook as n; print(n.in_notebook(), 'IPython' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
