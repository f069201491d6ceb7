"""Graphs inside other projects' evaluation harnesses: the picture is annotated, and the harness's own model answers.

`lmms_eval` finds `api_graph.harness.manifest` by its entry point; nothing here is imported without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmms_eval.models.registry_v2 import ModelManifest  # pyright: ignore[reportMissingImports]


def manifest() -> ModelManifest:
    """What lmms-eval is told of: `--model api_graph`, as a chat model, or with --force_simple as a simple one."""
    from lmms_eval.models.registry_v2 import ModelManifest  # pyright: ignore[reportMissingImports]

    return ModelManifest(
        "api_graph",
        simple_class_path="api_graph.harness.lmms.AnnotatedSimple",
        chat_class_path="api_graph.harness.lmms.AnnotatedChat",
    )
