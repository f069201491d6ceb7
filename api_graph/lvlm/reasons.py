"""Why a model could not be loaded, in terms of what was asked for."""

from __future__ import annotations

from api_graph.errors import BadInput
from api_graph.lvlm.library import import_failure
from api_graph.models.source import Source, download_failed, first_line

_ENDPOINT = "Use its -hf conversion, or serve it behind an OpenAI-compatible endpoint."

_CAUSES = (
    (
        ("trust_remote_code", "custom code"),
        "transformers has no class for it, and code in a model's repository is never run here",
        _ENDPOINT,
    ),
    (
        ("does not recognize this architecture", "should have a `model_type` key"),
        "this transformers does not know its model_type",
        f"Upgrade it: pip install -U transformers. Or: {_ENDPOINT}",
    ),
    (
        ("unrecognized configuration class",),
        "it is no image-text-to-text model",
        "Use one that answers questions about images, such as LLaVA, Qwen2.5-VL, InternVL or SmolVLM.",
    ),
    (
        ("does not appear to have a file named", "no file named"),
        "it has no safetensors, or other files are missing",
        "Use a conversion to safetensors; weights in other formats may hold code, and are never read.",
    ),
    (
        ("size mismatch", "mismatched"),
        "the weights do not fit config.json",
        "Download the model again, all of its files.",
    ),
)


def load_failure(source: Source, error: Exception) -> BadInput:
    """What went wrong while transformers loaded `source`, with its hint."""
    environment = import_failure(error)
    if environment is not None:
        return environment
    said = str(error).lower()
    for words, problem, hint in _CAUSES:
        if any(word in said for word in words):
            return BadInput(f"{problem}: {first_line(error)}", input="name", value=source.name, hint=hint)
    if source.path is not None:
        return BadInput(
            f"its files cannot be read: {first_line(error)}",
            input="name",
            value=source.name,
            hint="If they are damaged, download them again.",
        )
    return download_failed(source, error)
