"""Parts of a table, for the jobs of an array: `--shard 2/8`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api_graph.errors import BadInput

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """Part `index`, counted from 1, of `of` parts."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @property
    def folder(self) -> str:
        """Name of the folder below DIR/shards: "2-of-8"."""
        return f"{self.index}-of-{self.of}"

    def range(self, count: int) -> range:
        """The numbers of the rows that are this part's. Neighbours stay together, as rows of one image mostly are."""
        return range(count * (self.index - 1) // self.of, count * self.index // self.of)


def parse_shard(text: str) -> Shard:
    """ "2/8" as a Shard. Raises BadInput."""
    match = _SHARD.fullmatch(text.strip())
    if match is None:
        raise BadInput("is no part of a table", input="--shard", value=text, hint='Write "2/8" for the second of 8.')
    index, of = int(match[1]), int(match[2])
    if not 1 <= index <= of:
        hint = f"Of {of} parts, the first is 1/{of} and the last {of}/{of}; sbatch --array=1-{of} counts so."
        raise BadInput(
            "there is no such part", input="--shard", value=text, hint=hint if of else "Write for example 1/8."
        )
    return Shard(index, of)
