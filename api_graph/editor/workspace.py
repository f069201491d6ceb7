"""The folders that an editor works in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.folders import Folders, inside
from api_graph.settings import model_folders, shipped_graphs


@dataclass(frozen=True)
class Workspace:
    """`workflows` are the graphs that are saved, `user` what else the editor keeps (settings); see `Folders`."""

    folders: Folders
    workflows: Path
    user: Path

    @property
    def uploads(self) -> Path:
        """Where pictures go that are dropped onto the editor."""
        return self.folders.inputs[0]

    def roots(self, kind: str) -> tuple[Path, ...]:
        """The folders behind `input`, `output` and `temp`; none for any other word."""
        folders = self.folders
        return {"input": folders.inputs, "output": (folders.output,), "temp": (folders.temp,)}.get(kind, ())

    def user_file(self, name: str) -> Path | None:
        """The place of a file that the editor keeps; None for one that is none of its own.

        `workflows/...` are the saved graphs. Nothing is hidden, and nothing lies outside, links followed.
        """
        root, rest = self.user, name
        if name == "workflows" or name.startswith("workflows/"):
            root, rest = self.workflows, name.removeprefix("workflows").removeprefix("/")
        if "\\" in name or os.path.isabs(rest):
            return None
        return inside(root, rest)


def open_workspace(
    folder: Path,
    temp: Path,
    *,
    inputs: Sequence[Path] = (),
    output: Path | None = None,
    models: Sequence[Path] = (),
) -> Workspace:
    """The workspace in `folder`, made if need be; further `inputs` are only read. Raises BadInput."""
    folders = Folders(
        inputs=(folder / "input", *inputs, shipped_graphs()),
        output=output or folder / "output",
        temp=temp,
        models=tuple(models) or model_folders(),
        answers=output or folder / "output",
    )
    workspace = Workspace(folders, workflows=folder / "workflows", user=folder / "user")
    for path in (workspace.uploads, folders.output, workspace.workflows, workspace.user):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            hint = "Name another folder with --folder."
            raise BadInput(
                f"the folder cannot be made ({reason})", input="--folder", value=str(path), hint=hint
            ) from error
    return workspace
