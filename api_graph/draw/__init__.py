"""A graph in other forms: what the editor saves, a picture, a diagram, a script."""

from api_graph.draw.mermaid import to_mermaid
from api_graph.draw.picture import to_picture
from api_graph.draw.python import to_python
from api_graph.draw.templates import template_name, to_template
from api_graph.draw.workflow import saved_workflow, to_workflow

__all__ = ["saved_workflow", "template_name", "to_mermaid", "to_picture", "to_python", "to_template", "to_workflow"]
