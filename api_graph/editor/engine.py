"""What runs the graphs: the nodes, the executor with its caches. Its import takes seconds, as torch does."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from api_graph.comfy.inputs import InputType, hidden_inputs, input_types
from api_graph.draw import to_picture, to_template
from api_graph.editor import PACK, limits
from api_graph.editor.events import EventPublisher
from api_graph.editor.jobs import Job
from api_graph.errors import Cancelled
from api_graph.executor import DiskCache, Executor, MemoryCache
from api_graph.folders import Folders
from api_graph.graph import read_graph
from api_graph.registry import Registry, all_nodes, own_nodes
from api_graph.settings import cache_limit
from api_graph.spec import NodeSpec


@dataclass(frozen=True)
class Engine:
    """Runs jobs one after the other; whoever shares it may ask of its nodes meanwhile."""

    executor: Executor
    folders: Folders
    metadata: bool = True

    @property
    def registry(self) -> Registry:
        return self.executor.registry

    def object_info(self) -> dict[str, object]:
        """All nodes as ComfyUI describes them; combos list what lies in the folders now."""
        return {id: node_info(spec, self.folders) for id, spec in self.registry.items()}

    def template(self, file: Path) -> dict[str, object]:
        """A graph's file as the editor itself would save it."""
        return to_template(file.stem, read_graph(file), self.registry)

    def drawn(self, file: Path) -> Image:
        """A graph's file as a picture."""
        return to_picture(read_graph(file), self.registry)

    def run(self, job: Job, publisher: EventPublisher) -> None:
        """Run a job to its end, and set its status. Raises nothing: the page hears of what goes wrong."""
        publisher.start()
        try:
            result = self.executor.run(
                job.graph,
                self.folders,
                listener=publisher,
                cancelled=job.cancelled,
                metadata=self.metadata,
                save_again=False,
                run_id=job.id,
            )
        except Cancelled:
            publisher.interrupt()
        except Exception as error:
            publisher.crash(error)
        else:
            publisher.finish(result)
        trim_previews(self.folders.temp)

    def free(self, *, models: bool, results: bool) -> None:
        """Let go of the loaded models, and of what is held in memory; what runs keeps what it reads."""
        if models:
            self.executor.pool.clear()
        if results and self.executor.memory is not None:
            self.executor.memory.clear()


def load_engine(folders: Folders, cache: Path | None, *, metadata: bool = True) -> Engine:
    """An engine over the disk cache in `cache`, or over memory alone."""
    disk = None if cache is None else DiskCache(cache, cache_limit())
    return Engine(Executor(MemoryCache(), disk, registry=all_nodes()), folders, metadata)


def node_info(spec: NodeSpec, folders: Folders) -> dict[str, object]:
    """What the editor must know to draw the node."""
    inputs = {**_without_upload(input_types(spec, folders)), **hidden_inputs(spec)}
    return {
        "input": inputs,
        "input_order": {group: list(declared) for group, declared in inputs.items()},
        "is_input_list": spec.takes_lists,
        "output": [output.socket for output in spec.outputs],
        "output_is_list": [output.is_list for output in spec.outputs],
        "output_name": [output.name for output in spec.outputs],
        "output_tooltips": [output.description for output in spec.outputs],
        "output_node": spec.output,
        "name": spec.id,
        "display_name": spec.title,
        "description": spec.description,
        "python_module": f"custom_nodes.{PACK}" if spec.id in own_nodes() else "nodes",
        "category": spec.category,
        "search_aliases": list(spec.aliases),
    }


def _without_upload(inputs: dict[str, dict[str, InputType]]) -> dict[str, dict[str, InputType]]:
    """The editor draws an upload button by itself: what older ones sent for it must not take its place."""
    uploads = any(options.get("image_upload") for _, options in inputs["required"].values())
    optional = {name: drawn for name, drawn in inputs["optional"].items() if not (uploads and name == "upload")}
    return {**inputs, "optional": optional}


def trim_previews(folder: Path) -> None:
    """Remove the oldest files, once there are more than `MOST_PREVIEWS`, down to half of that."""
    try:
        files = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return
    if len(files) <= limits.MOST_PREVIEWS:
        return
    with suppress(OSError):
        files.sort(key=lambda entry: entry.stat().st_mtime_ns)
    for entry in files[: -limits.MOST_PREVIEWS // 2]:
        with suppress(OSError):
            os.unlink(entry.path)
