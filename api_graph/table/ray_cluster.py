"""A connection to a Ray cluster, and how many actors it has room for. Ray itself prints nothing on the terminal."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType

from api_graph.errors import BadInput
from api_graph.settings import processors

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_LEAST_STORE = 256 << 20
_ACTORS_PER_PROCESSOR = 4
"""On a cluster that is started here: actors whose graph asks an endpoint mostly wait."""
_LONGEST_FOLDER = 24  # characters, because the paths of the sockets in it must not exceed 107


@dataclass(frozen=True)
class RayOptions:
    """How a table runs on Ray: the number of `actors`, the GPUs of each (a fraction shares one), and the cluster.

    With None, each actor has one GPU if the cluster has any, and there are as many actors as GPUs, or else one. Without
    an `address`, the cluster is the one that this process is connected to, or $RAY_ADDRESS, or it is started on this
    machine. Raises BadInput for numbers that make no sense.
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


def __getattr__(name: str) -> type[RayOptions]:
    if name != "RayWishes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("RayWishes is called RayOptions now", DeprecationWarning, stacklevel=2)
    return RayOptions


@dataclass(frozen=True)
class Room:
    """What the cluster has room for: a number of `actors`, and the processors and GPUs of each."""

    actors: int
    processors: int
    gpus: float


@contextmanager
def cluster(options: RayOptions, size: int) -> Iterator[Room]:
    """Connect to the cluster; gives the room on it. `size` is the number of bytes that will be sent there.

    A cluster or a connection that is started here ends with the block. Raises BadInput.
    """
    with ExitStack() as stack:
        stack.enter_context(_settings())
        ray = _ray()
        stack.enter_context(_silence(ray))
        if not ray.is_initialized():
            _connect(ray, options, size, stack)
        yield room(options, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def room(options: RayOptions, nodes: Sequence[Mapping[str, float]]) -> Room:
    """The room on a cluster whose machines, `nodes`, have these resources ("CPU", "GPU").

    All actors get the same number of processors, as many as possible. Raises BadInput if it is less than one.
    """
    gpus = options.gpus_per_actor
    if gpus is None:
        gpus = float(any(node.get("GPU", 0) >= 1 for node in nodes))
    most = sum(_actors_on(node, 1, gpus) for node in nodes)
    actors = options.actors or (max(1, most) if gpus else 1)
    if actors > most:
        have = {kind: sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU")}
        raise BadInput(
            f"there is room for {most} actors with {gpus:g} GPUs each: "
            f"the cluster has {have['CPU']:g} CPUs and {have['GPU']:g} GPUs",
            input="--gpus-per-actor"
            if gpus and not sum(_actors_on(node, 1, 0) < 1 for node in nodes)
            else "--concurrency",
            value=actors,
            hint="Ask for fewer, or for a smaller part of a GPU.",
        )
    processors = int(max(node.get("CPU", 0) for node in nodes))
    while sum(_actors_on(node, processors, gpus) for node in nodes) < actors:
        processors -= 1
    return Room(actors, processors, gpus)


def _actors_on(node: Mapping[str, float], processors: int, gpus: float) -> int:
    """Number of actors that one machine has room for."""
    fitting = int(node.get("CPU", 0) // processors)
    if not gpus:
        return fitting
    have = node.get("GPU", 0)
    return min(fitting, int(have) * int(1 / gpus + 1e-9) if gpus < 1 else int(have // gpus))


def _ray() -> ModuleType:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BadInput(
            f"Ray is not installed ({error})", input="--engine", value="ray", hint="pip install 'api-graph[ray]'"
        ) from None
    return ray


def _connect(ray: ModuleType, options: RayOptions, size: int, stack: ExitStack) -> None:
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    local: dict[str, object] = {}
    if address == "local":
        local = {
            "num_cpus": _processors(options),
            "object_store_memory": _LEAST_STORE + 2 * size,
            "include_dashboard": False,
            "_temp_dir": stack.enter_context(_short_folder()),
        }
    stack.callback(ray.shutdown)  # before `init`, for a Ctrl-C while it starts
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
    """Number of processors that a cluster on this machine claims: more than it has, if there are to be more actors."""
    have = processors()
    return max(have, min(options.actors or 1, have * _ACTORS_PER_PROCESSOR))


@contextmanager
def _short_folder() -> Iterator[str]:
    """A temporary folder for the sockets and logs of a cluster that is started here."""
    base = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="ag-", dir=base if len(base) <= _LONGEST_FOLDER else "/tmp")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _settings() -> Iterator[None]:
    """Set Ray's variables in the environment for the block, except those that the user has set."""
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _silence(ray: ModuleType) -> Iterator[None]:
    """Keep the log and the progress bars of Ray Data off the terminal. Its log file is still written."""
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
    """Discard what Ray's C++ core prints while it starts: a notice that its log level is low."""
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
    """Restore the signal handlers after the block, because Ray installs its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
