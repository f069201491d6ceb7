"""`api-graph demo`: the whole method on the shipped picture, with the shipped model, in a few seconds on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api_graph.cli.console import say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import Debug, Out

GRAPH = "api_clip_cls"

_STORY = f"""
The annotated picture is bright where the map is high: a vision-language model gets it instead of the plain one.
The figures say where the map peaks, in pixels of the picture, and how much it commits itself.

Try next:
  api-graph demo --query "the green star"
      another question: the peak moves
  api-graph check {GRAPH}
      what can be set in this graph
  api-graph run {GRAPH} --set image=PATH --set query="..." --set model=ViT-B-16/openai
      a picture of yours, with a model that knows the world (it is downloaded)"""


def demo(
    out: Out = Path("output"),
    query: Annotated[
        str, typer.Option(metavar="TEXT", help="What to look for, such as 'a red circle'; default: the graph's own.")
    ] = "",
    image: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A picture of yours; default: the shipped one.")
    ] = None,
    debug: Debug = False,
) -> int:
    """Show attention prompting at work.

    Where CLIP looks for a question, and the picture that an LVLM would get. It needs no network and no GPU.
    """
    from api_graph.cli.session import Request, perform, print_failures, print_results, summary
    from api_graph.graph import settable
    from api_graph.graph.words import quoted
    from api_graph.registry import all_nodes
    from api_graph.settings import cache_folder

    values = {"query": query} if query else {}
    if image is not None:
        values["image"] = str(image)
    outcome = perform(Request(GRAPH, values, out, cache=cache_folder()))
    if outcome.result.failures:
        print_failures(outcome.result.failures)
        return FAILED
    set_to = {one.name: one.value for one in settable(outcome.graph, all_nodes())}
    say(f"Looked for {quoted(set_to['query'])} in {set_to['image']}:\n")
    print_results(outcome)
    say(summary(outcome))
    say(_STORY)
    return OK
