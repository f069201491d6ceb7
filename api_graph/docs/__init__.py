"""What is written about the nodes, from their contracts alone: a reference, help pages, names in other languages."""

from api_graph.docs.catalogue import Catalogue, chinese, locale_files
from api_graph.docs.pages import help_page, reference

__all__ = ["Catalogue", "chinese", "help_page", "locale_files", "reference"]
