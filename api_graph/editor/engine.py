"""What runs the graphs: the nodes, the executor with its caches. Its import takes seconds, as torch does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image

from api_graph.draw import to_picture, to_workflow
from api_graph.editor.events import Narrator
from api_graph.editor.jobs import Job
from api_graph.editor.object_info import node_info
from api_graph.editor.previews import trim_previews
from api_graph.errors import Cancelled
from api_graph.executor import DiskCache, Executor, MemoryCache
from api_graph.folders import Folders
from api_graph.graph import read_graph
from api_graph.registry import Registry, all_nodes
from api_graph.settings import cache_limit


@dataclass(frozen=True)
class Engine:
    """Runs jobs one after the other; whoever shares it may ask of its nodes meanwhile."""

    executor: Executor
    folders: Folders
    metadata: bool = True

    @property
    def registry(self) -> Registry:
        return self.executor.registry

    def object_info(self) -> dict[str, Any]:
        """All nodes as ComfyUI describes them; combos list what lies in the folders now."""
        return {id: node_info(spec, self.folders) for id, spec in self.registry.items()}

    def template(self, file: Path) -> dict[str, Any]:
        """A graph's file as the editor itself would save it."""
        return to_workflow(read_graph(file), self.registry)

    def drawn(self, file: Path) -> Image:
        """A graph's file as a picture."""
        return to_picture(read_graph(file), self.registry)

    def run(self, job: Job, narrator: Narrator) -> None:
        """Run a job to its end, and set its status. Raises nothing: the page hears of what goes wrong."""
        narrator.start()
        try:
            result = self.executor.run(
                job.graph,
                self.folders,
                listener=narrator,
                cancelled=job.cancelled,
                metadata=self.metadata,
                save_again=False,
                run_id=job.id,
            )
        except Cancelled:
            narrator.interrupt()
        except Exception as error:
            narrator.crash(error)
        else:
            narrator.finish(result)
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
