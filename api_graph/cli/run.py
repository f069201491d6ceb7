"""`api-graph run`: run a saved graph."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer

from api_graph.cli.console import print_json, say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import (
    CacheFolder,
    Debug,
    Device,
    GraphName,
    Inputs,
    Json,
    KeepAnswers,
    Models,
    NoCache,
    NoMetadata,
    Out,
    Setting,
    kept_results,
    parse_settings,
)


def run(
    graph: GraphName,
    set_: Setting = None,
    out: Out = Path("output"),
    input_: Inputs = None,
    models: Models = None,
    device: Device = "",
    explain: Annotated[bool, typer.Option("--explain", help="Say of each node what was done, and why.")] = False,
    as_json: Json = False,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    keep_answers: KeepAnswers = False,
    no_metadata: NoMetadata = False,
    names: Annotated[
        str,
        typer.Option(
            "--names",
            metavar="TEMPLATE",
            help="What names of files begin with; fields are the graph's inputs, and graph: '{graph}_{query.slug}'.",
            show_default=False,
        ),
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Results only: no progress, no summary.")] = False,
    debug: Debug = False,
) -> int:
    """Run a saved graph. All of it is checked before anything runs.

    Files are written to --out; their names and the texts that the graph shows are printed. A node that fails stops only
    what depends on it.
    """
    from api_graph.cli import session

    outcome = session.perform(
        session.Request(
            graph,
            parse_settings(set_ or ()),
            out,
            tuple(input_ or ()),
            tuple(models or ()),
            device,
            kept_results(cache, no_cache),
            metadata=not no_metadata,
            quiet=quiet,
            keep_answers=keep_answers,
            names=names,
        )
    )
    failures = outcome.result.failures
    code = FAILED if failures else OK
    if as_json:
        print_json(session.document(graph, outcome, code))
    else:
        session.print_results(outcome)
        if explain:
            session.print_steps(outcome.result.steps)
        if not quiet:
            session.print_notes(outcome)
            say(session.summary(outcome))
    if failures:
        session.print_failures(failures)
    if debug:
        for failure in failures:
            traceback.print_exception(failure)
    return code
