"""Warnings: ours as one line each; what libraries warn of, log or print is for `--debug`."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from api_graph.cli.console import complain, one_line
from api_graph.errors import ApiGraphWarning


@contextmanager
def quiet_libraries(*, debug: bool) -> Iterator[None]:
    """Say each warning of ours once, as a line on stderr; keep the libraries' own to those who debug."""
    said: set[str] = set()

    def say(message: Warning | str, category: type[Warning], *details: Any) -> None:
        text = str(message) if issubclass(category, ApiGraphWarning) else f"{category.__name__}: {message}"
        if text not in said:
            said.add(text)
            complain(text, "warning")

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, category, filename, lineno, file=None, line=None: say(message, category)
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", ApiGraphWarning)
        if not debug:
            _quiet_logs()
        yield


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The texts of our warnings inside the block; they are said as well."""
    texts: list[str] = []
    say = warnings.showwarning

    def collect(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = one_line(str(message))
        if issubclass(category, ApiGraphWarning) and text not in texts:
            texts.append(text)
        say(message, category, filename, lineno, file, line)

    warnings.showwarning = collect
    try:
        yield texts
    finally:
        warnings.showwarning = say


@contextmanager
def clean_stdout() -> Iterator[None]:
    """Whatever libraries print goes to stderr; stdout is for results."""
    with redirect_stdout(sys.stderr):
        yield


def _quiet_logs() -> None:
    """Without a handler on the root logger, Python prints warnings that libraries log."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
