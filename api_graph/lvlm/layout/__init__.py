"""The token layout of an image, family by family (`token_layouts`), and one map from all of its views (`merge`)."""

from __future__ import annotations

from api_graph.lvlm.layout.facts import Size
from api_graph.lvlm.layout.families import token_layouts
from api_graph.lvlm.layout.merge import merge
from api_graph.lvlm.layout.views import TokenLayout, View

__all__ = ["Size", "TokenLayout", "View", "merge", "token_layouts"]
