"""From image tokens to rectangles of the source image, family by family (`token_places`), and to one map (`merge`)."""

from __future__ import annotations

from api_graph.lvlm.places.families import token_places
from api_graph.lvlm.places.merge import merge
from api_graph.lvlm.places.part import Part, Places

__all__ = ["Part", "Places", "merge", "token_places"]
