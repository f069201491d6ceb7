"""Profiles: the file, the environment, and what they refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.lvlm.remote import Profile, find_profile, profiles
from api_graph.lvlm.remote.endpoints_file import add_profile, profiles_file, remove_profile

LOCAL = '[local]\nbase_url = "http://localhost:8000/v1"\n'


def test_no_file_is_no_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("API_GRAPH_ENDPOINTS")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name, appauthor: str(tmp_path / name))
    assert profiles_file() == tmp_path / "api-graph" / "endpoints.toml"
    assert profiles() == {}
    profiles_file().parent.mkdir()
    profiles_file().write_text(LOCAL)
    assert list(profiles()) == ["local"]


def test_a_profile_has_defaults(own_profiles: Path) -> None:
    own_profiles.write_text(LOCAL)
    profile = find_profile("local")
    assert profile.model_dump() == {
        "name": "local",
        "allow_private": False,
        "base_url": "http://localhost:8000/v1",
        "models": (),
        "key_env": None,
        "timeout_s": 120.0,
        "retries": 4,
        "concurrency": 8,
        "requests_per_minute": None,
        "max_requests": 10_000,
        "token_field": "max_tokens",
        "send_sampling": True,
        "send_seed": True,
        "policy": "practical",
        "detail": "auto",
        "order": "text_first",
        "keep_reasoning": False,
        "picture_format": "png",
        "max_side": None,
        "revision": None,
        "keep_answers": False,
    }
    assert profile.host == "localhost"


def test_an_unknown_profile(own_profiles: Path) -> None:
    with pytest.raises(BadInput, match="`api-graph endpoints add` makes one"):
        find_profile("local")
    own_profiles.write_text(LOCAL)
    with pytest.raises(BadInput, match=r"Did you mean local\? There are local\.") as raised:
        find_profile("locl")
    assert str(own_profiles) in str(raised.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('api_key = "abc-123"', "local.api_key: holds a key, which is not kept in files"),
        ('Token = "abc-123"', "local.Token: holds a key"),
        ('key_env = "sk-abc-123"', "local.key_env: is not the name of an environment variable"),
        ('key_env = "abc-123"', "local.key_env: is not the name"),
        ('modles = ["abc-123"]', "local.modles: there is no such setting. A profile has name, base_url"),
        ('models = ["abc-123\\u0007"]', "local.models.0: is no model's id"),
        ('models = "abc-123"', "local.models: "),
        ('retries = "abc-123"', "local.retries: "),
        ("retries = 11", "local.retries: Input should be less than or equal to 10"),
        ("concurrency = 0", "local.concurrency: "),
        ("timeout_s = nan", "local.timeout_s: "),
        ('policy = "abc-123"', "local.policy: Input should be 'practical' or 'paper'"),
        ('policy.x = "abc-123"', "local.policy: "),
    ],
)
def test_faults_in_the_file_are_named_and_values_are_not(own_profiles: Path, line: str, said: str) -> None:
    own_profiles.write_text(LOCAL + line + "\n")
    with pytest.raises(BadInput) as raised:
        profiles()
    assert str(raised.value).startswith("endpoints.toml, ") and said in str(raised.value)
    assert "abc-123" not in str(raised.value)


def test_a_url_with_a_password_is_not_repeated(own_profiles: Path) -> None:
    own_profiles.write_text('[a]\nbase_url = "https://me:hunter2@example.com/v1"\n')
    with pytest.raises(BadInput, match=r"^endpoints.toml, a.base_url: has a user or a password") as raised:
        profiles()
    assert "hunter2" not in "".join(str(e) + repr(e) for e in (raised.value, raised.value.__context__))
    with pytest.raises(ValueError) as raised_bare:
        Profile(name="a", base_url="https://me:hunter2@example.com/v1")
    assert "hunter2" not in str(raised_bare.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[local", "is not TOML"),
        ("a = 1", "endpoints.toml, a: stands outside of any profile"),
        ('["../x"]\nbase_url = "http://localhost/v1"', "is no name for a profile"),
        ("[local]", "local.base_url: Field required"),
        ("a = " + "[" * 5000, "is not TOML"),
    ],
)
def test_files_that_cannot_be_read(own_profiles: Path, text: str, said: str) -> None:
    own_profiles.write_text(text)
    with pytest.raises(BadInput, match=said):
        profiles()


def test_more_files_that_cannot_be_read(own_profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_profiles.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="is not in UTF-8"):
        profiles()
    for path in ("nowhere.toml", own_profiles.parent):
        monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(path))
        with pytest.raises(BadInput, match="cannot be read"):
            profiles()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_everybody_can_change_is_warned_of(own_profiles: Path) -> None:
    own_profiles.write_text(LOCAL)
    own_profiles.chmod(0o666)
    with pytest.warns(ApiGraphWarning, match="chmod 600"):
        assert list(profiles()) == ["local"]


# ------------------------------------------------------------------------------------------ environment


def test_profiles_from_the_environment(own_profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_profiles.write_text('[my-vllm]\nbase_url = "http://localhost:8000/v1"\nretries = 1\n')
    monkeypatch.setenv("API_GRAPH_ENDPOINT_MY_VLLM_URL", "http://localhost:9000/v1")
    monkeypatch.setenv("API_GRAPH_ENDPOINT_MY_VLLM_MODELS", "a/b, c")
    monkeypatch.setenv("API_GRAPH_ENDPOINT_MY_VLLM_KEY_ENV", "TEST_KEY")
    monkeypatch.setenv("API_GRAPH_ENDPOINT_BOX_URL", "https://box/v1")
    found = profiles()
    assert list(found) == ["my-vllm", "box"]
    replaced = found["my-vllm"]
    assert (replaced.name, replaced.origin.port, replaced.models) == ("my-vllm", 9000, ("a/b", "c"))
    assert (replaced.key_env, replaced.retries, found["box"].models) == ("TEST_KEY", 4, ())


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("API_GRAPH_ENDPOINT_BOX_KEY", "API_GRAPH_ENDPOINT_BOX_KEY: is no setting of a profile"),
        ("API_GRAPH_ENDPOINT_BOX_MODELS", "API_GRAPH_ENDPOINT_BOX_URL: is not set"),
        ("API_GRAPH_ENDPOINT_BOX_URL", r"API_GRAPH_ENDPOINT_BOX_\*, box.base_url: is no http or https URL"),
    ],
)
def test_faults_in_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str, said: str) -> None:
    monkeypatch.setenv(variable, "secret-value-123")
    with pytest.raises(BadInput, match=said) as raised:
        profiles()
    assert "secret-value-123" not in str(raised.value)


# ------------------------------------------------------------------------------------------ editing


def test_adding_keeps_what_is_there(own_profiles: Path) -> None:
    own_profiles.write_text(f"# mine\n{LOCAL}retries = 1  # few")
    add_profile("box", {"base_url": "https://box/v1", "models": ['a"b'], "key_env": "TEST_KEY"})
    assert own_profiles.read_text().startswith(f"# mine\n{LOCAL}retries = 1  # few\n\n[box]\n")
    assert (list(profiles()), find_profile("local").retries, find_profile("box").models) == (
        ["local", "box"],
        1,
        ('a"b',),
    )
    remove_profile("local")
    assert list(profiles()) == ["box"]
    if os.name == "posix":
        assert own_profiles.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in own_profiles.parent.iterdir()] == ["endpoints.toml"]


def test_adding_makes_file_and_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "mine.toml"
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(path))
    add_profile("box", {"base_url": "https://box/v1"})
    assert list(profiles()) == ["box"] and path.read_text().startswith("[box]")


def test_a_link_stays_a_link(own_profiles: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(own_profiles)
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(link))
    add_profile("box", {"base_url": "https://box/v1"})
    assert link.is_symlink() and "[box]" in own_profiles.read_text()


def test_what_cannot_be_added_or_removed_changes_nothing(own_profiles: Path) -> None:
    own_profiles.write_text(LOCAL)
    refused = [("local", "https://box/v1"), ("../x", "https://box/v1"), ("box", "http://box/v1")]
    for name, url in refused:
        with pytest.raises(BadInput):
            add_profile(name, {"base_url": url})
    with pytest.raises(BadInput, match="There are local"):
        remove_profile("box")
    assert own_profiles.read_text() == LOCAL


def test_a_folder_that_cannot_be_written_to(own_profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(own_profiles / "endpoints.toml"))
    with pytest.raises(BadInput, match="cannot be written"):
        add_profile("box", {"base_url": "https://box/v1"})
