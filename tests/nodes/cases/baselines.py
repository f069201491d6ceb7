"""Older maps: nodes/baselines.py."""

from __future__ import annotations

from typing import Any

import torch

from api_graph.clip import QueryFeatures, encode_queries
from api_graph.clip.baselines import attention_rollout, attention_times_gradient, raw_attention
from api_graph.sockets import Attribution
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APBaselineMap")
def baseline(world: World) -> Case:
    def expected(model: Any, image: Any, query: QueryFeatures, method: str) -> Attribution:
        values = {
            "raw_attention": lambda: raw_attention(model, image),
            "rollout": lambda: attention_rollout(model, image),
            "attention_gradient": lambda: attention_times_gradient(model, image, query),
        }[method]()
        return Attribution(values, (model.preprocess.geometry(image.shape[2], image.shape[1]),) * len(image))

    several = encode_queries(world.clip, ["a star", "a ring", "a square"])
    return Case(
        expected,
        given={"model": world.clip, "image": world.picture(1), "query": encode_queries(world.clip, "the red ring")},
        others={
            "model": at(world.other_clip),
            "image": [at(world.picture(2, width=240)), at(torch.cat([world.picture(3), world.picture(4)]))],
            "query": at(encode_queries(world.clip, "a yellow star"), method="attention_gradient"),
            "method": [at("rollout"), at("attention_gradient")],
        },
        refusals=[refused("query", query=several, method="attention_gradient")],
    )
