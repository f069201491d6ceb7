"""The commands of `api-graph`. Nothing here imports torch: what needs it is imported when a command runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from api_graph import __version__
from api_graph.cli import (
    bench,
    bench_paper,
    cache,
    compare,
    demo,
    doctor,
    edit,
    endpoints,
    explain,
    export,
    figure,
    find_heads,
    graphs,
    map,
    new,
    nodes,
    plot,
    report,
    results,
    run,
    scenes,
    verify,
)
from api_graph.cli.exits import EXIT_CODES, command
from api_graph.cli.helps import BenchGroup, Command, Group
from api_graph.cli.options import Debug, Json

# rich_markup_mode=None: plain help is quick to print, and easy to search.
app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(commands: typer.Typer, function: Callable[..., int]) -> None:
    """A command that is called as its function; lists of commands show its first sentence, which is never cut."""
    summary = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    name = function.__name__.rstrip("_").replace("_", "-")
    commands.command(name, cls=Command, epilog=EXIT_CODES, short_help=summary)(command(function))


def _version(asked: bool) -> None:
    if asked:
        print(f"api-graph {__version__}")
        raise typer.Exit


@app.callback()
def api_graph(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Steer what a vision-language model looks at, without training it: run saved graphs, with no editor.

    Start with `api-graph demo`.
    """


for function in (
    run.run,
    map.map_,
    map.merge,
    verify.verify,
    report.report,
    results.results,
    compare.compare,
    figure.figure,
    plot.plot,
    find_heads.find_heads,
    demo.demo,
    edit.edit,
    graphs.graphs,
    explain.explain,
    graphs.check,
    new.new,
    export.export,
    nodes.nodes,
    doctor.doctor,
):
    _add(app, function)

_bench = typer.Typer(
    cls=BenchGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run benchmarks over graphs: `api-graph bench NAME --data DIR --graph GRAPH`.",
)
for function in (bench.run, bench.list_, bench.score, bench.export, bench_paper.paper, scenes.scenes):
    _add(_bench, function)
app.add_typer(_bench, name="bench", short_help="Run benchmarks over graphs.")

_cache = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Look at the kept results, or remove them."
)
for function in (cache.info, cache.prune, cache.clear):
    _add(_cache, function)
app.add_typer(_cache, name="cache", short_help="Look at the kept results, or remove them.")

_endpoints = typer.Typer(
    cls=Group, rich_markup_mode=None, help="List the servers whose models answer; add, remove or test them."
)
for function in (endpoints.add, endpoints.remove, endpoints.test):
    _add(_endpoints, function)


@_endpoints.callback(invoke_without_command=True, epilog=EXIT_CODES)
def _list_endpoints(context: typer.Context, as_json: Json = False, debug: Debug = False) -> None:
    if context.invoked_subcommand is None:
        command(endpoints.listed)(as_json=as_json, debug=debug)


app.add_typer(_endpoints, name="endpoints", short_help="List, add, remove or test the servers whose models answer.")
