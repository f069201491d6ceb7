"""What can go wrong, said in one line each: what was wrong, where, and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LONGEST_VALUE = 80


class ApiGraphError(Exception):
    """Base class of every error a user can cause. Its text is one clear line (or one line per fault)."""


class RunStopped(ApiGraphError):
    """A run that has begun cannot go on: a full disk, a lost cluster. What is finished is kept."""


class SpecError(ApiGraphError, TypeError):
    """A node function whose signature cannot be turned into a node; raised at import."""


class BadInput(ApiGraphError, ValueError):
    """A value that a function cannot work with.

    `problem` says what is wrong, `input` names the parameter, `value` is what was given, `hint` says what to do. The
    methods' rooms (`clip`, `pixels`, ...) raise it; the executor adds the node's id and title.
    """

    def __init__(self, problem: str, *, input: str | None = None, value: object = None, hint: str = "") -> None:
        self.problem, self.input, self.value, self.hint = problem, input, value, hint
        super().__init__(str(self))

    @property
    def cure(self) -> str:
        """What version 0.1 called `hint`."""
        warnings.warn("BadInput.cure is called BadInput.hint now", DeprecationWarning, stacklevel=2)
        return self.hint

    def __str__(self) -> str:
        where = f"{self.input}: " if self.input else ""
        given = "" if self.value is None else f" (got {shown(self.value)})"
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.problem}{given}.{hint}"


@contextmanager
def inputs_named(**names: str) -> Iterator[None]:
    """Inside, a BadInput about the parameter `key` names the node's input `value` instead: a user knows only inputs."""
    try:
        yield
    except BadInput as error:
        if error.input not in names:
            raise
        raise BadInput(error.problem, input=names[error.input], value=error.value, hint=error.hint) from error


class Cancelled(BaseException):
    """The run was cancelled. Not an `Exception`, so that no node's `except Exception` swallows it."""


class ApiGraphWarning(UserWarning):
    """Something was done that the user should know of: a truncated query, a constant map, an unseen region."""


_kinds_said: set[str] | None = None  # in all threads of the process


@contextmanager
def each_kind_once() -> Iterator[None]:
    """Inside, `warn_of_kind` warns once of each kind: what looks odd in one row of a table mostly does so in all."""
    global _kinds_said
    before, _kinds_said = _kinds_said, set()
    try:
        yield
    finally:
        _kinds_said = before


_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def warnings_told(listener: Callable[[str], None]) -> Iterator[None]:
    """Inside, and in this thread, `listener` is told what `warn_of_kind` warns of, for where nobody sees a terminal."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def warn_of_kind(kind: str, text: str, *, stacklevel: int = 2) -> None:
    """Give an ApiGraphWarning; in a run over a table the first of its kind alone."""
    if (listener := _listener.get()) is not None:
        listener(text)
    if _kinds_said is not None:
        if kind in _kinds_said:
            return
        _kinds_said.add(kind)
    warnings.warn(text, ApiGraphWarning, stacklevel=stacklevel + 1)


def shown(value: object) -> str:
    """`repr(value)`, shortened in the middle to fit on a line: a path says most at its end."""
    text = repr(value)
    half = _LONGEST_VALUE // 2
    return text if len(text) <= _LONGEST_VALUE else f"{text[: half - 1]}…{text[-half:]}"
