"""What docs/endpoints.md says can be typed, can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.testing

import api_graph
from api_graph.cli.app import app
from api_graph.errors import BadInput
from api_graph.lvlm.asking import answerer
from api_graph.lvlm.remote import Endpoint, profiles
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


@pytest.mark.parametrize("name", ["local", "local/a/b", "endpoint:local", "endpoint:local/a/b"])
def test_python_takes_the_names_that_graphs_take(own_profiles: Path, name: str) -> None:
    own_profiles.write_text('[local]\nbase_url = "http://localhost:8000/v1"\nmodels = ["a/b"]\n')
    found = answerer(name)
    assert isinstance(found, Endpoint) and (found.profile.name, found.model) == ("local", "a/b")


def test_a_marked_name_of_no_profile_is_no_model(own_profiles: Path) -> None:
    own_profiles.write_text('[local]\nbase_url = "http://localhost:8000/v1"\nmodels = ["a/b"]\n')
    with pytest.raises(BadInput, match=r"there is no such profile .*\(got 'lokal'\)\. Did you mean local\?"):
        answerer("endpoint:lokal")
    with pytest.raises(BadInput, match=r"^model: there is no such profile"):
        api_graph.ask(None, "What?", "endpoint:lokal")
