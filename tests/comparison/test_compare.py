"""Which folders are compared, by which figure, row by row; all that is ambiguous or not there is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_graph import BadInput, compare_results
from api_graph.bench.statistics import compare_scores, wilson_interval
from api_graph.comparison.compare import ComparedResults
from api_graph.comparison.sides import sides_of


def scores(compared: ComparedResults) -> list[list[float]]:
    return [list(item.scores) for item in compared.items]


class TestSides:
    def test_names_are_as_long_as_needed(self, tmp_path: Path) -> None:
        folders = [tmp_path / "a" / "out", tmp_path / "b" / "out", tmp_path / "b" / "x"]
        assert [side.name for side in sides_of(folders)] == ["a/out", "b/out", "b/x"]
        assert [side.name for side in sides_of(folders[1:])] == ["out", "x"]
        assert [side.folder for side in sides_of(folders)] == folders

    def test_a_benchmark_stands_for_its_graphs(self, runs: Any) -> None:
        out = runs.benchmark("out", ["plain", "api"])
        for name in ("api", "plain"):
            (out / name).mkdir()
        assert [side.name for side in sides_of([out])] == ["plain", "api"]
        assert [side.name for side in sides_of([out, out / "../other"])] == ["plain", "api", "other"]

    @pytest.mark.parametrize("name", ["..", "../secret", "/etc", ".", "", "gone", "a\0b"])
    def test_a_graph_lies_in_its_benchmark(self, runs: Any, name: str) -> None:
        (runs.root / "secret").mkdir()
        with pytest.raises(BadInput, match="DIR: it has no results of the graph"):
            sides_of([runs.benchmark("out", [name, "plain"])])

    @pytest.mark.parametrize("text", ["{", "[]", '{"graphs": 3}', '{"graphs": ["a"]}', "[" * 100_000])
    def test_a_benchmark_that_cannot_be_read(self, runs: Any, text: str) -> None:
        (runs.benchmark("out", []) / "bench.json").write_text(text)
        with pytest.raises(BadInput, match=r"DIR: bench\.json has no graphs in it"):
            sides_of([runs.root / "out"])

    def test_there_have_to_be_two(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="one folder of results, and nothing to compare it with"):
            compare_results([tmp_path])
        with pytest.raises(BadInput, match="one folder of results"):
            compare_results(str(tmp_path))
        with pytest.raises(BadInput, match="DIR: it is named twice"):
            compare_results([tmp_path, f"{tmp_path}/."])


class TestScores:
    def test_by_item_whatever_the_order(self, runs: Any) -> None:
        one = runs.scored("one", {"a": 1, "b": 0, "c": 0.3})
        other = runs.scored("other", {"c": 0.6, "b": 0, "a": 0})
        compared = compare_results([one, other])
        assert (compared.figure, compared.percent) == ("score", True)
        assert [(item.name, list(item.rows)) for item in compared.items] == [
            ("item a", [0, 2]),
            ("item b", [1, 1]),
            ("item c", [2, 0]),
        ]
        assert scores(compared) == [[1, 0], [0, 0], [0.3, 0.6]]
        (pair,) = compared.pairs
        assert pair.lines[0].comparison == compare_scores([1, 0, 0.3], [0, 0, 0.6])

    def test_in_each_category(self, runs: Any) -> None:
        found = {f"i{n}": float(n % 2) for n in range(10)}
        categories = {item: "odd" if score else "even" for item, score in found.items()}
        one, other = runs.scored("one", found, categories), runs.scored("other", dict.fromkeys(found, 1.0), categories)
        (pair,) = compare_results([one, other]).pairs
        assert [(line.category, line.comparison.n, line.comparison.higher) for line in pair.lines] == [
            (None, 10, 5),
            ("even", 5, 5),
            ("odd", 5, 0),
        ]
        assert pair.lines[1].first == wilson_interval(0, 5) and pair.lines[1].second == wilson_interval(5, 5)

    def test_each_with_the_first(self, runs: Any) -> None:
        folders = [runs.scored(name, {"a": score, "b": 0}) for name, score in (("x", 0), ("y", 1), ("z", 0.5))]
        compared = compare_results(folders)
        assert [(pair.first, pair.second, pair.lines[0].comparison.difference) for pair in compared.pairs] == [
            ("x", "y", 0.5),
            ("x", "z", 0.25),
        ]

    def test_items_without_a_score_are_left_out_and_told(self, runs: Any) -> None:
        one = runs.scored("one", {"a": 1, "b": None, "c": 0})
        other = runs.scored("other", {"a": 1, "b": None, "c": None})
        compared = compare_results([one, other])
        assert scores(compared) == [[1, 1]]
        assert compared.notes == [
            "1 item is left out: one has no score.",
            "2 items are left out: other has no score.",
        ]
        with pytest.raises(BadInput, match="no item has a score in every folder"):
            compare_results([one, runs.scored("none", dict.fromkeys("abc"))])

    def test_missing_items_are_named(self, runs: Any) -> None:
        one = runs.scored("one", {f"i{n}": 1 for n in range(9)})
        other = runs.scored("other", {"i0": 0, "new": 1})
        expected = (
            r"DIR: rows are missing: one lacks 1 \(item new\); "
            r"other lacks 8 \(item i1, item i2, item i3, item i4, item i5 and 3 more\)\. .*--allow-missing"
        )
        with pytest.raises(BadInput, match=expected):
            compare_results([one, other])
        compared = compare_results([one, other], allow_missing=True)
        assert scores(compared) == [[1, 0]]
        assert compared.notes == [
            "1 item is left out: one has no such row.",
            "8 items are left out: other has no such row.",
        ]

    def test_one_that_is_not_scored(self, runs: Any) -> None:
        with pytest.raises(BadInput, match=r"DIR: it has no scores\.jsonl, which 'one' has"):
            compare_results([runs.scored("one", {"a": 1}), runs.numbers("other", [1])])

    def test_another_truth_is_another_benchmark(self, runs: Any) -> None:
        one, other = runs.scored("one", {"a": 1}), runs.scored("other", {"a": 1}, truth="c")
        with pytest.raises(BadInput, match="item a: its truth is not the same everywhere"):
            compare_results([one, other])
        with pytest.raises(BadInput, match="item a: its category is not the same everywhere"):
            compare_results([one, runs.scored("third", {"a": 1}, {"a": "x"})])

    def test_columns_tell_no_items_apart(self, runs: Any) -> None:
        folders = [runs.scored(name, {"a": 1}) for name in ("one", "other")]
        with pytest.raises(BadInput, match="--on: a benchmark's items are told apart by their names"):
            compare_results(folders, on=["item"])
        (pair,) = compare_results(folders, by="item").pairs
        assert [line.category for line in pair.lines] == [None, "a"]

    def test_a_figure_of_a_benchmark(self, runs: Any) -> None:
        """Its folder is one of `map`, too."""
        folders = [runs.scored(name, {"a": 1}) for name in ("one", "other")]
        for number, folder in enumerate(folders):
            text = (folder / "results.jsonl").read_text().replace('"text": "a"', f'"tokens": {number}')
            (folder / "results.jsonl").write_text(text.replace('"text":"a"', f'"tokens":{number}'))
        assert scores(compare_results(folders, "Answer")) == [[0, 1]]


class TestFigures:
    def test_the_only_one(self, runs: Any) -> None:
        compared = compare_results([runs.numbers("one", [1, 2.5]), runs.numbers("other", [3, None])])
        assert (compared.figure, compared.percent) == ("Figures.mass", False)
        assert scores(compared) == [[1, 3]]
        assert compared.notes == ["1 item is left out: other has no score."]

    def test_true_and_false_are_shares(self, runs: Any) -> None:
        compared = compare_results([runs.numbers("one", [True, False]), runs.numbers("other", [True, True])])
        assert compared.percent and scores(compared) == [[1, 1], [0, 1]]

    def test_none_is_guessed(self, runs: Any) -> None:
        rows = [{"results": {"Figures": {"mass": 1, "peak": [2.5]}, "Words": {"text": "a"}, "All": {"four": [1, 2]}}}]
        folders = [runs.run(name, rows) for name in ("one", "other")]
        with pytest.raises(
            BadInput,
            match=r"--figure: there are several .*: Figures\.mass, Figures\.peak; or, .*Words\.text\.$",
        ):
            compare_results(folders)
        with pytest.raises(
            BadInput,
            match=r"one has several figures of this title .*: Figures\.mass, Figures\.peak\.$",
        ):
            compare_results(folders, "Figures")
        with pytest.raises(BadInput, match=r"one has no such figure \(got 'All'\)\. It has Figures\.mass"):
            compare_results(folders, "All")
        with pytest.raises(BadInput, match=r"--figure: it is a text, and no number .*--truth"):
            compare_results(folders, "Words")
        assert scores(compare_results(folders, "Figures.peak")) == [[2.5, 2.5]]

    def test_one_that_a_folder_lacks(self, runs: Any) -> None:
        one, other = runs.numbers("one", [1]), runs.numbers("other", [1], "Box", "iou")
        with pytest.raises(BadInput, match=r"no number .* \(one: Figures\.mass; other: Box\.iou\)\. .*--truth"):
            compare_results([one, other])
        with pytest.raises(BadInput, match=r"other has no such figure \(got 'Figures'\)\. It has Box\.iou\."):
            compare_results([one, other], "Figures")
        third = runs.numbers("third", [1], "Figures", "peak")
        with pytest.raises(BadInput, match=r"it is Figures\.mass of one folder and Figures\.peak of another"):
            compare_results([one, third], "Figures")

    def test_titles_with_dots(self, runs: Any) -> None:
        folders = [runs.numbers(name, [1], "A.b", "c") for name in ("one", "other")]
        assert compare_results(folders, "A.b").figure == compare_results(folders, "A.b.c").figure == "A.b.c"


class TestAnswers:
    def test_right_by_a_column(self, runs: Any) -> None:
        truths = ["red", ["two", "2"], 3, None]
        one = runs.answers("one", ["Red.", "2", "4", "x"], truths)
        other = runs.answers("other", ["blue", "two", "3", "x"], truths)
        compared = compare_results([one, other], truth="truth")
        assert (compared.figure, compared.percent) == ("Answer.text", True)
        assert scores(compared) == [[1, 0], [1, 1], [0, 1]]
        assert compared.notes[0] == "1 item is left out: one has no score."
        assert [list(item.truth) for item in compared.items] == [["red"], ["two", "2"], ["3"]]

    def test_a_column_that_is_not_there(self, runs: Any) -> None:
        folders = [runs.answers(name, ["a"], ["a"]) for name in ("one", "other")]
        for option, words in (("--truth", {"truth": "answer"}), ("--by", {"truth": "truth", "by": "answer"})):
            with pytest.raises(BadInput, match=f"{option}: the table of one has no such column .* It has query, truth"):
                compare_results(folders, **words)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="--on: row 0 of one has no such column"):
            compare_results(folders, truth="truth", on=["answer"])

    def test_by_a_column(self, runs: Any) -> None:
        kinds = ["x", "y", None]
        folders = [runs.answers(name, ["a"] * 3, ["a"] * 3, kind=kinds) for name in ("one", "other")]
        (pair,) = compare_results(folders, truth="truth", by="kind").pairs
        assert [(line.category, line.comparison.n) for line in pair.lines] == [(None, 3), ("x", 1), ("y", 1)]
        many = [runs.answers(name, ["a"] * 101, ["a"] * 101) for name in ("m", "n")]
        with pytest.raises(BadInput, match="--by: there are 101 categories, and at most 100 are compared"):
            compare_results(many, truth="truth", by="query")


class TestPairs:
    def test_by_what_rows_hold(self, runs: Any) -> None:
        """Without a column `item`: a key is made of all that a row holds, whatever its number."""
        keys = ["1" * 20, "2" * 20, "2" * 20 + "-2"]

        def run(name: str, keys: list[str], numbers: list[int]) -> Path:
            rows = [{"key": key, "results": {"F": {"n": n}}} for key, n in zip(keys, numbers, strict=True)]
            return runs.run(name, rows)

        one, other = run("one", keys, [1, 2, 3]), run("other", keys[::-1], [30, 20, 10])
        assert scores(compare_results([one, other])) == [[1, 10], [2, 20], [3, 30]]
        with pytest.raises(BadInput, match=r"other2 lacks 1 \(row 2\)\. Finish the run"):
            compare_results([one, run("other2", keys[:2], [1, 2])])
        with pytest.raises(BadInput, match=r"No row is the same in all of them: name the columns .* --on"):
            compare_results([one, run("other3", ["3" * 20], [1])], allow_missing=True)

    def test_by_columns(self, runs: Any) -> None:
        def run(name: str, values: list[tuple[int, str]], number: int) -> Path:
            rows = [
                {
                    "values": {"id": id, "side": side, "more": name},
                    "results": {"F": {"n": number + id}},
                    "key": f"{number:019}{n}",
                }
                for n, (id, side) in enumerate(values)
            ]
            return runs.run(name, rows)

        one, other = run("one", [(1, "l"), (1, "r"), (2, "l")], 0), run("two", [(2, "l"), (1, "r"), (1, "l")], 10)
        with pytest.raises(BadInput, match="--on: rows 0 and 1 of one are both id 1"):
            compare_results([one, other], on=["id"])
        compared = compare_results([one, other], on=["id", "side"])
        assert [(item.name, list(item.rows)) for item in compared.items] == [
            ("id 1, side l", [0, 2]),
            ("id 1, side r", [1, 1]),
            ("id 2, side l", [2, 0]),
        ]
        with pytest.raises(BadInput, match="No row is in all of them: name other columns with --on"):
            compare_results([one, other], on=["more", "id", "side"])

    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.dictionaries(st.text("ab0 ", min_size=1, max_size=3).filter(str.strip), st.booleans(), min_size=1),
        st.randoms(),
    )
    def test_order_changes_nothing(self, runs: Any, right: dict[str, bool], random: Any) -> None:
        for name in ("one", "other"):
            for file in ("results.jsonl", "scores.jsonl"):
                (runs.root / name / file).unlink(missing_ok=True)
        shuffled = random.sample(sorted(right), len(right))
        one = runs.scored("one", {item: float(right[item]) for item in right})
        other = runs.scored("other", {item: float(not right[item]) for item in shuffled})
        assert all(sum(pair) == 1 for pair in scores(compare_results([one, other])))


def test_types_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="figure: a text is needed"):
        compare_results([tmp_path], 3)  # type: ignore[arg-type]


def test_no_results(runs: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="DIR: there are no results in it"):
        compare_results([runs.numbers("one", [1]), tmp_path])
