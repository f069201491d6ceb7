"""A graph as a function of pictures and questions, over many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from PIL import Image

from api_graph.errors import BadInput, RunStopped
from api_graph.json_values import Json
from api_graph.runs import GraphSource, open_graph
from api_graph.table.map import map_graph


@dataclass(frozen=True)
class Annotator:
    """A graph with the inputs `image` and `query`. `picture` is the title of the node that saves what it makes of them.

    `inputs` sets what is the same for all pictures. Raises BadInput where the graph has no such node.
    """

    graph: GraphSource
    picture: str = "Annotated image"
    inputs: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nodes = open_graph(self.graph).nodes.values()
        saving = [node.title for node in nodes if node.class_type in ("APSaveImage", "SaveImage") and node.title]
        if self.picture not in saving:
            hint = f"It saves: {', '.join(saving)}." if saving else "It saves no picture."
            problem = "names no node of the graph that saves a picture"
            raise BadInput(problem, input="picture", value=self.picture, hint=hint)

    def annotate(self, asked: Iterable[tuple[Image.Image, str]], folder: Path) -> list[Path]:
        """The files, below `folder`, of what the graph makes of each picture with its question, in their order.

        Raises BadInput or GraphError before any picture, RunStopped for one on which the graph fails.
        """
        rows = ({"image": picture.convert("RGB"), "query": query} for picture, query in asked)
        first, files = next(rows, None), dict[int, Path]()
        if first is None:
            return []
        rows = chain([first], rows)
        for row in map_graph(self.graph, rows, self.inputs, output=folder, metadata=False, fail_fast=True):
            if row.error is not None:
                raise RunStopped(f"picture {row.number + 1}: {row.error}")
            (files[row.number],) = row.results[self.picture]["files"]
        return [files[number] for number in range(len(files))]
