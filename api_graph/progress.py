"""A bar of what is done, in notebooks, or wherever it is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from api_graph.notebook import in_notebook

T = TypeVar("T")


class Moved(Protocol):
    """Moves a bar on by `count`; `total` is how many there are, where that has become known."""

    def __call__(self, count: int, total: int | None = None) -> object: ...


@contextmanager
def progress_bar(what: str, total: int | None, show: bool | None) -> Iterator[Moved]:
    """Inside, a bar that is moved on. `show` None: in a notebook, if there is more than one to do."""
    if show is None:
        show = in_notebook() and total != 1
    if not show:
        yield lambda count, total=None: None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets it draws the bar as text, and says so
        from tqdm.auto import tqdm
    with tqdm(desc=what, total=total) as bar:

        def moved(count: int, total: int | None = None) -> None:
            bar.total = bar.total if total is None else total
            bar.update(count)

        yield moved


def tracked(items: Iterable[T], what: str, show: bool | None, total: int | None = None) -> Iterator[T]:
    """The items, with a bar for them as `progress_bar` shows one."""
    if total is None and isinstance(items, list | tuple):
        total = len(items)
    with progress_bar(what, total, show) as done:
        for item in items:
            yield item
            done(1)
