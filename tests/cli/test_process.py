"""`api-graph` as a process of its own: start-up, terminals, pipes, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from api_graph import __version__

posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as POSIX has them")

ROOT = Path(__file__).parents[2]
PICTURES = 30


@pytest.fixture(autouse=True)
def signals_arrive():
    """A shell's background job has SIGINT ignored, and its children inherit that: a test run may be such a job."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def start(words: list[str], folder: Path, encoding: str = "utf-8", **streams: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    surroundings = {**os.environ, "PYTHONPATH": path, "API_GRAPH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    surroundings["PYTHONIOENCODING"] = encoding
    surroundings.pop("FORCE_COLOR", None)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "api_graph", *words]
    return subprocess.Popen(command, cwd=folder, env=surroundings, **streams)  # type: ignore[call-overload]


def save_pictures(folder: Path, side: int) -> str:
    """Write a graph that saves one noisy picture many times over, and return its name."""
    Image.effect_noise((side, side), 80).save(folder / "noise.png")
    nodes = {"0": {"class_type": "APLoadImage", "inputs": {"image": "noise.png"}}}
    for number in range(PICTURES):
        inputs = {"images": ["0", 0], "filename_prefix": f"out{number:02}"}
        nodes[f"1{number}"] = {"class_type": "APSaveImage", "inputs": inputs}
    (folder / "pictures.json").write_text(json.dumps(nodes))
    return "pictures.json"


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A graph that writes its files in no time."""
    return save_pictures(tmp_path, side=16)


@pytest.fixture
def large_pictures(tmp_path: Path) -> str:
    """A graph that takes a tenth of a second, or so, for each file."""
    return save_pictures(tmp_path, side=500)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["cache", "prune", "-h"]])
def test_help_needs_neither_torch_nor_a_terminal(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from api_graph.cli.app import app\n"
        f"try: app({words!r}, prog_name='api-graph')\n"
        "finally: print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.endswith("[]\n")
    assert answer.stdout.replace("\n", "").isprintable()
    if "--version" not in words:
        assert re.search(r"2 +a bad command, graph or value", answer.stdout)


def test_from_the_graph_s_file_to_json(pictures: str, tmp_path: Path) -> None:
    out, err = start(["run", pictures, "--json"], tmp_path).communicate()
    document = json.loads(out)
    assert len(document["files"]) == PICTURES
    assert all((tmp_path / file).is_file() for file in document["files"])
    assert b"\x1b" not in err


@posix
def test_a_terminal_gets_bars_and_its_cursor_back(pictures: str, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = start(["run", pictures], tmp_path, stderr=theirs)
    os.close(theirs)
    shown = b"".join(read_all(ours)).decode()
    assert process.wait() == 0
    assert "Load image" in shown
    assert "\x1b[2K" in shown  # a line is drawn anew
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert process.stdout is not None
    with process.stdout as results:
        assert b"\x1b" not in results.read()


def read_all(terminal: int) -> Iterator[bytes]:
    with os.fdopen(terminal, "rb", buffering=0) as file:
        try:
            while chunk := file.read(4096):
                yield chunk
        except OSError:  # Linux says so when the other side is closed
            return


@posix
def test_a_reader_that_leaves_early(pictures: str, tmp_path: Path) -> None:
    process = start(["run", pictures, "--quiet"], tmp_path)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr as said:
        assert said.read() == b""
    assert process.wait() == 141


def test_a_terminal_without_greek(tmp_path: Path) -> None:
    out, err = start(["nodes"], tmp_path, encoding="ascii").communicate()
    assert err == b""
    assert b"? cls" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has such a disk")
def test_results_that_cannot_be_written(pictures: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(["run", pictures, "--quiet"], tmp_path, stdout=full)
    _, err = process.communicate()
    assert (process.returncode, err) == (1, b"error: the output cannot be written: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has such a disk")
@pytest.mark.parametrize(
    ("words", "stream", "code", "said"),
    [
        (["--help"], "stdout", 1, b"error: the output cannot be written: No space left on device\n"),
        (["--version"], "stdout", 1, b"error: the output cannot be written: No space left on device\n"),
        (["check", "no.json"], "stderr", 2, b""),
        (["--nonsense"], "stderr", 1, b""),
    ],
)
def test_a_full_disk_is_a_line(tmp_path: Path, words: list[str], stream: str, code: int, said: bytes) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(words, tmp_path, **{stream: full})
    out, err = process.communicate()
    assert (process.returncode, out or b"", err or b"") == (code, b"", said)


@posix
@pytest.mark.parametrize(
    ("closed", "words", "code", "out", "err"),
    [
        (">&-", "graphs", 2, "", "error: standard output is closed. Send it to a file, or to /dev/null."),
        (">&-", "--help", 2, "", "error: standard output is closed. Send it to a file, or to /dev/null."),
        ("2>&-", "check no.json", 2, "", ""),
        ("2>&-", "--version", 0, f"api-graph {__version__}", ""),
        ("<&- >&- 2>&-", "--version", 2, "", ""),
    ],
)
def test_closed_streams(tmp_path: Path, closed: str, words: str, code: int, out: str, err: str) -> None:
    command = f"exec {sys.executable} -m api_graph {words} {closed}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "API_GRAPH_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout.strip(), answer.stderr.strip()) == (code, out, err)


@posix
@pytest.mark.parametrize("odd", [{"COLUMNS": "²", "LC_ALL": "C"}, {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "40"}])
def test_odd_terminals(tmp_path: Path, odd: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    for name, value in odd.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    process = start(["graphs"], tmp_path, encoding="ascii", stdout=theirs)
    os.close(theirs)
    shown = b"".join(read_all(ours)).decode("ascii")
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert "api_clip" in shown
    if "TERM" in odd:
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) <= 40


@posix
def test_a_pipe_is_written_to_and_not_replaced(pictures: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    process = start(["export", pictures, "--format", "api", "--out", "pipe"], tmp_path)
    assert len(json.loads((tmp_path / "pipe").read_bytes())) == PICTURES + 1
    process.communicate()
    assert (process.returncode, (tmp_path / "pipe").is_fifo()) == (0, True)


@posix
@pytest.mark.parametrize(
    ("number", "code", "word", "files_first"),
    [
        (signal.SIGINT, 130, b"interrupted", 0),
        (signal.SIGINT, 130, b"interrupted", 7),
        (signal.SIGTERM, 143, b"terminated", 4),
    ],
)
def test_a_signal_leaves_whole_files_and_one_line(
    large_pictures: str, tmp_path: Path, number: signal.Signals, code: int, word: bytes, files_first: int
) -> None:
    process = start(["run", large_pictures], tmp_path)
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(files_first + 1)]  # the first is the picture that is loaded
    process.send_signal(number)
    process.send_signal(number)  # a wrapper often passes it on
    out, err = process.communicate()
    said = b"".join(lines) + err
    assert process.returncode == code
    assert said.endswith(b"api-graph: " + word + b"\n")
    assert b"Traceback" not in said
    assert out == b""
    written = list((tmp_path / "output").iterdir()) if (tmp_path / "output").exists() else []
    assert files_first <= len(written) < PICTURES
    for file in written:
        with Image.open(file) as picture:
            picture.load()
    assert not list(tmp_path.rglob("*.part"))


@posix
def test_a_signal_while_modules_are_imported(pictures: str, tmp_path: Path) -> None:
    hook = "import sys\nclass Slow:\n def find_spec(self, name, *rest):\n"
    hook += "  if name == 'torch': print('importing', flush=True); import time; time.sleep(60)\n"
    (tmp_path / "sitecustomize.py").write_text(hook + "sys.meta_path.insert(0, Slow())\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "api_graph", "run", pictures],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"importing\n"  # a run keeps stdout for its results
    process.send_signal(signal.SIGINT)
    assert process.communicate() == (b"", b"api-graph: interrupted\n")
    assert process.returncode == 130
