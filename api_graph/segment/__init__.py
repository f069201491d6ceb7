"""Masks of the objects in an image, from SAM or SAM 2. Prompts on masks take those of any other segmenter as well."""

from api_graph.segment.load import Segmenter, load_segmenter
from api_graph.segment.presets import AUTOMATIC
from api_graph.segment.segment import segment
from api_graph.segment.source import is_segmenter, segmenter_identity

__all__ = ["AUTOMATIC", "Segmenter", "is_segmenter", "load_segmenter", "segment", "segmenter_identity"]
