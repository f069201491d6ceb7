"""Multiple choice: nodes/options.py."""

from __future__ import annotations

from torch import Tensor

from api_graph.context import Context
from api_graph.lvlm import LvlmModel, Request
from api_graph.lvlm.options import option_losses
from api_graph.lvlm.steer import Steering
from api_graph.pixels.read import to_pil
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APChooseOption")
def choose_option(world: World) -> Case:
    def expected(
        context: Context,
        model: LvlmModel,
        image: Tensor,
        question: str,
        options: str,
        system: str,
        steering: Steering | None,
    ) -> tuple[str, int, list[float]]:
        texts = [line.strip() for line in options.split("\n") if line.strip()]
        (losses,) = option_losses(model, [Request(question, tuple(to_pil(image)), system, steering)], [texts])
        order = sorted(range(len(texts)), key=losses.__getitem__)
        context.show_text("\n".join(f"{losses[place]:.3f} {texts[place]}" for place in order))
        return texts[order[0]], order[0], losses

    return Case(
        expected,
        given={"model": world.lvlm, "image": world.picture(1), "question": "What colour?", "options": "red\ndark blue"},
        others={
            "model": at(world.other_lvlm),
            "image": at(world.picture(2)),
            "question": at("Where is the star?"),
            "options": [at("left\n\n  right \nnowhere"), at("dark blue\nred")],
            "system": at("Be brief."),
            "steering": at(Steering.of([[0, 0, 60, 90]])),
        },
        refusals=[
            refused("options", options="red"),
            refused("steering", steering=Steering.of([[0, 0, 60, 90]], layers=[99])),
            refused("steering", steering=Steering.of([[0, 0, 60, 90]], heads=[99])),
            refused("steering", steering=Steering.of([[[0, 0, 60, 90]], None])),
        ],
    )
