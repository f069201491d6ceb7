"""A bar of what is done, in notebooks, or wherever it is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TypeVar

from api_graph.notebook import in_notebook

T = TypeVar("T")


def tracked(items: Iterable[T], what: str, show: bool | None, total: int | None = None) -> Iterator[T]:
    """The items, with a bar for them where `show` says so; None: in a notebook, if there is more than one."""
    if total is None and isinstance(items, list | tuple):
        total = len(items)
    if show is None:
        show = in_notebook() and total != 1
    if not show:
        yield from items
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets it draws the bar as text, and says so
        from tqdm.auto import tqdm
    yield from tqdm(items, desc=what, total=total)
