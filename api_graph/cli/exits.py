"""How the command begins and ends: signals, exit codes, and what went wrong as one line, never a bare traceback.

Nothing slow is imported here, not even typer: Ctrl-C may come at any time.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from types import FrameType
from typing import Any

from api_graph.cli.console import complain, fitted, print_json, quiet_libraries
from api_graph.errors import ApiGraphError, BadInput, Cancelled, RunStopped

OK, FAILED, BAD_USAGE, READER_LEFT = 0, 1, 2, 141

EXIT_CODES = """\b
Exit codes:
  0    all went well
  1    something failed on the way
  2    a bad command, graph or value
  130  interrupted (Ctrl-C)
  141  nobody reads the output
  143  terminated (SIGTERM)
"""

_SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_SIZE = re.compile("[1-9][0-9]{0,4}")
_ECHO = 1.0  # seconds: shells and wrappers often pass on a Ctrl-C that we have already got ourselves

cancelled = threading.Event()
"""Set as soon as the user wants to stop. A run looks at it between its steps."""

writing = threading.Event()
"""Set while a node writes files: a signal then leaves it to the run to stop, once they are whole."""


def main() -> None:
    """Run the command line. Ends the process with one of the exit codes."""
    _mend_streams()
    for name in ("COLUMNS", "LINES"):  # what libraries take for a number need not be one: "²"
        if not _SIZE.fullmatch(os.environ.get(name, "80")):
            del os.environ[name]
    with interruptible():
        from api_graph.cli.app import app

        try:
            code = app(prog_name="api-graph", standalone_mode=False)
        except OSError as error:  # the help, say, goes to a full disk
            code = _unwritten(error, as_json=False)
        except Exception as error:
            code = _misused(error)
        sys.exit(code)


def _misused(error: Any) -> int:  # an error of Click, or of typer's copy of it
    """Say what Click complains of, as it does, but with lines that fit; the exit code. Raises any other error."""
    if not hasattr(error, "format_message"):
        raise error
    text = error.format_message().replace("Value error, ", "")  # what pydantic puts before others' words
    if sys.stderr.isatty():
        before = "Error: "
        text = fitted(before + text).removeprefix(before)
    error.format_message = lambda: text
    error.show()
    return error.exit_code


def _mend_streams() -> None:
    """Streams that take all texts. What the shell has closed is opened: the next file would else be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        complain("standard output is closed. Send it to a file, or to /dev/null.")
        sys.exit(BAD_USAGE)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a Ψ must not end a run where the terminal has none


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into Cancelled, so that what is open gets closed, and leave with 128 + its number.

    A second one, from somebody who does not want to wait for that, ends the process at once.
    """
    received: list[tuple[int, float]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if received:
            if time.monotonic() - received[0][1] > _ECHO:
                os._exit(128 + number)
            return
        received.append((number, time.monotonic()))
        cancelled.set()  # also where a library swallows the exception
        if not writing.is_set():
            raise Cancelled

    for number in _SAID:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup, or a shell's background job, has it
            signal.signal(number, stop)
    try:
        yield
    except Cancelled:
        number = received[0][0]
        complain(_SAID[signal.Signals(number)], kind="api-graph")
        sys.exit(128 + number)
    finally:
        for number in _SAID:  # the work is over: the interpreter may shut down in peace
            signal.signal(number, signal.SIG_IGN)


def command(function: Callable[..., int]) -> Callable[..., None]:
    """Make a command of a function that returns an exit code and raises what it likes."""
    from typer import Exit

    @wraps(function)
    def run(**options: object) -> None:
        debug, as_json = bool(options.get("debug")), bool(options.get("as_json"))
        try:
            with quiet_libraries(debug=debug):
                code = function(**options)
            sys.stdout.flush()
        except ApiGraphError as error:
            error = _by_option(error, function)
            code = _report(FAILED if isinstance(error, RunStopped) else BAD_USAGE, errors_of(error), as_json)
            _trace(debug)
        except OSError as error:  # what stdout goes to is full, say
            code = _unwritten(error, as_json)
            _trace(debug and code != READER_LEFT)
        except Exception as error:
            if cancelled.is_set():  # and a library made something else of that
                raise Cancelled from None
            code = _report(FAILED, [{"message": f"{type(error).__name__}: {error}"}], as_json)
            if not debug:
                complain("this should not happen: run it again with --debug, and please report what you see", "hint")
            _trace(debug)
        raise Exit(code)

    return run


def _by_option(error: ApiGraphError, function: Callable[..., int]) -> ApiGraphError:
    """The error with the name that an option has on the command line, where it calls it as Python does."""
    if not isinstance(error, BadInput) or error.input is None:
        return error
    from typing import get_type_hints

    from typer.models import OptionInfo

    hint = get_type_hints(function, include_extras=True).get(error.input)
    option = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, OptionInfo)), None)
    if option is None:
        return error
    named = next((name for name in option.param_decls or () if name.startswith("--")), None)
    input = (named or f"--{error.input.replace('_', '-')}").partition("/")[0]
    return BadInput(error.problem, input=input, value=error.value, hint=error.hint)


def _report(code: int, errors: list[dict[str, object]], as_json: bool) -> int:
    for each in errors:
        complain(str(each["message"]))
    try:
        if as_json:
            print_json({"ok": False, "exit_code": code, "errors": errors})
        sys.stdout.flush()
    except OSError:
        _discard_stdout()
    return code


def _unwritten(error: OSError, as_json: bool) -> int:
    """The exit code of what could not be written or read; whose file it was is said."""
    if isinstance(error, BrokenPipeError):
        _discard_stdout()
        return READER_LEFT
    said = str(error) if error.filename is not None else f"the output cannot be written: {error.strerror or error}"
    code = _report(FAILED, [{"message": said}], as_json)
    if error.filename is None:  # else it is another file that cannot be written, and stdout can
        _discard_stdout()
    return code


def errors_of(error: ApiGraphError) -> list[dict[str, object]]:
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
