"""Moved to `api_graph.report`."""

from api_graph.moved import moved

moved(__name__, "api_graph.report")
