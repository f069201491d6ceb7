"""`map` on a folder that has lost something: the rows are done again, it is said, and `verify` passes afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.table.journal import line_of
from api_graph.table.map import map_graph
from api_graph.table.verify import verify
from tests.table.runs import PLAIN, files_in, named_files, picture, records, results

ROWS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pictures 0.png .. 5.png as a table, and the results of a finished run."""
    for number in range(ROWS):
        picture(tmp_path / f"pics/{number}.png", number)
    table(tmp_path, range(ROWS))
    assert run(tmp_path) == (list(range(ROWS)), [])
    return tmp_path


def table(folder: Path, numbers: range | list[int]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps({"image": f"pics/{n}.png"}) + "\n" for n in numbers))


def run(folder: Path, **options: object) -> tuple[list[int], list[str]]:
    """The rows that a run does, and what it says."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ApiGraphWarning)
        rows = map_graph(PLAIN, folder / "rows.jsonl", output=folder / "out", cache=False, **options)  # type: ignore[arg-type]
        numbers = sorted(result.number for result in rows)
    return numbers, [str(each.message) for each in said if issubclass(each.category, ApiGraphWarning)]


def written(folder: Path, row: int) -> Path:
    (record,) = (record for record in records(folder / "out") if record["row"] == row)
    return folder / "out" / record["files"]["2"][0]


def change_lines(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = folder / "out/results.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def in_order(folder: Path) -> None:
    change_lines(folder, lambda lines: sorted(lines, key=lambda line: json.loads(line)["row"]))


def touch(folder: Path) -> None:
    for path in [written(folder, 1), folder / "pics/1.png"]:
        os.utime(path, (1, 1))


def pictures(out: Path) -> dict[int, object]:
    return {row: result["pictures"] for row, result in results(out).items()}


LOST = "done again: their lines are gone from results.jsonl"
BREAKS: dict[str, tuple[Callable[[Path], object], list[int], list[str]]] = {
    "nothing": (lambda f: None, [], []),
    "times": (touch, [], []),
    "a line": (lambda f: change_lines(f, lambda lines: lines[:2] + lines[3:]), [2], [f"1 row is {LOST}"]),
    "all lines": (lambda f: (f / "out/results.jsonl").unlink(), [0, 1, 2, 3, 4, 5], [f"6 rows are {LOST}"]),
    "half a line": (
        lambda f: change_lines(f, lambda lines: [lines[0][:50] + b"\n", *lines[1:]]),
        [0],
        ["1 damaged line is taken out of results.jsonl, and its row done again"],
    ),
    "twice": (
        lambda f: change_lines(f, lambda lines: lines + lines[:2]),
        [],
        ["2 lines are taken out of results.jsonl: an earlier one is of the same row"],
    ),
    "files": (
        lambda f: [written(f, row).unlink() for row in (1, 4)],
        [1, 4],
        [r"2 rows are done again: files that they wrote are missing \(files/.*_.png, files/.*_.png\)"],
    ),
    "the end of a file": (
        lambda f: os.truncate(written(f, 3), 100),
        [3],
        [r"1 row is done again: files that they wrote are damaged \(files/.*_.png\)"],
    ),
    "pictures": (
        lambda f: [picture(f / f"pics/{row}.png", 50 + row) for row in range(1, 6)],
        [1, 2, 3, 4, 5],
        [
            "5 rows are done again: pictures or other files that they read have changed "
            r"\(pics/1.png, pics/2.png, pics/3.png, ...\)"
        ],
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_was_lost_is_done_again(folder: Path, what: str) -> None:
    broken, again, said = BREAKS[what]
    in_order(folder)
    broken(folder)
    assert verify(folder / "out").ok == (what in ("nothing", "times"))
    numbers, told = run(folder)
    assert numbers == again
    assert len(told) == len(said) and all(map(re.fullmatch, said, told)), told
    assert verify(folder / "out", depth="content").ok
    assert len(results(folder / "out")) == ROWS
    assert files_in(folder / "out") == named_files(folder / "out")
    list(map_graph(PLAIN, folder / "rows.jsonl", output=folder / "fresh", cache=False))
    assert pictures(folder / "out") == pictures(folder / "fresh")
    assert run(folder) == ([], [])


def test_a_row_whose_picture_is_gone_keeps_its_result(folder: Path) -> None:
    (folder / "pics/2.png").unlink()
    written(folder, 3).unlink()
    before = results_of(folder, 2)
    numbers, told = run(folder)
    assert numbers == [3]
    assert told[1:] == ["1 row keeps its result, though what was read for it is missing (pics/2.png)"]
    assert results_of(folder, 2) == before
    found = verify(folder / "out")
    assert (found.counts["gone"], found.first["gone"]) == (1, ["row 2: pics/2.png"])
    picture(folder / "pics/2.png", 77)
    assert run(folder)[0] == [2]
    assert verify(folder / "out").ok


def results_of(folder: Path, row: int) -> dict[str, object]:
    (record,) = (record for record in records(folder / "out") if record["row"] == row)
    return record


def test_a_failed_row_whose_picture_is_mended(folder: Path) -> None:
    (folder / "pics/1.png").write_bytes(b"no picture")
    assert run(folder)[0] == [1]
    assert results_of(folder, 1)["ok"] is False and verify(folder / "out").failed == 1
    done, (told,) = run(folder)
    assert not done and told.startswith("1 row failed before: retry_failed=True does it again (row 1: ")
    picture(folder / "pics/1.png", 1)
    assert run(folder)[0] == [1]
    assert results_of(folder, 1)["ok"] is True


def test_lines_of_rows_that_the_table_no_longer_has_stay(folder: Path) -> None:
    """Nobody could do them again, whatever happens to their files."""
    table(folder, [0, 1, 2, 3])
    written(folder, 4).unlink()
    told = ["2 lines are of rows that this run does not have: another table or --limit had them"]
    assert run(folder) == ([], told)
    assert len(records(folder / "out")) == ROWS and verify(folder / "out").ok
    table(folder, range(ROWS))
    assert run(folder)[0] == [4]


def test_with_a_limit_only_its_rows_are_repaired(folder: Path) -> None:
    for row in (1, 4):
        written(folder, row).unlink()
    assert run(folder, limit=3)[0] == [1]
    assert verify(folder / "out").ok
    assert run(folder)[0] == [4]


def test_a_table_at_another_place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(folder, other / "copy", copy_function=shutil.copyfile)  # without times
    assert run(other / "copy") == ([], [])


def test_lines_of_version_0_1(folder: Path) -> None:
    lines = [
        {name: v for name, v in line.items() if name not in ("reads", "written")} for line in records(folder / "out")
    ]
    change_lines(folder, lambda _: list(map(line_of, lines)))
    assert run(folder) == ([], [])
    os.truncate(written(folder, 5), 200)
    picture(folder / "pics/1.png", 60)  # it does not tell
    assert run(folder)[0] == [5]


def test_a_file_that_is_no_journal_is_left_alone(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    (folder / "out").mkdir()
    (folder / "out/results.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(BadInput, match="line 1 of the results cannot be used"):
        run(folder)
    assert (folder / "out/results.jsonl").read_text() == '{"mine": 1}\n'


def test_a_missing_manifest_is_told(folder: Path) -> None:
    (folder / "out/manifest.json").unlink()
    with pytest.raises(BadInput, match=r"no manifest\.json says what graph gave it"):
        run(folder)
    written(folder, 2).unlink()
    assert run(folder, adopt=True) == (
        [2],
        [
            "6 results were adopted.",
            f"1 row is done again: files that they wrote are missing ({records(folder / 'out')[-1]['files']['2'][0]})",
        ],
    )
    assert verify(folder / "out").ok
