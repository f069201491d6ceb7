"""The editor's own save format, a *workflow*: schemas 0.4 and 1, read into the API format that is run."""

from api_graph.graph.workflow.convert import is_workflow, workflow_to_api

__all__ = ["is_workflow", "workflow_to_api"]
