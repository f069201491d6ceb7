"""What is written about nodes and shipped graphs: a reference, help pages, names in other languages, a gallery."""

from api_graph.docs.catalogue import Catalogue, chinese, locale_files
from api_graph.docs.gallery import gallery, graph_list, picture_of
from api_graph.docs.pages import Example, help_page, reference

__all__ = [
    "Catalogue",
    "Example",
    "chinese",
    "gallery",
    "graph_list",
    "help_page",
    "locale_files",
    "picture_of",
    "reference",
]
