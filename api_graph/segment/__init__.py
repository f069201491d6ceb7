"""Masks of the objects in an image, from SAM or SAM 2. Prompts on masks take those of any other segmenter as well."""

from api_graph.models.source import is_segmenter, segmenter_identity
from api_graph.segment.automatic import AUTOMATIC, Automatic
from api_graph.segment.load import load_segmenter
from api_graph.segment.model import Segmenter
from api_graph.segment.segment import segment

__all__ = ["AUTOMATIC", "Automatic", "Segmenter", "is_segmenter", "load_segmenter", "segment", "segmenter_identity"]
