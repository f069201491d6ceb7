"""The classes of this pack's own nodes: whatever is there can be drawn."""

from __future__ import annotations

import json

from api_graph.comfy import mappings
from api_graph.registry import own_nodes


def test_every_node_can_be_drawn() -> None:
    classes, names = mappings(spec.function for spec in own_nodes().values())
    assert list(classes) == list(names) == list(own_nodes())
    for id, cls in classes.items():
        types = cls.INPUT_TYPES()
        drawn = [*types["required"], *types["optional"]]
        assert sorted(drawn) == sorted(i.name for i in own_nodes()[id].inputs)
        assert len(cls.RETURN_TYPES) == len(cls.RETURN_NAMES) == len(cls.OUTPUT_IS_LIST)
        json.dumps(types, allow_nan=False)


def test_names_that_people_look_for_are_their_own() -> None:
    titles = [spec.title for spec in own_nodes().values()]
    assert len(set(titles)) == len(titles)
