"""What JSON can hold, as types: for documents that we write, and for those that we have checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""A value that nobody changes. What comes from outside is `object` until its parts have been looked at."""

JsonObject: TypeAlias = "dict[str, Json]"
"""An object under construction."""
