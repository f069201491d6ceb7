"""Which rows and columns a figure has; a name that may mean two things is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.figure.cells import Colours, Grid, Picture, grid_of, row_numbers

from .conftest import Made


def texts(grid: Grid) -> list[str | None]:
    """The first column's texts."""
    return [cell if isinstance(cell, str) else None for cell, *_ in grid.cells]


def paths(grid: Grid) -> list[str]:
    """The first column's files."""
    return [cell.path.name for cell, *_ in grid.cells if isinstance(cell, Picture)]


class TestRows:
    @pytest.mark.parametrize(
        ("text", "numbers"),
        [("0", [0]), ("7,4", [7, 4]), ("0, 4 ,7-9", [0, 4, 7, 8, 9]), ("2-2", [2]), ("1,0-2", [1, 0, 2])],
    )
    def test_numbers(self, text: str, numbers: list[int]) -> None:
        assert row_numbers(text) == numbers

    @given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20, unique=True))
    def test_any_numbers(self, numbers: list[int]) -> None:
        assert row_numbers(",".join(map(str, numbers))) == numbers

    @pytest.mark.parametrize("text", ["", "a", "-1", "1-", "1-2-3", "1,,2", "1.5", "٣", "9" * 20])
    def test_no_numbers(self, text: str) -> None:
        with pytest.raises(BadInput, match="--rows: this is no row"):
            row_numbers(text)

    def test_how_many(self) -> None:
        assert len(row_numbers("0-49")) == 50
        for text in ("0-50", "0-10000000000000", "0-30,40-60", ",".join(map(str, range(51)))):
            with pytest.raises(BadInput, match="--rows: a figure has at most 50 rows"):
                row_numbers(text)
        with pytest.raises(BadInput, match="--rows: its end is before its start"):
            row_numbers("3-1")

    def test_in_the_order_that_is_asked_for(self, made: Made) -> None:
        grid = grid_of(made.write(), "2,0", "answer")
        assert (grid.rows, texts(grid), grid.notes) == ([2, 0], ["green", "red"], [])

    def test_the_first(self, made: Made) -> None:
        grid = grid_of(made.write(texts=tuple("abcdef")), None, "answer")
        assert (grid.rows, texts(grid)) == ([0, 1, 2, 3], list("abcd"))
        assert grid.notes == ["the first 4 of 7 rows are shown; choose with --rows"]

    def test_one_that_is_not_there(self, made: Made) -> None:
        with pytest.raises(BadInput, match=r"--rows: there are no results of it \(got 9\)\. It has 4 rows; .* is 3"):
            grid_of(made.write(), "0,9", "answer")

    def test_one_that_failed(self, made: Made) -> None:
        grid = grid_of(made.write(), "0,3", "answer,image,Grey map")
        assert grid.cells[1] == [None, None, None]
        assert grid.notes == [f"row 3 has no {name}: no such file" for name in ("answer", "image", "Grey map")]
        with pytest.raises(BadInput, match=r"--rows: no row of these has a result .* Row 3 failed: no such file"):
            grid_of(made.folder, "3", "answer")


class TestColumns:
    def test_the_words(self, made: Made) -> None:
        grid = grid_of(made.write(nodes="10 12"), "0,1", "image,map,annotated,answer")
        assert [(column.heading, column.kind) for column in grid.columns] == [
            ("image", "picture"),
            ("map", "map"),
            ("annotated", "picture"),
            ("answer", "text"),
        ]
        image, heatmap, annotated, answer = grid.cells[1]
        assert isinstance(image, Picture) and image.path == made.pictures / "p1.png"
        assert isinstance(heatmap, Picture) and heatmap.path == made.folder / "files" / "1_12.png"
        assert isinstance(annotated, Picture) and annotated.path == made.folder / "files" / "1_10.png"
        assert answer == "blue"  # what was answered, and not the table's column "answer"

    def test_headings(self, made: Made) -> None:
        grid = grid_of(made.write(), "0", 'query = What is asked, Answer=, "Grey map=a, b", table.answer')
        assert [column.heading for column in grid.columns] == ["What is asked", "", "a, b", "answer"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("query", "question 0"),
            ("table.query", "question 0"),
            ("table.answer", "truth"),
            ("Answer", "red"),
            ("Answer.text", "red"),
            ("Figures", "peak"),
            ("Figures.peak_x", "1.235"),
            ("Figures.all", "[1, 2]"),
        ],
    )
    def test_texts(self, made: Made, name: str, text: str) -> None:
        assert texts(grid_of(made.write(), "0", name)) == [text]

    @pytest.mark.parametrize("name", ["Annotated image", "Annotated image.files"])
    def test_pictures(self, made: Made, name: str) -> None:
        assert paths(grid_of(made.write(), "1,2", name)) == ["1_10.png", "2_10.png"]

    def test_colours_of_maps(self, made: Made) -> None:
        made.write()
        grid = grid_of(made.folder, "0", "Grey map,Coloured heatmap,Annotated image")
        assert [(column.kind, column.colours) for column in grid.columns] == [
            ("grey", None),
            ("map", Colours("viridis", 0.6)),  # one is stated, the other the default that was noted
            ("picture", None),
        ]
        assert grid.cells[0][0] == Picture(made.folder / "files" / "0_8.png", made.pictures / "p0.png")

    def test_colours_that_nobody_knows(self, made: Made) -> None:
        made.bindings = {"how": ["11", "opacity"]}
        assert grid_of(made.write(), "0", "Coloured heatmap").columns[0].colours is None
        made.bindings, made.defaults = {}, {}
        assert grid_of(made.write(), "0", "Coloured heatmap").columns[0].colours is None

    @pytest.mark.parametrize(
        ("columns", "problem"),
        [
            ("map", "it may be Grey map or Coloured heatmap .* Name one by its title"),
            ("nothing", r"there is no such column \(got 'nothing'\)\. It has image, Grey map, .*table\.answer"),
            ("table.nothing", "there is no such column"),
            ("table.Answer", "there is no such column"),
            ("Figures.peak", "there is no such column"),
            ("image,,map", "a column has no name"),
            ("=x", "a column has no name"),
            ("", "a figure has 1 to 20 columns"),
            (",".join(["image"] * 21), "a figure has 1 to 20 columns"),
        ],
    )
    def test_what_is_not_there_or_ambiguous(self, made: Made, columns: str, problem: str) -> None:
        with pytest.raises(BadInput, match=f"--columns: {problem}"):
            grid_of(made.write(), "0", columns)

    def test_without_pictures(self, made: Made) -> None:
        made.write(nodes="")
        for name in ("map", "annotated"):
            with pytest.raises(BadInput, match="--columns: the graph saved no such picture"):
                grid_of(made.folder, "0", name)

    def test_answers(self, made: Made) -> None:
        shown = {"Yes": {"text": "a"}, "No": {"text": "b"}}
        with pytest.raises(BadInput, match=r"it may be Yes or No \(got 'answer'\)"):
            grid_of(made.write(results=shown), "0", "answer")
        assert texts(grid_of(made.write(results={"Yes": {"text": "a"}}), "0", "answer")) == ["a"]
        with pytest.raises(BadInput, match=r"the graph showed no text \(got 'answer'\)"):
            grid_of(made.write(results={"Yes": {"n": 1}}), "0", "answer")

    def test_a_column_called_as_a_node(self, made: Made) -> None:
        made.write(results={"query": {"text": "a"}})
        with pytest.raises(BadInput, match=r"the table has such a column, and the graph a node.* write table\.query"):
            grid_of(made.folder, "0", "query")
        assert texts(grid_of(made.folder, "0", "table.query")) == ["question 0"]
        assert texts(grid_of(made.folder, "0", "query.text")) == ["a"]


class TestFiles:
    def test_one_that_is_gone(self, made: Made) -> None:
        made.write()
        (made.folder / "files" / "0_10.png").unlink()
        with pytest.raises(BadInput, match="DIR: the picture of row 0 is not there"):
            grid_of(made.folder, "0", "annotated")
        (made.pictures / "p0.png").unlink()
        with pytest.raises(BadInput, match=r"DIR: the image of row 0 is not there \(got 'p0\.png'\)\. Put it where"):
            grid_of(made.folder, "0", "image")

    @pytest.mark.parametrize("name", ["../pictures/p0.png", "/etc/passwd", "files", "a\0b", "."])
    def test_one_elsewhere(self, made: Made, name: str) -> None:
        made.write(files={"10": [name]})
        with pytest.raises(BadInput, match="DIR: the picture of row 0 is not there"):
            grid_of(made.folder, "0", "annotated")

    def test_several(self, made: Made) -> None:
        made.write(files={"10": ["files/0_10.png", "files/1_10.png"]})
        with pytest.raises(BadInput, match="row 0 has 2 pictures of it, and a cell holds one"):
            grid_of(made.folder, "0", "annotated")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="DIR: there is no such folder"):
            grid_of(tmp_path / "nowhere", None, "image")


class TestUsualColumns:
    def test_a_map_in_colours_is_preferred_and_that_is_said(self, made: Made) -> None:
        grid = grid_of(made.write(), "0", None)
        assert [column.heading for column in grid.columns] == ["image", "map", "annotated", "answer"]
        assert grid.columns[1].colours is not None
        assert grid.notes == ["map is Coloured heatmap; for another say --columns, with Grey map=map in it"]
        other = grid_of(made.folder, "0", "image,Grey map=map,annotated,answer")  # as the note says
        assert (other.columns[1].heading, other.columns[1].kind) == ("map", "grey")
        with pytest.raises(BadInput, match="--columns: it may be Grey map or Coloured heatmap"):
            grid_of(made.folder, "0", "map")

    def test_what_the_run_does_not_have_is_left_out(self, made: Made) -> None:
        grid = grid_of(
            made.write(nodes="8", texts=("a",), results={"Grey map": {"files": ["files/0_8.png"]}}), "0", None
        )
        assert [column.heading for column in grid.columns] == ["image", "map"] and grid.notes == []

    def test_of_several_texts_the_first(self, made: Made) -> None:
        results = {"Figures": {"text": "peak"}, "Other": {"text": "more"}}
        grid = grid_of(made.write(nodes="10", results=results), "0", None)
        assert grid.cells[0][-1] == "peak"
        assert grid.notes == ["answer is Figures; for another say --columns, with Other=answer in it"]

    def test_nothing_but_the_image(self, made: Made) -> None:
        with pytest.raises(BadInput, match="--columns: the graph saved no such picture"):
            grid_of(made.write(nodes="", results={}), "0", None)


def test_pictures_in_tars_are_told(made: Made) -> None:
    (made.folder / "tars").mkdir()
    (made.folder / "tars" / "000000.tar").write_bytes(bytes(1024))
    with pytest.raises(BadInput, match=r"^DIR: the pictures of this run lie in tars .* without --tar"):
        grid_of(made.write(nodes="10", files={"10": ["tars/000000.tar/abc.annotated.png"]}), "0", "annotated")
