"""What is written about the nodes, from their contracts alone: a reference, help pages, names in other languages."""

from api_graph.docs.catalogue import Catalogue, chinese
from api_graph.docs.help import help_page
from api_graph.docs.locales import locale_files
from api_graph.docs.reference import reference

__all__ = ["Catalogue", "chinese", "help_page", "locale_files", "reference"]
