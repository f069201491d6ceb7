"""Controls: what stands in a map's place, so that an effect of attention can be told from that of any change."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api_graph.clip.unleash import random_heads
from api_graph.models.layers import whole_numbers
from api_graph.pixels.controls import ControlKind, control_heatmap
from api_graph.sockets import Image
from api_graph.spec import Widget, node

from .socket_types import Clip, Heatmap, NewHeatmap

CATEGORY = "attention prompting/controls"


@node(
    "APControlHeatmap",
    category=CATEGORY,
    title="Control heatmap",
    aliases=("uniform", "centre bias", "baseline", "ablation", "another image's map"),
)
def control(
    heatmap: Heatmap,
    kind: Annotated[
        ControlKind,
        Field(
            description="none: the heatmap as it is. uniform: its mean everywhere, which takes as much light and "
            "points nowhere. centre: a Gaussian in the image's middle."
        ),
    ] = "none",
    width: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="centre only: standard deviation, as a share of the image's sides; 0: as wide as gives the "
            "heatmap's own mean.",
        ),
        Widget(step=0.05),
    ] = 0.0,
    image: Annotated[
        Image | None,
        Field(description="Stretch the heatmap to this image: for the map of another one, which is a control too."),
    ] = None,
) -> NewHeatmap:
    """A map that knows nothing of the question in the place of one that does: a control for attention prompting."""
    return control_heatmap(heatmap, kind, width=width, image=image)


@node("APRandomHeads", category=CATEGORY, title="Random heads", store=True, aliases=("control", "ablation", "shuffle"))
def other_heads(
    model: Clip,
    heads: Annotated[str, Field(description="The chosen heads, such as 0, 3: as many others are drawn.")],
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Equal seeds draw equal heads.")] = 0,
    draw: Annotated[bool, Field(description="Off: the chosen heads as they are.")] = True,
) -> Annotated[str, Field(description="Heads for Foveal features and Unleash.")]:
    """As many of the other heads, drawn by chance: a control for heads that were chosen."""
    return ", ".join(map(str, random_heads(model, whole_numbers(heads, "heads"), seed))) if draw else heads
