"""The output folder: one run at a time, files whole or not at all, a folder for each row."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.table.output import WriteFailed, clear_row_folders, output_lock, row_folder, whole_file

ROOT = Path(__file__).parents[2]
KEY = "3f9a0123456789abcdef-2"
HOLD = """
import sys
from pathlib import Path
from api_graph.table.output import output_lock
with output_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until its standard input ends."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_run_is_told_who_is_there(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BadInput) as caught, output_lock(tmp_path / "out"):
        raise AssertionError("two runs in one folder")
    said = str(caught.value)
    assert said.startswith(
        f"--out: another run is writing to this folder: process {holder.pid} on {socket.gethostname()}, since 20"
    )
    assert said.endswith("Wait until it ends, stop it, or name another folder.")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_lock_of_a_killed_run_is_gone(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "out" / ".lock.json").exists()
    with output_lock(tmp_path / "out"):
        pass


def test_a_run_that_ends_leaves_the_folder_free(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), output_lock(tmp_path):
            raise KeyboardInterrupt
    assert not (tmp_path / ".lock.json").exists()


def test_two_runs_in_one_process(tmp_path: Path) -> None:
    with output_lock(tmp_path):
        with pytest.raises(BadInput, match=f"process {os.getpid()} on "), output_lock(tmp_path):
            raise AssertionError("two runs in one folder")
        with output_lock(tmp_path / "shards" / "1-of-2"):
            pass


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"pid": 1}'])
def test_a_holder_that_has_not_said_who_it_is(tmp_path: Path, text: bytes) -> None:
    with output_lock(tmp_path):
        (tmp_path / ".lock.json").write_bytes(text)
        nameless = pytest.raises(BadInput, match=r"^--out: another run is writing to this folder \(got ")
        with nameless, output_lock(tmp_path):
            raise AssertionError("two runs in one folder")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(WriteFailed, match="out cannot be written"), output_lock(tmp_path / "out"):
        raise AssertionError("there is no such folder")


def test_one_level_above_the_row(tmp_path: Path) -> None:
    assert row_folder(tmp_path, KEY).relative_to(tmp_path).as_posix() == f"files/3f/{KEY}"


def test_what_an_earlier_attempt_left_is_removed(tmp_path: Path) -> None:
    folder = row_folder(tmp_path, KEY)
    neighbour = row_folder(tmp_path, KEY.removesuffix("-2"))
    for each in (folder / "deep", neighbour):
        each.mkdir(parents=True)
        (each / "a_00001_.png").touch()
    clear_row_folders(tmp_path, [KEY])
    clear_row_folders(tmp_path, [KEY])
    assert not folder.exists()
    assert (neighbour / "a_00001_.png").exists()


def test_a_link_instead_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.pdf").touch()
    folder = row_folder(tmp_path, KEY)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "mine")
    with pytest.raises(WriteFailed):
        clear_row_folders(tmp_path, [KEY])
    assert (tmp_path / "mine" / "thesis.pdf").exists()


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    with whole_file(path) as file:
        file.write(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    with whole_file(tmp_path / "pipe") as file:
        file.write(b"all of it")
    assert reader.communicate()[0] == b"all of it"
    assert (tmp_path / "pipe").is_fifo() and [each.name for each in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="needs POSIX")
@pytest.mark.parametrize("redirected", [True, False])
def test_standard_output_is_written_and_not_replaced(tmp_path: Path, redirected: bool) -> None:
    script = "from pathlib import Path; from api_graph.table.output import whole_file as w"
    script += "\nwith w(Path('/dev/stdout')) as file: file.write(b'all of it')"
    with (tmp_path / "to").open("wb") as to:
        given = to if redirected else subprocess.PIPE
        ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=given, check=True)
    assert ((tmp_path / "to").read_bytes() if redirected else ran.stdout) == b"all of it"
    assert os.path.islink("/dev/stdout")


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = pytest.raises(WriteFailed, match=r"a\.json cannot be written \(.+\)\. Free some space")
    with refused, whole_file(tmp_path / "file" / "a.json"):
        raise AssertionError("there is nothing to write to")
