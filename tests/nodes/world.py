"""Small models, pictures and folders for the nodes' cases: made once, and never changed."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import api_graph
from api_graph.clip import ClipModel
from api_graph.context import Context
from api_graph.demo.scenes import scene
from api_graph.errors import BadInput
from api_graph.folders import Folders
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel
from api_graph.pixels.read import to_tensor
from api_graph.regions import Boxes
from api_graph.segment import Segmenter, load_segmenter
from api_graph.sockets import Attribution
from api_graph.spec import NodeSpec
from tests.segment.tiny_models import save_sam

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """All that one call of a node shows: its result, what stands under it, the files it wrote, the steps it told."""

    result: Any
    ui: dict[str, list[Any]]
    files: dict[str, bytes]
    told: list[tuple[int, int]]


class World:
    """What cases are made of. Models come as one and another of the same kind, with other weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        (folder / "in").mkdir(parents=True)
        (folder / "models").mkdir()

    def context(self, spec: NodeSpec) -> tuple[Context | None, list[tuple[int, int]]]:
        """The context that a call of a node asks for, with output folders of its own, and what progress it tells."""
        told: list[tuple[int, int]] = []
        if spec.context is None:
            return None, told
        own = self.folder / f"out{next(self._numbers)}"
        folders = Folders((self.folder / "in",), own / "output", own / "temp", (self.folder / "models",))
        return spec.context[1](folders, on_progress=lambda done, total: told.append((done, total))), told

    def seen(self, spec: NodeSpec, function: Callable[..., Any], inputs: Inputs) -> Seen:
        """What a call of a node's function, or of what stands in for it, shows. A refusal is its result."""
        context, told = self.context(spec)
        injected = {} if spec.context is None else {spec.context[0]: context}
        with torch.inference_mode(not spec.model):
            try:
                result = function(**inputs, **injected)
            except BadInput as error:
                result = error
        return self.seen_of(result, context, told)

    def seen_of(self, result: Any, context: Context | None, told: list[tuple[int, int]]) -> Seen:
        """The same of a call that was made."""
        if context is None:
            return Seen(result, {}, {}, told)
        roots = {"output": context.folders.output, "temp": context.folders.temp}
        files = {
            f"{name}/{path.relative_to(root).as_posix()}": path.read_bytes()
            for name, root in roots.items()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
        return Seen(result, context.ui, files, told)

    # ------------------------------------------------------------------------------------------ models

    @cached_property
    def clip(self) -> ClipModel:
        return api_graph.load_clip("demo", device="cpu")

    @cached_property
    def other_clip(self) -> ClipModel:
        return replace(self.clip, module=disturbed(self.clip.module))

    @cached_property
    def lvlm(self) -> LvlmModel:
        return api_graph.load_lvlm("demo", device="cpu")

    @cached_property
    def other_lvlm(self) -> LvlmModel:
        """It has a place for system prompts too."""
        processor = copy.copy(self.lvlm.processor)
        template = processor.chat_template.replace("message['role'] == 'user'", "message['role'] != 'assistant'")
        processor.chat_template = template
        return replace(self.lvlm, module=disturbed(self.lvlm.module), processor=processor, name="other")

    @cached_property
    def segmenter(self) -> Segmenter:
        return load_segmenter(str(save_sam(self.folder / "models" / "sam")), device="cpu")

    @cached_property
    def other_segmenter(self) -> Segmenter:
        return load_segmenter(str(save_sam(self.folder / "models" / "other-sam", seed=7)), device="cpu")

    # ------------------------------------------------------------------------------------------ values

    def picture(self, seed: int = 0, width: int = 160, height: int = 160) -> Tensor:
        """A scene of the demo models' world, (1, H, W, 3)."""
        return to_tensor(scene(20_000_000 + seed, width=width, height=height).image)[0]

    def noise(self, *shape: int, seed: int = 0) -> Tensor:
        """Random values in [0, 1]."""
        return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

    def maps(self, count: int = 1, side: int = 6, seed: int = 0, size: tuple[int, int] = (40, 30)) -> Attribution:
        """Random maps, from −0.5 to 1, of an image of `size` (width, height), all but its first `seed` columns."""
        values = 1.5 * self.noise(count, side, side, seed=seed) - 0.5
        return Attribution(values, (Geometry(*size, float(seed), 0.0, *map(float, size)),) * count)

    def boxes(self, *boxes: tuple[float, ...], size: tuple[int, int] = (160, 160)) -> Boxes:
        return Boxes(torch.tensor(boxes or [(20, 30, 70, 80), (90, 40, 150, 120)], dtype=torch.float64), size)

    def masks(self, *boxes: tuple[int, ...], size: tuple[int, int] = (160, 160)) -> Tensor:
        """A mask (H, W) that is 1 in each box."""
        found = torch.zeros(len(boxes), size[1], size[0])
        for mask, (left, top, right, bottom) in zip(found, boxes, strict=True):
            mask[top:bottom, left:right] = 1
        return found

    def file(self, name: str, write: Callable[[Path], None]) -> str:
        """The name of a file in the input folder, written if it is not there."""
        path = self.folder / "in" / name
        if not path.exists():
            write(path)
        return name

    def picture_file(self, name: str, seed: int) -> str:
        """A picture with transparency in the input folder."""
        pixels = (self.noise(9, 12, 4, seed=seed) * 255).byte().numpy()
        return self.file(name, lambda path: Image.fromarray(pixels).save(path))

    def cloud_file(self, name: str, seed: int, count: int) -> str:
        """A point cloud in the input folder."""
        points = np.random.RandomState(seed).standard_normal((count, 3))
        return self.file(name, lambda path: np.save(path, points))


def disturbed(module: nn.Module, amount: float = 0.05) -> nn.Module:
    """The same network with other weights."""
    other = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in other.parameters():
            weights.add_(amount * torch.randn(weights.shape, generator=generator))
    return other
