"""Older maps from CLIP's attention: nodes/baselines.py."""

from __future__ import annotations

import torch

from api_graph.clip import ClipModel, QueryFeatures, encode_queries
from api_graph.clip.baselines import attention_rollout, attention_times_gradient, raw_attention
from api_graph.sockets import Attribution
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APBaselineMap")
def baseline(world: World) -> Case:
    def expected(model: ClipModel, image: torch.Tensor, query: QueryFeatures, method: str) -> Attribution:
        geometry = (model.preprocess.geometry(image.shape[2], image.shape[1]),) * len(image)
        if method == "attention_gradient":
            with torch.inference_mode(False):
                values = attention_times_gradient(model, image.clone(), query.features.clone())
            return Attribution(values, geometry)
        return Attribution((raw_attention if method == "raw_attention" else attention_rollout)(model, image), geometry)

    red, blue = (encode_queries(world.clip, text) for text in ("the red ring", "a blue star"))
    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "query": red},
        others={
            "model": at(world.other_clip),
            "image": at(world.picture(2, width=240)),
            "query": at(blue, method="attention_gradient"),
            "method": [at("rollout"), at("attention_gradient")],
        },
        refusals=[refused("query", query=encode_queries(world.clip, ["a", "b"]), method="attention_gradient")],
    )
