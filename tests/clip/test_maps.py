"""Maps from tokens and queries, with numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from api_graph.clip.decompose import ImageTokens, Recipe, encode_image, feature_terms
from api_graph.clip.maps import clip_attribution, psi_cls, psi_comp
from api_graph.clip.text import QueryFeatures, encode_text
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels.reference import merge_mask
from tests.clip.small_models import pixels_for, random_clip
from tests.clip.test_text import talking_clip, token_ids


def by_hand(recipe: Recipe = "paper", images: int = 1) -> ImageTokens:
    """A 1×2 grid in a plane: contributions (3, 4) and (−2, 0), tokens (0, 1) and (1, 1), ‖Î‖ = 5."""
    contributions = torch.tensor([[[3.0, 4.0], [-2.0, 0.0]]]).repeat(images, 1, 1)
    tokens = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]).repeat(images, 1, 1)
    features = torch.tensor([[3.0, -4.0]]).repeat(images, 1)
    return ImageTokens(contributions, tokens, features, (1, 2), (Geometry.whole(2, 1),) * images, recipe)


ALONG_X = torch.tensor([[7.0, 0.0]])


def test_paper_maps() -> None:
    assert psi_cls(by_hand(), ALONG_X).flatten().tolist() == pytest.approx([3 / 5, -1])
    assert psi_comp(by_hand(), ALONG_X).flatten().tolist() == pytest.approx([1, 1 - 1 / math.sqrt(2)])


def test_contribution_maps() -> None:
    assert psi_cls(by_hand(), ALONG_X, "contribution").flatten().tolist() == pytest.approx([3 / 5, -2 / 5])
    assert psi_comp(by_hand(), ALONG_X, "contribution").flatten().tolist() == pytest.approx([1, 1 - 1 / 5])


def test_reference_maps_are_raw_contributions() -> None:
    assert psi_cls(by_hand("reference"), ALONG_X).flatten().tolist() == pytest.approx([3 / 5, -2 / 5])
    assert psi_comp(by_hand("reference"), ALONG_X).flatten().tolist() == pytest.approx([1, 1 - 1 / 5])
    assert psi_cls(by_hand("reference"), ALONG_X, "cosine").flatten().tolist() == pytest.approx([3 / 5, -1])


def test_a_patch_that_contributes_nothing_has_no_similarity() -> None:
    tokens = by_hand()
    silent = ImageTokens(
        torch.zeros_like(tokens.contributions),
        tokens.tokens,
        tokens.features,
        (1, 2),
        tokens.geometry,
        "paper",
    )
    assert psi_cls(silent, ALONG_X).tolist() == [[[0.0, 0.0]]]


@pytest.mark.parametrize(("images", "queries", "maps"), [(1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 3)])
def test_images_and_queries_are_paired(images: int, queries: int, maps: int) -> None:
    model = random_clip()
    tokens = encode_image(model, pixel_values=pixels_for(model, images))
    text = torch.randn(queries, 24)
    found = psi_cls(tokens, QueryFeatures(text, ("?",) * queries))
    assert found.shape == (maps, 4, 4)
    for i in range(maps):
        psi, query = tokens.contributions[i % images], text[i % queries]
        assert torch.allclose(found[i].flatten(), F.cosine_similarity(psi, query[None], dim=-1), atol=1e-6)


def test_contributions_add_up_to_the_images_score() -> None:
    """With all layers and all terms, the contributions' sum is cos(Î, T̂) exactly."""
    model = random_clip()
    pixels, text = pixels_for(model, 2), torch.randn(2, 24)
    parts = feature_terms(model, pixel_values=pixels)
    maps = psi_cls(encode_image(model, pixel_values=pixels, start_layer=0), text, "contribution")
    rest = parts.total() - parts.attention[:, :, 1:].sum((1, 2))
    unit = F.normalize(text, dim=-1)
    score = maps.sum((1, 2)) + (rest * unit).sum(-1) / parts.features.norm(dim=-1)
    assert torch.allclose(score, F.cosine_similarity(parts.features, text), atol=1e-6)


def test_bad_pairs() -> None:
    with pytest.raises(BadInput, match="2 images and 3 queries"):
        psi_cls(by_hand(images=2), torch.ones(3, 2))
    with pytest.raises(BadInput, match=r"query: .*\(1, 5\), the image tokens have 2 channels"):
        psi_comp(by_hand(), torch.ones(1, 5))
    with pytest.raises(BadInput, match="similarity: unknown similarity"):
        psi_cls(by_hand(), ALONG_X, "angle")  # type: ignore[arg-type]


def test_attribution_is_the_soft_or_of_the_two_maps() -> None:
    model = random_clip()
    pixels, ids = pixels_for(model, 1), token_ids([4, 6, 3])
    found = clip_attribution(model=model, pixel_values=pixels, token_ids=ids)
    tokens, text = encode_image(model, pixel_values=pixels), encode_text(model, token_ids=ids)
    cls, comp = psi_cls(tokens, text), psi_comp(tokens, text)
    assert found.combined.shape == (3, 4, 4) and len(found.geometry) == 3
    assert torch.equal(found.cls, cls) and torch.equal(found.comp, comp)
    assert torch.allclose(found.combined, 1 - (1 - cls) * (1 - comp), atol=1e-6)


def test_the_reference_mask_is_made_of_the_similarity_itself() -> None:
    """To the bit: `comp` is its complement, and in float32 that would have lost the last bits of it."""
    model = random_clip()
    pixels, ids = pixels_for(model, 2), token_ids([4, 6])
    found = clip_attribution(model=model, pixel_values=pixels, token_ids=ids, recipe="reference")
    tokens = encode_image(model, pixel_values=pixels, recipe="reference")
    text = F.normalize(encode_text(model, token_ids=ids), dim=-1)
    alike = torch.matmul(tokens.tokens, text.unsqueeze(-1)).squeeze(-1) / tokens.features.norm(dim=-1, keepdim=True)
    alike = alike.unflatten(-1, (4, 4))
    assert torch.equal(found.comp, 1 - alike)
    assert torch.equal(found.combined, merge_mask(found.cls, 1 - alike.double()))


def test_small_differences_between_large_similarities_count() -> None:
    generator = torch.Generator().manual_seed(0)
    cls, alike = torch.rand(1, 5, 5, generator=generator), 0.01 + 1e-5 * torch.rand(1, 5, 5, generator=generator)
    wide = alike.double()
    z = (cls.double() - cls.double().mean()) / cls.double().std()
    keeps, complement = torch.sigmoid(5 * z), (wide.max() - wide) / (wide.max() - wide.min())
    both = keeps + complement - keeps * complement
    expected = (both - both.min()) / (both.max() - both.min())
    found = merge_mask(cls, 1 - alike.double(), kernel_size=1)
    assert torch.allclose(found.double(), expected, rtol=0, atol=1e-6)


def test_several_queries_cost_one_image_encoding() -> None:
    model = talking_clip()
    runs: list[int] = []
    model.visual.conv1.register_forward_hook(lambda *_: runs.append(1))  # type: ignore[union-attr]
    clip_attribution(torch.rand(20, 30, 3), ["a cat", "a dog", "the sky"], model)
    assert runs == [1]


def test_tensors_pictures_and_files_give_the_same_maps(tmp_path: object) -> None:
    from pathlib import Path

    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    path = Path(str(tmp_path)) / "picture.png"
    picture.save(path)
    tensor = torch.from_numpy(np.array(picture)).float()[None] / 255
    model = talking_clip()
    maps = [clip_attribution(given, "a cat", model).combined for given in (picture, path, str(path), tensor)]
    assert all(torch.equal(maps[0], other) for other in maps[1:])
    found = clip_attribution([picture, path], "a cat", model)
    assert found.geometry == (Geometry.of_resize(70, 50, (32, 32), "shortest"),) * 2


def test_exif_orientation_is_followed() -> None:
    import io

    from PIL import Image

    upright = Image.linear_gradient("L").resize((40, 60)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side; to be turned clockwise by 90°
    file = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    model = talking_clip()
    turned = clip_attribution(Image.open(file), "a cat", model)
    expected = clip_attribution(upright, "a cat", model)
    assert torch.equal(turned.combined, expected.combined) and turned.geometry == expected.geometry
