"""The types of sockets, with what an editor's tooltips say of them; and boxes, whichever socket they came through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor

from api_graph.bounding_boxes import BoundingBoxes, boxes_of_all
from api_graph.clip import ClipModel, ImageFeatures, QueryFeatures
from api_graph.pixels.pairing import EVERY
from api_graph.regions import Boxes
from api_graph.sockets import Attribution, Image, Mask, Socket
from api_graph.tasks.socket_types import BoxScores, LabelFeatures, PointClouds

# Inputs.
Clip = Annotated[ClipModel, Field(description="A CLIP, from Load CLIP for attention or Resize mode.")]
Picture = Annotated[
    Image, Field(description="An image, or several of one size. With a fourth channel (alpha) it is laid over black.")
]
Heatmap = Annotated[
    Mask,
    Field(
        description="A heatmap: 1 where attended, 0 where not. Where it meets an image of another size it is stretched."
    ),
]
Map = Annotated[Attribution, Field(description="A map on the model's grid of patches, such as Ψ gives.")]
Query = Annotated[QueryFeatures, Field(description="The text's features, from Encode query.")]
# No blank after the comma: the editor of ComfyUI would not take the second name.
AnyBoxes = Annotated[Boxes | BoundingBoxes, Socket("AP_BOXES,BOUNDING_BOX")]
Where = Annotated[AnyBoxes, Field(description="Boxes in this image, each a prompt of its own.")]
Objects = Annotated[
    Mask, Field(description="Masks, one for each object, from any segmenter; stretched to the image's size.")
]
Scores = Annotated[BoxScores, Field(description="One score for each box, from Score boxes.")]
Features = Annotated[ImageFeatures, Field(description="Features of images, or of regions that are pointed at.")]
Labels = Annotated[LabelFeatures, Field(description="The labels' features, from Encode labels.")]
Clouds = Annotated[PointClouds, Field(description="Point clouds, from Load point cloud.")]

# Results.
NewMap = Annotated[Attribution, Field(description="The new map, on the same grid of patches.")]
NewHeatmap = Annotated[Mask, Field(description="The new heatmap, in the image's pixels.")]
Drawn = Annotated[Image, Field(description="The image with the prompt drawn; one for each prompt, or one for all.")]
SameImages = Annotated[Image, Field(description="The images as they came in.")]
FoundBoxes = Annotated[Boxes, Field(description="Boxes in the image's pixels.")]
NewFeatures = Annotated[ImageFeatures, Field(description="One feature for each image or region.")]
Text = Annotated[str, Field(description="The text.")]


def boxes_of(given: Boxes | BoundingBoxes, image: Tensor, pairing: object = EVERY) -> Boxes:
    """The boxes that were linked to a node, whichever of its two sockets they came through.

    BOUNDING_BOX is read for images (B, H, W, 3), and what reaches beyond them is cut off. `Boxes` stay as they are: who
    takes them looks at their size.
    """
    if not isinstance(given, Mapping | Sequence):
        return given
    one_each = pairing == "box i on image i"
    return boxes_of_all(given, (image.shape[2], image.shape[1]), len(image), one_each=one_each)


def count_of(given: Boxes | BoundingBoxes) -> int:
    """How many boxes there are, without a look at what they are."""
    if not isinstance(given, Mapping | Sequence):
        return len(given)
    if isinstance(given, Mapping):
        return 1
    return sum(len(item) if isinstance(item, list | tuple) else 1 for item in given)
