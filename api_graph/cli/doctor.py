"""`api-graph doctor`: what this installation has, what it lacks, and how to get that.

Each check looks at one thing, and none of them can break the others.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Literal, NamedTuple

from api_graph import __version__, settings
from api_graph.cli.console import human_size, one_line, print_json, print_table, say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import Debug, Json
from api_graph.errors import BadInput

State = Literal["ok", "note", "broken"]

_DISTRIBUTION = "api-graph"
_MODULES = {"open_clip_torch": "open_clip", "pillow": "PIL"}  # where a distribution's module is called otherwise


class Finding(NamedTuple):
    """One thing looked at. `note` is worth knowing, `broken` keeps the package from working; `hint` says what to do."""

    state: State
    what: str
    text: str
    hint: str = ""


def doctor(as_json: Json = False, debug: Debug = False) -> int:
    """Look over the installation.

    Versions, devices, folders, the demo model: what is there, what is missing, and how to get it. The exit code is 1 if
    something that is needed is broken.
    """
    found = checkup()
    broken = [f for f in found if f.state == "broken"]
    code = FAILED if broken else OK
    if as_json:
        print_json({"ok": not broken, "exit_code": code, "findings": [f._asdict() | {"cure": f.hint} for f in found]})
        return code
    print_table(("", "what", "found"), [(f.state, f.what, f.text) for f in found])
    for finding in found:
        if finding.hint:
            say(f"\n{finding.what}: {one_line(finding.hint)}")
    say("\nSomething needed is broken." if broken else "\nAll that is needed is here.")
    return code


def checkup() -> list[Finding]:
    """All findings. A check that fails itself is a finding, too."""
    found = []
    packages = (_interpreter, _packages, _torchvision, _torchaudio)
    for check in (*packages, _devices, _cache, _models, _endpoints, _nodes, _demo_model):
        try:
            found += list(check())
        except Exception as error:  # whatever an installation can be broken by
            found.append(Finding("broken", check.__name__.strip("_").replace("_", " "), _said(error)))
    return found


def _interpreter() -> Iterator[Finding]:
    yield Finding("ok", "api-graph", __version__)
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Finding]:
    """Every package that is required, by whether it can be imported."""
    for name in _required():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("broken", name, "is not installed", f'Install it: pip install "{name}"')
            continue
        yield _import_finding(name, version)


def _import_finding(name: str, version: str) -> Finding:
    try:
        importlib.import_module(_MODULES.get(name, name.replace("-", "_")))
    except Exception as error:
        hint = f"Install it again: pip install --force-reinstall --no-deps {name}=={version}"
        return Finding("broken", name, f"{version}, which cannot be imported ({_said(error)})", hint)
    return Finding("ok", name, version)


def _required() -> list[str]:
    """Names of the packages that this one requires here, as installed, or as its checkout has it."""
    from packaging.requirements import Requirement

    checkout = Path(__file__).parents[2] / "requirements.txt"
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = checkout.read_text("utf-8").splitlines() if checkout.is_file() else []
    needed = [Requirement(line) for line in lines if line.strip()]
    return [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def _torchvision() -> Iterator[Finding]:
    """A torchvision built for another torch imports, at times, but has none of its operators."""
    import torch

    try:
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except Exception as error:
        hint = "Install the two together: pip install --upgrade torch torchvision"
        yield Finding("broken", "torchvision", f"does not fit torch {torch.__version__} ({_said(error)})", hint)


def _torchaudio() -> Iterator[Finding]:
    """Not needed; but where it is and cannot be loaded, transformers' multimodal classes fail."""
    if util.find_spec("torchaudio") is None:
        return
    try:
        importlib.import_module("torchaudio")
    except Exception as error:
        hint = "It is not needed: pip uninstall torchaudio. Or install the one for this torch."
        yield Finding("note", "torchaudio", f"does not fit torch, so multimodal models fail ({_said(error)})", hint)


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("ok", "CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads in use")
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        yield Finding("ok", f"cuda:{index}", f"{card.name}, {human_size(card.total_memory)}")
    if torch.backends.mps.is_available():
        yield Finding("ok", "mps", "Apple GPU")
    if not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        hint = "Install a torch for your driver; https://pytorch.org/get-started says which."
        yield Finding("note", "cuda", f"there is an NVIDIA driver, but torch, built {built}, sees no GPU", hint)


def _cache() -> Iterator[Finding]:
    from api_graph.cli.options import writable_folder
    from api_graph.executor import DiskCache

    try:
        folder = writable_folder(settings.cache_folder(), "API_GRAPH_CACHE")
        held = DiskCache(folder, settings.cache_limit()).info()
    except BadInput as error:
        yield Finding("broken", "cache", str(error), "Or run with --no-cache.")
        return
    room = f"{held.entries} results, {human_size(held.bytes)} of at most {human_size(held.limit)}"
    yield Finding("ok", "cache", f"{folder} ({room})")


def _models() -> Iterator[Finding]:
    for folder in settings.model_folders():
        if folder.is_dir():
            yield Finding("ok", "models", f"{folder} ({len(list(folder.iterdir()))} entries)")
        else:
            yield Finding("ok", "models", f"{folder} (not there yet)")


def _endpoints() -> Iterator[Finding]:
    from api_graph.lvlm.remote import profiles
    from api_graph.lvlm.remote.endpoints_file import profiles_file

    try:
        found = profiles()
    except BadInput as error:
        yield Finding("note", "endpoints", str(error))
        return
    for profile in found.values():
        own = "".join(f", {name} = {json.dumps(value)}" for name, value in profile.own_settings.items())
        missing = profile.key_env if profile.key_env and not os.environ.get(profile.key_env) else None
        hint = f"Set {missing} to the key of the endpoint." if missing else ""
        yield Finding("note" if missing else "ok", f"endpoint {profile.name}", f"{profile.host}{own}", hint)
    if not found:
        yield Finding("ok", "endpoints", f"none in {profiles_file()}")


def _nodes() -> Iterator[Finding]:
    from api_graph.registry import all_nodes
    from api_graph.settings import shipped

    yield Finding("ok", "nodes", str(len(all_nodes())))
    graphs = shipped()
    if graphs:
        yield Finding("ok", "graphs", ", ".join(graphs))
    else:
        yield Finding("broken", "graphs", "none came with the package", "Install api-graph again.")


def _demo_model() -> Iterator[Finding]:
    from api_graph.clip import load_clip

    try:
        load_clip("demo", device="cpu")
    except BadInput as error:
        yield Finding("broken", "demo model", one_line(str(error)), "Install api-graph again.")
        return
    yield Finding("ok", "demo model", "loads")


def _said(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")[:200]
