"""Progress: plain lines where nobody watches, nothing where nobody wants it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from api_graph.cli import progress
from api_graph.executor import Event

Cli = Callable[..., Any]


def test_lines_say_what_became_of_each_node(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 4.0, 6.0, 7.0, 8.25, 9.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.shown_progress(quiet=False) as listen:
        assert listen is not None
        listen(Event("started", "1", "Encode image"))
        listen(Event("progress", "1", "Encode image", done=1, total=4))  # too early for a line
        listen(Event("progress", "1", "Encode image", done=2, total=4))
        listen(Event("progress", "1", "Encode image", done=3, total=4))
        listen(Event("done", "1", "Encode image"))
        listen(Event("cached", "2", "Encode\nquery"))
        listen(Event("failed", "3", "Save image"))
    assert capsys.readouterr() == (
        "",
        "Encode image: 2 of 4\nEncode image: 8.2 s\nEncode query: cached\nSave image: failed\n",
    )


def test_quiet_is_quiet() -> None:
    with progress.shown_progress(quiet=True) as listen:
        assert listen is None


def test_a_node_s_own_progress_reaches_the_terminal(
    cli: Cli, graph: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_NODE_LINE_EVERY", 0.0)
    name = graph({"1": ("TProgress", {}), "2": ("APShowText", {"value": ["1", 0]})})
    lines = cli("run", name).err.splitlines()
    assert lines[:4] == ["Progress: 0 of 3", "Progress: 1 of 3", "Progress: 2 of 3", "Progress: 3 of 3"]


def test_bars_come_and_go_with_their_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown_progress(quiet=False) as listen:
        assert listen is not None
        for kind in ("started", "progress", "done"):
            listen(Event(kind, "1", "Encode [b]image", done=1, total=2))
        listen(Event("cached", "2", "Encode query"))
        listen(Event("started", "3", "Save image"))
        listen(Event("failed", "3", "Save image"))
        before_the_end = len(terminal.getvalue())
    drawn = terminal.getvalue()
    assert "Encode [b]image" in drawn
    assert "Encode query" not in drawn
    assert "image" not in drawn[before_the_end:]
