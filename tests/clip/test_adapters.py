"""The vision towers that can be laid open, and those that are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from api_graph.clip.decompose import encode_image, feature_terms
from api_graph.clip.model import ClipModel
from api_graph.clip.pooling import PooledTower
from api_graph.errors import BadInput
from tests.clip.small_models import pixels_for, random_clip, roughen


class NewerAttention(nn.Module):
    """What open_clip's newer releases have in the place of torch's MultiheadAttention: equal names, own
    forward.
    """

    def __init__(self, old: nn.MultiheadAttention) -> None:
        super().__init__()
        assert old.in_proj_weight is not None
        self.num_heads = old.num_heads
        self.in_proj_weight, self.in_proj_bias = old.in_proj_weight, old.in_proj_bias
        self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        self.ln_q, self.ln_k, self.ln_inner = nn.Identity(), nn.Identity(), nn.Identity()
        self.attn_drop, self.out_drop = nn.Dropout(0.0), nn.Dropout(0.0)
        self.logit_scale = self.head_scale = None
        self.out_proj = old.out_proj

    def forward(self, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor]:
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in (q, k, v))
        return (self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)),)


def timm_clip(kind: str, **options: Any) -> ClipModel:
    """A tiny timm trunk inside open_clip's TimmModel, without going through timm's registry."""
    from open_clip.timm_model import TimmModel
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    build = {"vit": VisionTransformer, "eva": Eva}[kind]
    common = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 4, "num_classes": 0}
    visual = TimmModel.__new__(TimmModel)
    nn.Module.__init__(visual)
    visual.trunk = build(**{**common, **options})
    visual.image_size = (32, 32)
    visual.head = nn.Sequential()
    visual.head.add_module("drop", nn.Dropout(0.0))
    visual.head.add_module("proj", nn.Linear(32, 24))
    module = nn.Module()
    module.visual = visual
    module.encode_image = visual.forward  # type: ignore[assignment]
    return ClipModel.from_open_clip(roughen(module), name=kind)


TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT, CLS token": ("vit", {"global_pool": "token", "qkv_bias": True}),
    "ViT, layer scale, pre-norm": ("vit", {"global_pool": "token", "init_values": 0.3, "pre_norm": True}),
    "ViT, registers": ("vit", {"global_pool": "token", "reg_tokens": 2}),
    "SigLIP": ("vit", {"global_pool": "map", "class_token": False}),
    "attention-pooled with a CLS token": ("vit", {"global_pool": "map"}),
    "EVA-01": ("eva", {"global_pool": "token", "init_values": 0.3}),
    "EVA-02": (
        "eva",
        {
            "global_pool": "token",
            "qkv_fused": False,
            "swiglu_mlp": True,
            "scale_mlp": True,
            "scale_attn_inner": True,
            "use_rot_pos_emb": True,
        },
    ),
}


@pytest.mark.parametrize("name", TIMM)
def test_timm_trunks_are_complete(name: str) -> None:
    kind, options = TIMM[name]
    model = timm_clip(kind, **options)
    pixels = pixels_for(model, 2)
    expected = model.visual(pixels)
    parts = feature_terms(model, pixel_values=pixels)
    found = encode_image(model, pixel_values=pixels)
    for features in (parts.total(), parts.features, found.features):
        assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert found.contributions.shape == found.tokens.shape == (2, 16, 24)
    patches = parts.attention.shape[2] - 16
    expected_patches = parts.attention[:, :, patches:].sum(1)
    assert torch.allclose(found.contributions, expected_patches, atol=1e-5)


def test_a_newer_attention_class_gives_equal_contributions() -> None:
    model = random_clip(layers=4)
    pixels = pixels_for(model, 2)
    before = encode_image(model, pixel_values=pixels)
    blocks: Any = model.visual.transformer.resblocks  # type: ignore[union-attr]
    for block in blocks:
        block.attn = NewerAttention(block.attn)
    after = encode_image(ClipModel.from_open_clip(model.module), pixel_values=pixels)
    for name in ("contributions", "tokens", "features"):
        assert torch.allclose(getattr(before, name), getattr(after, name), atol=1e-5)


def test_the_pools_patch_features_are_those_of_attending_to_one_token() -> None:
    """Attending to one token alone is attending to many copies of it."""
    model = timm_clip("vit", global_pool="map", class_token=False)
    tower = model.tower
    assert isinstance(tower, PooledTower)
    pixels = pixels_for(model, 1)
    trunk: Any = model.visual.trunk
    tokens = trunk.forward_features(pixels)
    found = encode_image(model, pixel_values=pixels).tokens
    for t in (0, 7, 15):
        alone = tokens[:, t : t + 1].expand(-1, 16, -1)
        expected: Any = model.visual.head(trunk.attn_pool(alone))  # type: ignore[operator]
        assert torch.allclose(found[:, t], expected, atol=1e-5)


def test_pooled_models_have_one_layer() -> None:
    model = timm_clip("vit", global_pool="map", class_token=False)
    pixels = pixels_for(model, 1)
    default = encode_image(model, pixel_values=pixels)
    assert torch.equal(encode_image(model, pixel_values=pixels, start_layer=-1).tokens, default.tokens)
    with pytest.raises(BadInput, match=r"start_layer: .*it has 1 \(got 2\)"):
        encode_image(model, pixel_values=pixels, start_layer=2)
    with pytest.raises(BadInput, match=r"recipe: .*knows no attention-pooled"):
        encode_image(model, pixel_values=pixels, recipe="reference")


@pytest.mark.parametrize(
    ("vision", "part"),
    [
        ({"qk_norm": True}, "ln_q"),
        ({"scaled_cosine_attn": True}, "logit_scale"),
        ({"scale_heads": True}, "head_scale"),
        ({"scale_attn": True}, "ln_attn"),
        ({"pool_type": "avg"}, "'avg'"),
        ({"attentional_pool": "parallel", "attn_pooler_heads": 4, "embed_dim": 32}, "'none'"),
    ],
)
def test_unknown_parts_are_refused_by_name(vision: dict[str, Any], part: str) -> None:
    model = random_clip(**vision)
    with pytest.raises(BadInput, match=rf"{part}.*CLS token"):
        encode_image(model, pixel_values=pixels_for(model, 1))


@pytest.mark.parametrize(
    ("kind", "options", "part"),
    [
        ("vit", {"global_pool": "avg"}, "'avg'"),
        ("vit", {"global_pool": "token", "qk_norm": True}, "q_norm"),
    ],
)
def test_unknown_timm_parts_are_refused_by_name(kind: str, options: dict[str, Any], part: str) -> None:
    model = timm_clip(kind, **options)
    with pytest.raises(BadInput, match=part):
        encode_image(model, pixel_values=pixels_for(model, 1))


def test_towers_without_patches_are_refused() -> None:
    from open_clip.model import CLIP

    text = {"context_length": 8, "vocab_size": 16, "width": 8, "heads": 1, "layers": 1}
    resnet = CLIP(16, {"layers": (1, 1, 1, 1), "width": 8, "image_size": 32}, text)  # type: ignore[arg-type]
    model = ClipModel.from_open_clip(resnet)
    with pytest.raises(BadInput, match=r"ModifiedResNet has no patch tokens.*ViT-B-32"):
        encode_image(model, pixel_values=torch.zeros(1, 3, 32, 32))
    with pytest.raises(BadInput, match="Linear is no CLIP"):
        ClipModel.from_open_clip(nn.Linear(1, 1))
