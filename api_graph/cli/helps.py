"""Helps that fit any terminal: in a narrow one what an option does stands below it, and lines break between words."""

from __future__ import annotations

from collections.abc import Sequence
from shutil import get_terminal_size
from typing import Any

from typer.core import TyperCommand, TyperGroup

_NARROW = 60
"""Columns below which two columns of text are too many; Click itself draws nothing narrower than 50."""
_FIRST_COLUMN = 8
_INDENT = 4


def _fit(formatter: Any) -> None:  # click's HelpFormatter, or that of typer's copy of it
    """Make a formatter draw for the terminal that there is."""
    columns = get_terminal_size().columns
    if columns >= _NARROW:
        return
    formatter.width = columns
    write = formatter.write_dl

    def write_dl(rows: Sequence[tuple[str, str]], col_max: int = _FIRST_COLUMN, col_spacing: int = 2) -> None:
        terms = [(_folded(term, columns - _INDENT), text) for term, text in rows]
        write(terms, min(col_max, _FIRST_COLUMN), col_spacing)

    formatter.write_dl = write_dl


def _folded(term: str, width: int) -> str:
    """An option with its choices, on as many lines as it takes: they break behind a `|`."""
    lines = [""]
    for part in term.replace("|", "|\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(" " * _INDENT)
        lines[-1] += part
    return "\n".join(lines)


def _usage(command: Any, ctx: Any) -> str:
    formatter = ctx.make_formatter()
    _fit(formatter)
    command.format_usage(ctx, formatter)
    return formatter.getvalue().rstrip("\n")


class Command(TyperCommand):
    """A command whose help fits the terminal."""

    def get_usage(self, ctx: Any) -> str:
        """The line of usage."""
        return _usage(self, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _fit(formatter)
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """Commands whose list fits the terminal."""

    def get_usage(self, ctx: Any) -> str:
        """The line of usage."""
        return _usage(self, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _fit(formatter)
        super().format_help(ctx, formatter)


class BenchGroup(Group):
    """`bench NAME ...` is `bench run NAME ...`: a word that is no command is the name of a benchmark."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # click's types, or those of typer's copy of it
        """The command that the words mean."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands, and the benchmarks that `bench run` takes."""
        (name,) = [one for one in self.commands["run"].params if one.name == "name"]
        return [*super().shell_complete(ctx, incomplete), *name.shell_complete(ctx, incomplete)]
