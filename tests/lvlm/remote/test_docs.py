"""What docs/endpoints.md says can be typed, can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.testing

from api_graph.cli.app import app
from api_graph.lvlm.remote import profiles
from api_graph.lvlm.remote.profile import Profile

DOCS = (Path(__file__).parents[3] / "docs" / "endpoints.md").read_text("utf-8")
ADDED = [line for line in DOCS.splitlines() if line.startswith("api-graph endpoints add")]


def test_the_file_shows_every_setting(own_profiles: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.+?)```", DOCS, flags=re.S)
    own_profiles.write_text(shown)
    (profile,) = profiles().values()
    assert profile.model_fields_set == set(Profile.model_fields)


@pytest.mark.parametrize("line", ADDED, ids=[line.split()[3] for line in ADDED])
def test_the_commands(line: str) -> None:
    words = shlex.split(line)
    assert typer.testing.CliRunner().invoke(app, words[1:]).exit_code == 0
    assert list(profiles()) == [words[3]]
