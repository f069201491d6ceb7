"""The editor's own save format, a *workflow*: schemas 0.4 and 1, read into the API format that is run."""

from api_graph.graph.workflow.convert import workflow_to_api

__all__ = ["workflow_to_api"]
