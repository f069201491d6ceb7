"""The figure itself: pictures, colours and texts where they belong, in each kind of file."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from api_graph.errors import BadInput
from api_graph.figure.draw import draw_figure
from api_graph.pixels.overlay import color_table

from .conftest import GREY, Made

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")

SVG = "{http://www.w3.org/2000/svg}"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def runs_of(path: Path, colour: tuple[int, int, int], within: int = 2) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the pixels of a colour."""
    rows, columns = np.nonzero((np.abs(pixels(path) - colour) <= within).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def turbo(level: int) -> tuple[int, int, int]:
    red, green, blue = (color_table("turbo")[level] * 255).round().int().tolist()
    return red, green, blue


def test_where_things_are(made: Made, tmp_path: Path) -> None:
    """Two columns of pictures twice as wide as high, 4 inches in all, at 100 pixels an inch."""
    out = tmp_path / "figure.png"
    drawn = draw_figure(made.write(), out, rows="0,1", columns="image,annotated", width=4, dpi=100)
    assert (drawn.files, drawn.rows, drawn.notes) == ([out], [0, 1], [])
    assert pixels(out).shape[1] == 400
    width = (4 - 2 * 0.04 - 0.06) / 2  # without margins and a gap
    left, top, right, bottom = runs_of(out, (255, 0, 0))
    assert left == pytest.approx(4, abs=1) and right - left == pytest.approx(100 * width, abs=2)
    assert bottom - top == pytest.approx(100 * (2 * width / 2 + 0.06), abs=2)  # two rows, and a gap
    other = runs_of(out, (0, 0, 255))
    assert other[0] - right == pytest.approx(6, abs=2) and other[1::2] == (top, bottom)
    assert (pixels(out)[0] == 255).all() and (pixels(out)[-1] == 255).all()


def test_texts_take_what_they_need(made: Made, tmp_path: Path) -> None:
    folder = made.write()
    draw_figure(folder, tmp_path / "short.png", rows="0", columns="answer,annotated", width=4, dpi=100)
    draw_figure(folder, tmp_path / "none.png", rows="0", columns="annotated", width=4, dpi=100)
    narrow, wide = (runs_of(tmp_path / name, (0, 0, 255)) for name in ("short.png", "none.png"))
    assert 20 < narrow[0] < 80 and wide[0] <= 5 and narrow[2] == wide[2]
    made.write(texts=("many words " * 40,))
    draw_figure(folder, tmp_path / "long.png", rows="0", columns="answer,annotated", width=4, dpi=100)
    left = runs_of(tmp_path / "long.png", (0, 0, 255))[0]
    assert left == pytest.approx(4 + 6 + 100 * 0.8 * (4 - 0.14) / 1.8, abs=2)
    # A row is as high as the highest cell in it, and the picture stands in its middle.
    head = 4 + 100 * (10 / 72 + 0.06)
    assert len(pixels(tmp_path / "short.png")) == pytest.approx(head + narrow[3] - narrow[1] + 4, abs=2)
    tall = len(pixels(tmp_path / "long.png"))
    top, bottom = runs_of(tmp_path / "long.png", (0, 0, 255))[1::2]
    assert tall > head + bottom - top + 40
    assert (top + bottom) / 2 == pytest.approx((head + tall - 4) / 2, abs=2)


def test_grey_maps_are_coloured(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "figure.png"
    draw_figure(made.write(), out, rows="0", columns="Grey map", width=2, dpi=100)
    assert pixels(out)[60, 100] == pytest.approx(turbo(GREY), abs=2)
    draw_figure(made.folder, out, rows="0", columns="Grey map", width=2, dpi=100, colormap="grey")
    assert tuple(pixels(out)[60, 100]) == (GREY, GREY, GREY)
    draw_figure(made.folder, out, rows="0", columns="Grey map", width=2, dpi=100, opacity=0.25)
    expected = 0.25 * np.array(turbo(GREY)) + 0.75 * np.array((255, 0, 0))
    assert pixels(out)[60, 100] == pytest.approx(expected, abs=2)


def test_the_colour_bar(made: Made, tmp_path: Path) -> None:
    """It runs from the colour of 0 to that of 1, as wide as its column."""
    out = tmp_path / "figure.png"
    draw_figure(made.write(), out, rows="0", columns="image,Grey map", width=4, dpi=100)
    column = runs_of(out, turbo(GREY))
    ends = [runs_of(out, turbo(level), within=10) for level in (0, 255)]
    assert ends[0][0] == pytest.approx(column[0], abs=3) and ends[1][2] == pytest.approx(column[2], abs=3)
    assert all(end[1] > column[1] + 90 and 4 <= end[3] - end[1] <= 9 for end in ends)


@pytest.mark.parametrize("known", [True, False])
def test_colours_of_overlays(made: Made, tmp_path: Path, known: bool) -> None:
    if not known:
        made.defaults = {}
    out = tmp_path / "figure.svg"
    drawn = draw_figure(made.write(), out, rows="0", columns="Coloured heatmap=Map", width=2)
    assert out.read_text("utf-8").count("heatmap, 60 %") == (1 if known else 0)  # a comment beside the drawn letters
    unknown = ["Map has no colour bar: the graph does not say what its colours are"]
    assert drawn.notes == ([] if known else unknown)


def test_all_kinds_of_files(made: Made, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.pdf", "b.SVG", "c.png")]
    drawn = draw_figure(made.write(), files, rows="0-2", columns="query,image,Grey map,annotated,answer")
    assert drawn.files == files
    pdf = files[0].read_bytes()
    assert pdf.startswith(b"%PDF-") and b"/FontFile2" in pdf and b"/Type3" not in pdf  # TrueType, as conferences ask
    assert b"CreationDate" not in pdf
    root = ElementTree.fromstring(files[1].read_text("utf-8"))
    assert root.get("width") == "504pt"  # 7 inches
    images = [image.get("{http://www.w3.org/1999/xlink}href") or "" for image in root.iter(f"{SVG}image")]
    assert len(images) >= 9 and all(image.startswith("data:image/png;base64,") for image in images)
    assert pixels(files[2]).shape[1] == 2100


def test_the_same_again(made: Made, tmp_path: Path) -> None:
    made.write()
    for kind in ("pdf", "svg", "png"):
        one, other = (tmp_path / f"{n}.{kind}" for n in range(2))
        for path in (one, other):
            draw_figure(made.folder, path, rows="0,1", columns="query,image,Grey map")
        assert one.read_bytes() == other.read_bytes()


def test_texts_are_no_markup(made: Made, tmp_path: Path) -> None:
    hostile = r"$\frac{$ $x^2$ <script>alert(1)</script> ]]> --> \href{x} %s"
    drawn = draw_figure(made.write(texts=(hostile,)), tmp_path / "a.svg", rows="0", columns=f"answer,image={hostile}")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text("utf-8"))
    assert drawn.notes == [] and not [each for each in root.iter() if str(each.tag).endswith("script")]


def test_letters_that_the_font_lacks(made: Made, tmp_path: Path) -> None:
    drawn = draw_figure(made.write(texts=("\U00013000",)), tmp_path / "a.png", rows="0", columns="answer,image")
    assert drawn.notes == ["the font lacks some of the letters: name another one with --font"]
    with pytest.raises(BadInput, match="--font: there is no such font"):
        draw_figure(made.folder, tmp_path / "a.png", rows="0", font="Nobody's")
    named = draw_figure(made.folder, tmp_path / "b.png", rows="0", columns="query,image", font="DejaVu Serif")
    assert named.notes == []


def test_long_texts_are_cut(made: Made, tmp_path: Path) -> None:
    long = "word " * 1000
    drawn = draw_figure(made.write(texts=(long,)), tmp_path / "a.png", rows="0", columns="answer,image", dpi=50)
    assert drawn.notes == ["row 0: the text of answer is cut"]
    assert len(pixels(tmp_path / "a.png")) < 50 * 6


def test_settings_of_the_user_change_nothing(made: Made, tmp_path: Path) -> None:
    made.write()
    draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="query,image", dpi=50)
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"text.color": "red", "figure.facecolor": "black", "axes.grid": True}):
        draw_figure(made.folder, tmp_path / "b.png", rows="0", columns="query,image", dpi=50)
        assert matplotlib.rcParams["text.color"] == "red"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r"figures need matplotlib .* pip install 'api-graph\[plots\]'"):
        draw_figure(made.write(), tmp_path / "a.png", rows="0", columns="image")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"out": "a.gif"}, r"--out: a figure is a \.pdf, \.svg or \.png file"),
        ({"out": "a"}, "--out: a figure is a"),
        ({"out": "folder.pdf"}, "--out: this is a folder"),
        ({"out": "file/a.pdf"}, "--out: it cannot be written"),
        ({"width": 0.5}, "--width: it must lie within 1 and 40"),
        ({"width": float("nan")}, "--width: it must lie within 1 and 40"),
        ({"dpi": 10**6}, "--dpi: it must lie within 30 and 1200"),
        ({"opacity": 1.5}, "--opacity: it must lie within 0 and 1"),
        ({"colormap": "jet"}, "colormap.*jet"),
        ({"colormap": "viridis"}, "--colormap: no column has grey heatmaps"),
        ({"opacity": 0.5}, "--opacity: no column has grey heatmaps"),
        ({"columns": "image," * 19 + "image"}, "--columns: the columns are too narrow"),
        ({"rows": 3}, "rows: a text is needed"),
    ],
)
def test_what_cannot_be_drawn(made: Made, tmp_path: Path, options: dict[str, object], problem: str) -> None:
    (tmp_path / "folder.pdf").mkdir()
    (tmp_path / "file").touch()
    out = tmp_path / str(options.pop("out", "a.png"))
    with pytest.raises(BadInput, match=problem):
        draw_figure(made.write(), out, **{"rows": "0", "columns": "image", "width": 2, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "a.png").exists()


def test_maps_that_do_not_fit_their_images(made: Made, tmp_path: Path) -> None:
    made.write()
    Image.new("RGB", (10, 10)).save(made.pictures / "p0.png")
    with pytest.raises(BadInput, match=r"--opacity: the map of row 0 .* 60x30 and 10x10 pixels"):
        draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="Grey map", opacity=0.5)
    (made.pictures / "p0.png").unlink()
    with pytest.raises(BadInput, match="--opacity: the image of row 0 is not there"):
        draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="Grey map", opacity=0.5)
    draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="Grey map")  # alone it needs no image


def test_a_damaged_picture(made: Made, tmp_path: Path) -> None:
    made.write()
    (made.folder / "files" / "0_10.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(BadInput):
        draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="annotated")


def test_transparent_pictures_lie_on_white(made: Made, tmp_path: Path) -> None:
    made.write()
    Image.new("RGBA", (20, 20), (0, 0, 255, 0)).save(made.folder / "files" / "0_10.png")
    draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="annotated=", width=2, dpi=50)
    assert (pixels(tmp_path / "a.png") == 255).all()


def test_tall_pictures_stay_on_the_page(made: Made, tmp_path: Path) -> None:
    made.write()
    Image.new("RGB", (10, 1000), "blue").save(made.folder / "files" / "0_10.png")
    draw_figure(made.folder, tmp_path / "a.png", rows="0", columns="annotated", width=2, dpi=100)
    left, top, right, bottom = runs_of(tmp_path / "a.png", (0, 0, 255))
    assert bottom - top == pytest.approx(1.5 * 192, abs=2) and right - left == pytest.approx(2.9, abs=2)
