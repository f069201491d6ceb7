"""Which transformers the loaders of LVLMs and segmenters ask for; CLIP asks for none."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from api_graph.clip import load_clip
from api_graph.errors import BadInput
from api_graph.lvlm import load_lvlm
from api_graph.models.requirements import require_transformers
from api_graph.segment import load_segmenter
from tests.segment.tiny_models import save_sam


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Make transformers look like another version, or None."""
    real = metadata.version

    def pretend(version: str | None) -> None:
        def told(name: str) -> str:
            if name != "transformers":
                return real(name)
            if version is None:
                raise metadata.PackageNotFoundError(name)
            return version

        monkeypatch.setattr(metadata, "version", told)

    return pretend


@pytest.mark.parametrize("version", ["4.57", "4.57.1", "5.0.0", "5.24.0.dev0", "a build of my own"])
def test_what_suffices(installed, version: str) -> None:
    installed(version)
    require_transformers("a local LVLM")


@pytest.mark.parametrize("version", ["4.50.3", "4.56.9", "4.57.0rc1", None])
def test_what_does_not(installed, version: str | None) -> None:
    installed(version)
    with pytest.raises(BadInput, match=r"needs transformers 4\.57 or newer.*pip install --upgrade"):
        require_transformers("a local LVLM")


def test_the_loaders_say_so_and_clip_does_not_mind(installed, tmp_path: Path) -> None:
    save_sam(tmp_path / "sam")
    installed("4.50.3")
    with pytest.raises(BadInput, match=r"a local LVLM needs transformers .* 4\.50\.3 is installed"):
        load_lvlm("demo")
    with pytest.raises(BadInput, match=r"a segmenter needs transformers"):
        load_segmenter(str(tmp_path / "sam"))
    assert load_clip("demo").name == "demo"
