"""The journal: whatever ends a run, whole lines stay and nothing else does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.table.journal import Journal, line_of, packed_key, read_records
from api_graph.table.output import WriteFailed

from .conftest import key_of, record, write_journal

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def rows_of(folder: Path) -> list[int]:
    return [record["row"] for record in read_records(folder)]


def packed(keys: dict[str, bool]) -> dict[bytes, bool]:
    return {packed_key(key): ok for key, ok in keys.items()}


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    written = [record(0), record(2, ok=False), record(1, key=f"{key_of(0)}-2")]
    with closing(Journal(tmp_path / "out")) as journal:
        journal.append(written[:1])
        journal.append([])
        journal.append(written[1:])
        during = dict(journal.finished)
    assert list(read_records(tmp_path / "out")) == written
    assert during == packed({key_of(0): True, key_of(2): False, f"{key_of(0)}-2": True})
    with closing(Journal(tmp_path / "out")) as again:
        assert again.finished == during
        assert packed_key(key_of(0)) in again.finished and packed_key(key_of(1)) not in again.finished


def test_each_record_is_one_line_of_utf8_with_its_keys_in_order(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(3)])
    line = (tmp_path / "results.jsonl").read_bytes()
    assert line.startswith(f'{{"row": 3, "key": "{key_of(3)}", "ok": true, "values": {{"image": '.encode())
    assert "rot und grün?".encode() in line
    assert line.count(b"\n") == 1 and line.endswith(b"}\n")


@given(st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_every_line_is_strict_json(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    line = line_of({"outputs": {"9": {"value": value}}})
    assert line.decode("utf-8").count("\n") == 1
    json.loads(line, parse_constant=refuse)


def test_values_that_have_no_json_or_no_utf8() -> None:
    line = line_of({"values": {"image": "a\udcff.png"}, "outputs": {"9": {"scores": (float("nan"), 1.5)}}})
    assert json.loads(line) == {"values": {"image": "a\udcff.png"}, "outputs": {"9": {"scores": [None, 1.5]}}}


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """A run that was killed while it wrote: the whole lines survive, and the next run goes on after them."""
    write_journal(tmp_path, [record(number) for number in range(3)])
    path = tmp_path / "results.jsonl"
    whole = path.read_bytes()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        lines = whole[:end].count(b"\n")
        assert rows_of(tmp_path) == list(range(lines))
        with closing(Journal(tmp_path)) as journal:
            assert list(journal.finished) == [packed_key(key_of(number)) for number in range(lines)]
            journal.append([record(7)])
        assert rows_of(tmp_path) == [*range(lines), 7]


@pytest.mark.parametrize(
    "line",
    [
        b'{"row": 1, "key\n',
        b"\0\0\0\0\n",
        b"\xff\n",
        b"[]\n",
        b'{"row": 1, "key": "xyz", "ok": true}\n',
        b'{"row": 1, "key": "00112233445566778899", "ok": 1}\n',
        b'{"row": null, "key": "00112233445566778899", "ok": true}\n',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "results.jsonl"
    damaged = line_of(record(0)) + line + line_of(record(2))
    path.write_bytes(damaged)
    with pytest.raises(
        BadInput, match=r"^line 2 of the results cannot be used: it is damaged \(got '.*jsonl'\)\. Take"
    ):
        Journal(tmp_path)
    assert path.read_bytes() == damaged


def test_a_row_that_stands_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(line_of(record(0)) + b"\n" + line_of(record(1)) + line_of(record(0)))
    with pytest.raises(BadInput, match=r"^line 4 of the results cannot be used: its row stands in an earlier line"):
        Journal(tmp_path)


def test_failed_rows_are_dropped_to_be_done_again(tmp_path: Path) -> None:
    write_journal(tmp_path, [record(0), record(1, ok=False), record(2), record(3, ok=False)])
    with closing(Journal(tmp_path)) as journal:
        assert journal.drop_failed() == 2
        assert journal.finished == packed({key_of(0): True, key_of(2): True})
        journal.append([record(3)])
        assert journal.drop_failed() == 0
    assert rows_of(tmp_path) == [0, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


KILLED = """
import sys
from pathlib import Path
from api_graph.table.journal import Journal
from api_graph.table.rows import content_digest
journal = Journal(Path(sys.argv[1]))
number = len(journal.finished)
while True:
    journal.append([{"row": number, "key": content_digest(str(number).encode()).hex(), "ok": True, "pad": "x" * 5000}])
    number += 1
    print(number, flush=True)
"""


@posix
def test_killed_at_any_moment_the_next_run_goes_on(tmp_path: Path) -> None:
    for _ in range(4):
        words = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(
            words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            said = [int(run.stdout.readline()) for _ in range(20)]
            run.send_signal(signal.SIGKILL)
            said += [int(line) for line in run.stdout if line.endswith("\n")]
        rows = rows_of(tmp_path)
        assert rows == list(range(len(rows)))
        assert len(rows) >= said[-1]


@posix
def test_a_full_disk_keeps_what_fits(tmp_path: Path) -> None:
    """A real limit of the kernel: the write stops in the middle of a line."""
    import resource

    lines = [len(line_of(record(number))) for number in range(4)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(Journal(tmp_path)) as journal:
        journal.append([record(0)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (sum(lines[:3]) + 10, hard))
        try:
            with pytest.raises(WriteFailed, match=r"results\.jsonl cannot be written \(File too large\)\. Free some"):
                journal.append([record(1), record(2), record(3)])
            assert (tmp_path / "results.jsonl").stat().st_size == sum(lines[:3])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(journal.finished) == [packed_key(key_of(number)) for number in range(3)]
        journal.append([record(3)])
    assert rows_of(tmp_path) == [0, 1, 2, 3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_disk_without_any_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Journal(tmp_path)) as journal:
        full = os.open("/dev/full", os.O_WRONLY)
        mine = journal._file
        monkeypatch.setattr(journal, "_file", full)
        with pytest.raises(WriteFailed, match=r"\(No space left on device\)"):
            journal.append([record(0)])
        monkeypatch.setattr(journal, "_file", mine)
        os.close(full)
        assert not journal.finished
    assert rows_of(tmp_path) == []


def test_an_interrupt_within_a_write_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def interrupted(file: int, data: bytes) -> int:
        write(file, bytes(data[:10]))
        raise KeyboardInterrupt

    with closing(Journal(tmp_path)) as journal:
        journal.append([record(0)])
        with monkeypatch.context() as patch:
            patch.setattr("os.write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                journal.append([record(1)])
        journal.append([record(2)])
    assert rows_of(tmp_path) == [0, 2]


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with closing(Journal(tmp_path)) as journal, monkeypatch.context() as patch:
        patch.setattr("os.write", lambda file, data: write(file, bytes(data[:7])))
        journal.append([record(0), record(1)])
    assert rows_of(tmp_path) == [0, 1]


def test_it_is_left_to_the_disk_once_a_second_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, synced, fsync = [0.0], 0, os.fsync

    def counted(file: int) -> None:
        nonlocal synced
        synced += 1
        fsync(file)

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("os.fsync", counted)
    with closing(Journal(tmp_path)) as journal:
        counts = []
        for number, clock[0] in enumerate((0.0, 0.5, 1.0, 1.5, 1.9, 2.1)):
            journal.append([record(number)])
            counts.append(synced)
    assert counts == [0, 0, 1, 1, 1, 2]
    assert synced == 3


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the results cannot be read \(No such file or directory\)"):
        list(read_records(tmp_path))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(WriteFailed, match="cannot be written"):
        Journal(tmp_path / "out")
