"""A connection to a Ray cluster, and room for actors on it, with nothing on the terminal but what is ours."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from api_graph.errors import BadInput
from api_graph.table.processors import processors

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_LEAST_STORE = 256 << 20
_CROWD = 4
"""Actors per processor on a cluster that is begun here: those of an endpoint's graph mostly wait."""
_LONGEST_FOLDER = 24  # characters: below it lie sockets, whose paths must not exceed 107


@dataclass(frozen=True)
class RayOptions:
    """How many `actors`, with how many GPUs each (a fraction shares one), on the cluster at `address`.

    None leaves it to the cluster: a GPU each where it has some, and as many actors as GPUs. Without an address it is
    the cluster that this process is connected to already, or $RAY_ADDRESS, else one is started on this machine.
    """

    actors: int | None = None
    gpus_per_actor: float | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        gpus = self.gpus_per_actor
        if self.actors is not None and self.actors < 1:
            raise BadInput("must be at least 1", input="concurrency", value=self.actors)
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and gpus % 1 == 0)):
            raise BadInput("must be a whole number, or a fraction of one", input="gpus_per_actor", value=gpus)


@dataclass(frozen=True)
class Room:
    """What the cluster has for them: `actors`, with so many processors and GPUs each."""

    actors: int
    processors: int
    gpus: float


@contextmanager
def cluster(options: RayOptions, size: int) -> Iterator[Room]:
    """The room on the cluster, with `size` bytes to send there. What is begun here is ended here. Raises BadInput."""
    with ExitStack() as stack:
        stack.enter_context(_settings())
        ray = _ray()
        stack.enter_context(_silence(ray))
        if not ray.is_initialized():
            _connect(ray, options, size, stack)
        yield room(options, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def room(options: RayOptions, nodes: Sequence[Mapping[str, float]]) -> Room:
    """As many processors for each actor as all of them can have. Raises BadInput where they cannot have one each."""
    gpus = options.gpus_per_actor
    if gpus is None:
        gpus = float(any(node.get("GPU", 0) >= 1 for node in nodes))
    most = sum(_fitting(node, 1, gpus) for node in nodes)
    actors = options.actors or (max(1, most) if gpus else 1)
    if actors > most:
        have = {kind: sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU")}
        raise BadInput(
            f"there is room for {most} actors with {gpus:g} GPUs each: "
            f"the cluster has {have['CPU']:g} CPUs and {have['GPU']:g} GPUs",
            input="--gpus-per-actor"
            if gpus and not sum(_fitting(node, 1, 0) < 1 for node in nodes)
            else "--concurrency",
            value=actors,
            hint="Ask for fewer, or for a smaller part of a GPU.",
        )
    processors = int(max(node.get("CPU", 0) for node in nodes))
    while sum(_fitting(node, processors, gpus) for node in nodes) < actors:
        processors -= 1
    return Room(actors, processors, gpus)


def _fitting(node: Mapping[str, float], processors: int, gpus: float) -> int:
    """Actors that one machine has room for."""
    fitting = int(node.get("CPU", 0) // processors)
    if not gpus:
        return fitting
    have = node.get("GPU", 0)
    return min(fitting, int(have) * int(1 / gpus + 1e-9) if gpus < 1 else int(have // gpus))


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BadInput(
            f"Ray is not installed ({error})", input="--engine", value="ray", hint="pip install 'api-graph[ray]'"
        ) from None
    return ray


def _connect(ray: Any, options: RayOptions, size: int, stack: ExitStack) -> None:
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    local: dict[str, Any] = {}
    if address == "local":
        local = {
            "num_cpus": _processors(options),
            "object_store_memory": _LEAST_STORE + 2 * size,
            "include_dashboard": False,
            "_temp_dir": stack.enter_context(_short_folder()),
        }
    stack.callback(ray.shutdown)  # also where Ctrl-C comes while it starts
    try:
        with _signals_kept(), _core_silence():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **local)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise BadInput(
            f"there is no cluster ({str(error).strip().splitlines()[0]})",
            input="--ray-address",
            value=address,
            hint="`ray start --head` starts one; both sides need one RAY_AUTH_TOKEN, or RAY_AUTH_MODE=disabled. "
            "Leave the address out for one on this machine.",
        ) from error


def _processors(options: RayOptions) -> int:
    """Processors that a cluster on this machine pretends to have, if more actors are asked for than it has."""
    have = processors()
    return max(have, min(options.actors or 1, have * _CROWD))


@contextmanager
def _short_folder() -> Iterator[str]:
    """A folder for the sockets and logs of a cluster of ours."""
    base = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="ag-", dir=base if len(base) <= _LONGEST_FOLDER else "/tmp")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _settings() -> Iterator[None]:
    """Ray's settings in the environment; what the user has set stays."""
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _silence(ray: Any) -> Iterator[None]:
    """Keep Ray Data's log and bars off the terminal; its log file stays."""
    context = ray.data.DataContext.get_current()
    bars, context.enable_progress_bars = context.enable_progress_bars, False
    consoles = [
        (handler, handler.level)
        for name in ("ray", "ray.data")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
    ]
    for handler, _ in consoles:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        context.enable_progress_bars = bars
        for handler, level in consoles:
            handler.setLevel(level)


@contextmanager
def _core_silence() -> Iterator[None]:
    """Ray's C++ core says, while it starts, that it was told to say little on the terminal."""
    with open(os.devnull, "wb") as nowhere:
        terminal = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts its own handlers in; afterwards those that were there are back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
