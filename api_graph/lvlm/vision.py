"""The vision tower sees each distinct picture of a batch once, however many questions are asked about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from api_graph.lvlm.model import LvlmModel

_OF_VIEWS = {"clip_vision_model", "siglip_vision_model", "internvl_vision", "idefics3_vision", "smolvlm_vision"}
"""Towers that are given views (N, 3, H, W), of which each is seen by itself, and return rows of N."""

_OF_PATCHES = {"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"}
"""Towers that are given all pictures' patches in one row (P, d), and return P or a part of P tokens in that order."""


_SAMPLED = 16

_sharing: ContextVar[bool] = ContextVar("sharing", default=True)


@contextmanager
def nothing_shared() -> Iterator[None]:
    """Inside, every prompt of this thread is run whole: what sharing is measured and tested against."""
    before = _sharing.set(False)
    try:
        yield
    finally:
        _sharing.reset(before)


def sharing() -> bool:
    """Whether prompts share the work on equal pictures, as they do but for `nothing_shared`."""
    return _sharing.get()


@dataclass(frozen=True)
class Distinct:
    """Which parts of a batch stand for all: `first` are their numbers, and part i is equal to `first[of[i]]`."""

    first: tuple[int, ...]
    of: tuple[int, ...]

    @property
    def shares(self) -> bool:
        """Whether any part stands for another."""
        return len(self.first) < len(self.of)


def distinct(parts: Sequence[Sequence[Tensor]]) -> Distinct:
    """Which of these tuples of tensors, all of one length, are equal, value for value."""
    first: list[int] = []
    of: list[int] = []
    samples = [[_sample(one) for one in part] for part in parts]  # tell most pairs apart
    for i, part in enumerate(parts):
        equal = (nth for nth, j in enumerate(first) if samples[j] == samples[i] and _all_equal(part, parts[j]))
        nth = next(equal, len(first))
        if nth == len(first):
            first.append(i)
        of.append(nth)
    return Distinct(tuple(first), tuple(of))


def _sample(one: Tensor) -> tuple[object, list[float]]:
    """The shape, and a few of the values."""
    flat = one.reshape(-1)
    return one.shape, flat[:: max(1, len(flat) // _SAMPLED)].tolist()


def _all_equal(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@contextmanager
def each_picture_once(model: LvlmModel) -> Iterator[None]:
    """Inside, the vision tower is given each distinct picture (or tile of one) of a call of this thread once.

    What it returns for one stands for all that are equal to it. That holds for the towers that are known to see each
    picture by itself; Pixtral's, and those of unknown families, see what they are given. Pictures are equal where every
    value of what the processor made of them is.
    """
    tower = _tower(model.module) if sharing() else None
    if tower is None:
        yield
        return
    hooks = _Hooks(tower)
    before = tower.register_forward_pre_hook(hooks.given, with_kwargs=True)
    after = tower.register_forward_hook(hooks.returned)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _tower(module: nn.Module) -> nn.Module | None:
    """The vision tower, if it is of a known kind."""
    config = getattr(module.config, "vision_config", None)
    kind = str(getattr(config, "model_type", "")).removesuffix("_vision")
    if f"{kind}_vision" not in _OF_VIEWS and kind not in _OF_VIEWS | _OF_PATCHES:
        return None
    inner = (part for part in module.modules() if part is not module)
    return next((part for part in inner if isinstance(getattr(part, "config", None), type(config))), None)


class _Hooks:
    """What is done before and after a tower's forward."""

    def __init__(self, tower: nn.Module) -> None:
        config: Any = tower.config
        self._of_patches = config.model_type.removesuffix("_vision") in _OF_PATCHES
        self._thread = threading.get_ident()
        self._sizes: list[int] | None = None  # patches of each distinct picture, or None where all are given
        self._of: tuple[int, ...] = ()

    def given(self, _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any] | None:
        """The call with the distinct pictures alone; None to leave it as it is."""
        self._sizes = None
        tensors = {**dict(enumerate(args)), **named}
        tensors = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
        if threading.get_ident() != self._thread or not tensors:
            return None
        parts = self._patches(tensors) if self._of_patches else self._views(tensors)
        if parts is None:
            return None
        found = distinct([tuple(part.values()) for part in parts])
        if not found.shares:
            return None
        chosen = {name: torch.cat([parts[i][name] for i in found.first]) for name in tensors}
        main = next(iter(tensors))  # the pixels come first
        self._sizes, self._of = [len(parts[i][main]) for i in found.first], found.of
        return tuple(chosen.get(i, value) for i, value in enumerate(args)), {
            name: chosen.get(name, value) for name, value in named.items()
        }

    def returned(self, _: nn.Module, args: object, output: Any) -> Any:
        """The output with the rows of every picture."""
        if threading.get_ident() != self._thread or self._sizes is None:
            return None
        sizes, self._sizes = self._sizes, None

        def repeated(value: object) -> object:
            return _repeated(value, sizes, self._of) if isinstance(value, Tensor) else value

        return tree_map(repeated, output)

    def _views(self, tensors: Mapping[Any, Tensor]) -> list[dict[Any, Tensor]] | None:
        """Every tensor's row of each view."""
        counts = {len(value) for value in tensors.values()}
        if counts == {1} or len(counts) > 1 or set(tensors) - {0, "pixel_values", "patch_attention_mask"}:
            return None
        return [{name: value[i : i + 1] for name, value in tensors.items()} for i in range(counts.pop())]

    def _patches(self, tensors: Mapping[Any, Tensor]) -> list[dict[Any, Tensor]] | None:
        """The patches of each picture, and its row of `grid_thw`."""
        grid = tensors.get("grid_thw")
        if grid is None or set(tensors) != {0, "grid_thw"} or len(grid) == 1:
            return None
        patches = tensors[0].split(grid.prod(-1).tolist())
        return [{0: own, "grid_thw": grid[i : i + 1]} for i, own in enumerate(patches)]


def _repeated(value: Tensor, sizes: Sequence[int], of: Sequence[int]) -> Tensor:
    """Rows of the distinct pictures as rows of all; a row may stand for several patches."""
    per_row = sum(sizes) // len(value)
    if len(value) * per_row != sum(sizes) or any(size % per_row for size in sizes):
        raise RuntimeError(f"the vision tower returned {len(value)} rows for {sum(sizes)} patches")
    parts = value.split([size // per_row for size in sizes])
    return torch.cat([parts[nth] for nth in of])
