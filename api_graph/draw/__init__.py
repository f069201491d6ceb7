"""A graph in other forms: what the editor saves, a picture, a diagram, a script."""

from api_graph.draw.mermaid import to_mermaid
from api_graph.draw.picture import to_picture
from api_graph.draw.python import to_python
from api_graph.draw.workflow import saved_workflow, to_workflow

__all__ = ["saved_workflow", "to_mermaid", "to_picture", "to_python", "to_workflow"]
