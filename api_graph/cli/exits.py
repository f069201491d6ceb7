"""Exit codes, and the one place where what went wrong becomes one: a line for the user, never a bare traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from api_graph.cli.console import complain, print_json
from api_graph.cli.interrupts import cancelled
from api_graph.cli.quiet import quiet_libraries
from api_graph.errors import ApiGraphError, Cancelled, RunStopped

OK, FAILED, BAD_USAGE, READER_LEFT = 0, 1, 2, 141

EXIT_CODES = """\b
Exit codes:
  0    all went well
  1    a node failed, or something unexpected went wrong
  2    a bad command, graph or value; nothing has run
  130  interrupted (Ctrl-C); 143 terminated (SIGTERM); 141 the reader of the output went away
"""


def command(function: Callable[..., int]) -> Callable[..., None]:
    """Make a command of a function that returns an exit code and raises what it likes."""

    @wraps(function)
    def run(**options: Any) -> None:
        debug, as_json = options.get("debug", False), options.get("as_json", False)
        try:
            with quiet_libraries(debug=debug):
                code = function(**options)
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_stdout()
            code = READER_LEFT
        except ApiGraphError as error:
            code = _report(FAILED if isinstance(error, RunStopped) else BAD_USAGE, errors_of(error), as_json)
            _trace(debug)
        except OSError as error:  # what stdout goes to is full, say
            code = _report(FAILED, [{"message": str(error)}], as_json)
            _trace(debug)
        except Exception as error:
            if cancelled.is_set():  # and a library made something else of that
                raise Cancelled from None
            code = _report(FAILED, [{"message": f"{type(error).__name__}: {error}"}], as_json)
            if not debug:
                complain("this should not happen: run it again with --debug, and please report what you see", "hint")
            _trace(debug)
        raise typer.Exit(code)

    return run


def _report(code: int, errors: list[dict[str, Any]], as_json: bool) -> int:
    for each in errors:
        complain(each["message"])
    try:
        if as_json:
            print_json({"ok": False, "exit_code": code, "errors": errors})
        sys.stdout.flush()
    except OSError:
        _discard_stdout()
    return code


def errors_of(error: ApiGraphError) -> list[dict[str, Any]]:
    """Each thing that `error` complains of, with its parts where it has some."""
    from api_graph.graph import NO_VALUE, GraphError

    if not isinstance(error, GraphError):
        return [{"message": str(error)}]
    return [
        {
            "message": str(fault),
            "node": fault.node,
            "title": fault.title,
            "class_type": fault.class_type,
            "input": fault.input,
            "value": None if fault.value is NO_VALUE else fault.value,
            "problem": fault.problem,
            "hint": fault.hint,
            "cure": fault.hint,  # its name in version 0.1
        }
        for fault in error.faults
    ]


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _discard_stdout() -> None:
    """Nobody can read on: what is still to be flushed, when the interpreter ends, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
