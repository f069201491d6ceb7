"""Keys of rows: the content decides, not the place."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api_graph.table.row import RowKeys, row_of, values_digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.dictionaries(st.text(), VALUES, max_size=5)


def same(a: Any, b: Any) -> bool:
    """Equal as JSON is: 1, 1.0 and true are three values, and so are 0.0 and -0.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def test_a_key_is_the_start_of_sha256_over_the_canonical_json() -> None:
    values = {"query": "é", "image": "a.png", "k": [1, None, 2.5]}
    canonical = b'{"image":"a.png","k":[1,null,2.5],"query":"\\u00e9"}'
    assert RowKeys().key(values_digest(values)) == hashlib.sha256(canonical).hexdigest()[:20]


@given(ROWS, st.randoms())
def test_the_order_of_columns_does_not_matter(values: dict[str, Any], random: Any) -> None:
    names = list(values)
    random.shuffle(names)
    assert values_digest({name: values[name] for name in names}) == values_digest(values)


@given(ROWS, ROWS)
def test_different_content_has_different_digests(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (values_digest(a) == values_digest(b)) == same(a, b)


@given(st.lists(st.integers(0, 3), max_size=20))
def test_equal_rows_are_counted(contents: list[int]) -> None:
    keys = RowKeys()
    given_out = [keys.key(values_digest({"n": n})) for n in contents]
    assert len(set(given_out)) == len(contents)
    for place, (n, key) in enumerate(zip(contents, given_out, strict=True)):
        times = contents[: place + 1].count(n)
        assert key.partition("-")[::2] == (values_digest({"n": n}).hex(), str(times) if times > 1 else "")


@given(st.permutations([1, 1, 1, 2, 2, 3]))
def test_sorting_a_table_anew_keeps_its_set_of_keys(contents: list[int]) -> None:
    def keys_of(numbers: list[int]) -> set[str]:
        keys = RowKeys()
        return {keys.key(values_digest({"n": n})) for n in numbers}

    assert keys_of(contents) == keys_of([1, 1, 1, 2, 2, 3])


def test_what_json_cannot_say_is_a_fault() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (float("nan"), float("inf"), b"bytes", {1, 2}, endless, object()):
        found = row_of({"a": value}, "row 3")
        assert found.values == {} and len(found.digest) == 10
        assert str(found.fault).startswith("ROWS: row 3: a value cannot be written as JSON (")


def test_faulty_rows_have_keys_by_their_content() -> None:
    first, second = row_of({"a": b"one"}, "row 0"), row_of({"a": b"two"}, "row 1")
    assert first.digest != second.digest
    assert first.digest == row_of({"a": b"one"}, "row 9").digest
