"""Moved to `api_graph.draw`."""

from api_graph.moved import moved

moved(__name__, "api_graph.draw")
