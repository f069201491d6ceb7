"""From what a user names to rows, however they are written. A row's key depends on its content, not on its number."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.table.rows import Table, content_digest, open_table, row_content

ROWS = [{"image": "a.png", "query": 'a "red" star, big'}, {"image": "b.png", "query": "zwei\nZeilen"}]
CSV = 'image,query\r\na.png,"a ""red"" star, big"\r\nb.png,"zwei\nZeilen"\r\n'
JSONL = "".join(f"{json.dumps(row)}\n" for row in ROWS)

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ANY_ROW = st.dictionaries(st.text(), ANY_VALUE, max_size=5)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("a.csv", text)`: the file."""

    def write(name: str, content: str | bytes = b"") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def values_of(table: Table) -> list[dict[str, Any]]:
    return [dict(row.values) for row in table]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("rows.jsonl", JSONL, "jsonl"),
        ("rows.NDJSON", JSONL.replace("\n", "\r\n\n"), "jsonl"),
        ("rows.csv", CSV, "csv"),
        ("rows.csv", "\ufeff" + CSV.rstrip("\r\n"), "csv"),
        ("rows.tsv", CSV.replace("image,", "image\t").replace("png,", "png\t"), "tsv"),
        ("my.rows.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0), "jsonl"),
        ("rows.csv.gz", gzip.compress(CSV.encode(), mtime=0), "csv"),
    ],
)
def test_every_kind_gives_the_same_rows(write: Write, name: str, content: str | bytes, kind: str) -> None:
    table = open_table(write(name, content))
    found = list(table)
    assert (table.kind, table.columns, table.count()) == (kind, ("image", "query"), 2)
    assert [dict(row.values) for row in found] == ROWS
    assert [row.number for row in found] == [0, 1]
    assert [row.key for row in found] == [row.key for row in open_table(ROWS)]
    assert list(table) == found  # again


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pyarrow.parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    table = open_table(str(tmp_path / "rows.parquet"))
    assert (table.kind, table.columns, table.count()) == ("parquet", ("image", "query"), 2)
    assert list(table) == list(open_table(ROWS))


def test_relative_names_mean_the_tables_own_folder(write: Write, tmp_path: Path) -> None:
    table = open_table(write("deep/rows.csv", CSV))
    assert table.base == tmp_path / "deep"
    assert table.source == str(tmp_path / "deep" / "rows.csv")
    assert open_table(ROWS).base == Path.cwd()


def test_kind_says_what_the_name_does_not(write: Write) -> None:
    assert values_of(open_table(write("rows.txt", JSONL), kind="jsonl")) == ROWS
    with pytest.raises(BadInput, match=r"^kind: there is no such kind of table .*There are: jsonl, csv, "):
        open_table(write("rows.txt", JSONL), kind="xml")


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), min_size=1, max_size=5))
def test_any_texts_survive_jsonl(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8", newline="")
    table = open_table(path)
    assert values_of(table) == rows
    assert table.count() == len(rows)


@given(st.lists(st.tuples(st.text(alphabet='a",\n\r é;\t'), st.just("x")), min_size=1, max_size=5))
def test_any_texts_survive_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [("a", "b"), *rows]]
    path.write_text("\n".join(lines), "utf-8", newline="")
    table = open_table(path)
    assert [tuple(row.values.values()) for row in table] == [(first.strip(), x) for first, x in rows]
    assert table.count() == len(rows)


def test_rows_of_a_python_program() -> None:
    table = open_table(row for row in [{"image": Path("a.png")}, {"image": "b.png", "n": 1}])
    assert (table.kind, table.columns, table.count()) == ("python", ("image", "n"), 2)
    assert values_of(table) == [{"image": "a.png"}, {"image": "b.png", "n": 1}]
    assert values_of(table) == values_of(table)


def test_python_rows_that_are_none() -> None:
    rows: list[Any] = [{"a": 1}, ["a"], {1: "a"}, {"a": {"b"}}]
    faults = [str(row.fault) for row in open_table(rows)]
    assert faults[0] == "None"
    assert faults[1].startswith("ROWS: row 1: a row is a mapping whose keys are texts (got ['a'])")
    assert faults[2].startswith("ROWS: row 2: a row is a mapping whose keys are texts (got {1: 'a'})")
    assert faults[3].startswith("ROWS: row 3: a value cannot be written as JSON")


def test_columns_that_first_rows_leave_out(write: Write) -> None:
    table = open_table(write("rows.jsonl", '{"a": 1}\n?\n{"b": 1, "a": 2}\n'))
    assert table.columns == ("a", "b")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.csv", None, "there is no such file"),
        ("missing.xyz", None, "there is no such file"),
        ("missing/*.png", None, "there is no folder"),
        ("rows.xlsx", b"PK", "its ending says no kind of table .* Export it as CSV"),
        ("rows.json", b"[]", "its ending says no kind of table .* Write one object per line"),
        ("rows", b"a", "its ending says no kind of table"),
        ("rows.gz", b"a", "its ending says no kind of table"),
        ("empty.csv", b"", "the table is empty"),
        ("empty.jsonl", b"", "the table has no rows"),
        ("blank.jsonl", b"\n \r\n", "the table has no rows"),
        ("header.csv", b"a,b\r\n\r\n", "the table has no rows"),
        ("twice.csv", b"a,b,a\n1,2,3\n", "the header: two columns have the name 'a'"),
        ("latin.csv", b"a,\xe9\n1,2\n", "the header: this is not UTF-8 text"),
        ("utf16.csv", "a,b\n1,2\n".encode("utf-16"), "the table is UTF-16 text .* Save it as UTF-8"),
        ("utf16.jsonl", JSONL.encode("utf-16"), "the table is UTF-16 text"),
        ("plain.csv.gz", b"a,b\n", r"the table cannot be read \(Not a gzipped file"),
        ("bad.parquet", b"PAR1", "the table cannot be read .* Is it Parquet"),
    ],
)
def test_what_is_no_table(write: Write, tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        write(name, content)
    with pytest.raises(BadInput, match=rf"^ROWS: {said}") as caught:
        open_table(str(tmp_path / name))
    assert caught.value.value == str(tmp_path / name) and caught.value.hint


@pytest.mark.parametrize("source", ["", " ", "a\0b", {"a": 1}, 3, []])
def test_what_names_no_table(source: Any) -> None:
    with pytest.raises(BadInput, match=r"^ROWS: "):
        open_table(source)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_folder_is_no_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput, match="this is a folder or a device, not a file"):
        open_table(tmp_path, kind=kind)


def same(a: Any, b: Any) -> bool:
    """Equal as JSON is: 1, 1.0 and true are three values, and so are 0.0 and -0.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def keys_of(rows: list[dict[str, Any]]) -> list[str]:
    return [row.key for row in open_table(rows)]


def digest_of(values: dict[str, Any]) -> bytes:
    content = row_content(values, "row 0")
    assert content.fault is None
    return content.digest


def test_a_key_is_the_start_of_sha256_over_the_canonical_json() -> None:
    values = {"query": "é", "image": "a.png", "k": [1, None, 2.5]}
    canonical = b'{"image":"a.png","k":[1,null,2.5],"query":"\\u00e9"}'
    assert keys_of([values]) == [hashlib.sha256(canonical).hexdigest()[:20]]


@given(ANY_ROW, st.randoms())
def test_the_order_of_columns_does_not_matter(values: dict[str, Any], random: Any) -> None:
    names = list(values)
    random.shuffle(names)
    assert digest_of({name: values[name] for name in names}) == digest_of(values)


@given(ANY_ROW, ANY_ROW)
def test_different_content_has_different_digests(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (digest_of(a) == digest_of(b)) == same(a, b)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_equal_rows_are_counted(contents: list[int]) -> None:
    keys = keys_of([{"n": n} for n in contents])
    assert len(set(keys)) == len(contents)
    for index, (n, key) in enumerate(zip(contents, keys, strict=True)):
        times = contents[: index + 1].count(n)
        assert key.partition("-")[::2] == (digest_of({"n": n}).hex(), str(times) if times > 1 else "")


@given(st.permutations([1, 1, 1, 2, 2, 3]))
def test_sorting_a_table_keeps_its_set_of_keys(contents: list[int]) -> None:
    assert set(keys_of([{"n": n} for n in contents])) == set(keys_of([{"n": n} for n in [1, 1, 1, 2, 2, 3]]))


def test_what_json_cannot_say_is_a_fault() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (float("nan"), float("inf"), b"bytes", {1, 2}, endless, object()):
        found = row_content({"a": value}, "row 3")
        assert found.values == {} and len(found.digest) == 10
        assert str(found.fault).startswith("ROWS: row 3: a value cannot be written as JSON (")


def test_faulty_rows_have_keys_by_their_content() -> None:
    first, second = row_content({"a": b"one"}, "row 0"), row_content({"a": b"two"}, "row 1")
    assert first.digest != second.digest
    assert first.digest == row_content({"a": b"one"}, "row 9").digest


def rows_in(path: Path) -> list[dict[str, Any]]:
    found = open_table(path)
    rows = list(found)
    assert found.count() == len(rows) and all(row.fault is None for row in rows)
    return [dict(row.values) for row in rows]


def test_blanks_around_names_and_cells(write: Write) -> None:
    table = open_table(write("rows.csv", "image , query\n a.png,  a red star \n"))
    assert table.columns == ("image", "query")
    assert values_of(table) == [{"image": "a.png", "query": "a red star"}]
    assert rows_in(write("rows.tsv", " image\tquery \r\na.png\t b\r\n")) == [{"image": "a.png", "query": "b"}]
    lines = open_table(write("rows.jsonl", '{" image": "a.png", "query ": " as it is "}\n'))
    assert (lines.columns, values_of(lines)) == (("image", "query"), [{"image": "a.png", "query": " as it is "}])
    assert values_of(open_table([{" a": 1, "a": 2}])) == [{" a": 1, "a": 2}]  # two names stay two


def test_keys_are_of_what_is_written(write: Write) -> None:
    """Results of a table that an earlier version has run are still found."""
    (row,) = open_table(write("rows.csv", "image, query\na.png, b\n"))
    assert row.key == content_digest(b'{" query":" b","image":"a.png"}').hex()


@pytest.mark.parametrize(
    "text",
    [
        "image,query\n1.png,a\n,\n , \n\n2.png,b\n,\n",
        "image,query,,\n1.png,a,,\n2.png,b, ,\n,,,\n",
        "image,query,\n1.png,a\n2.png,b,,,\n",
        ",\nimage,query\n1.png,a\n2.png,b\n",
    ],
)
def test_what_a_spreadsheet_leaves_behind(write: Write, text: str) -> None:
    expected = [{"image": "1.png", "query": "a"}, {"image": "2.png", "query": "b"}]
    assert rows_in(write("rows.csv", text.replace("\n", "\r\n"))) == expected
    assert rows_in(write("rows.tsv", text.replace(",", "\t"))) == expected


def test_cells_without_a_name(write: Write) -> None:
    """One column without a name is an index, as pandas writes it; of two nobody knows which is which."""
    assert rows_in(write("rows.csv", ",image\n0,a.png\n1,b.png\n"))[1] == {"": "1", "image": "b.png"}
    good, bad, more = open_table(write("rows.csv", "image,,\na.png,,\nb.png,,x\nc.png,,,x\n"))
    assert good.fault is None
    assert "line 3: cell 3 has a value, and the header no name for it" in str(bad.fault)
    assert "line 4: the header has 1 cell, this row 4" in str(more.fault)


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("rows.csv", "image;query", "the separator seems to be ';' .*Save it with commas"),
        ("rows.csv", "image\tquery", r"the separator seems to be '\\t' .*Name the file \.tsv"),
        ("rows.csv", "image|query|id", r"the separator seems to be '\|'"),
        ("rows.tsv", "image,query", r"the separator seems to be ',' .*Name the file \.csv"),
        ("rows.tsv", "image;query", "the separator seems to be ';'"),
    ],
)
def test_another_separator(write: Write, name: str, header: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        open_table(write(name, f"{header}\n1;2\n"))
    assert open_table(write(name, f'"{header}"\n1\n')).columns == (header,)


@pytest.mark.parametrize("text", ['[{"image": "1.png"}]', '\n[\n{"image": "1.png"}\n]\n', "[]"])
def test_a_list_instead_of_lines(write: Write, text: str) -> None:
    number = 2 if text.startswith("\n") else 1
    with pytest.raises(BadInput, match=f"^ROWS: line {number} is no JSON object .*an? .*line of its own"):
        open_table(write("rows.jsonl", text))


def test_a_table_of_faults_alone(write: Write) -> None:
    with pytest.raises(BadInput, match="line 1, column 2: this is no JSON"):
        open_table(write("rows.jsonl", '{\n"image": "1.png"\n}\n'))


def test_json_lines_that_are_called_json(write: Write) -> None:
    assert rows_in(write("coco_pope.json", JSONL)) == ROWS
    assert rows_in(write("coco_pope.json.gz", gzip.compress(JSONL.encode()))) == ROWS
    for text in (json.dumps(ROWS), json.dumps(ROWS[0], indent=1), "", "{" * 99_999):
        with pytest.raises(BadInput, match=r"its ending says no kind of table .* Write one object per line"):
            open_table(write("rows.json", text))


def test_a_line_ends_at_a_line_feed_only(write: Write) -> None:
    texts = ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\x1cb"]
    lines = "".join(json.dumps({"q": text}, ensure_ascii=False) + "\n" for text in texts if text[1] > "\x1f")
    assert [row["q"] for row in rows_in(write("rows.jsonl", lines))] == [text for text in texts if text[1] > "\x1f"]
