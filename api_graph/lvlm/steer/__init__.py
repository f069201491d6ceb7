"""Steer an LVLM from inside: a fovea in its pictures changes the attention to their tokens, and no pixel.

The seam, for whatever is built on it:

* `Steering` holds everything that says how an answer is steered. A `Request` carries one (`steering`), so `generate`,
  `ask_all`, `ask` and the nodes take it row by row; `generate` makes batches of the rows whose settings agree.
* `steered(model, layouts, steerings, length)` puts the steerings of a batch into force for one generation: one per row,
  None for a row that is not steered. Each row has its own foveas; mode, strength, layers, heads, rows and the
  schedule's token numbers are one for all. Two rows with one question, one of them None or with the complement as its
  fovea, decode by contrast in one batch.
* `Steering.heads` may be `{layer: heads}`, or a profile of heads, which is refused for another model than its own.
  `Steering.other_heads` steers as many others, as a control.
* `Fovea.weights(layout)` is the weight in [0, 1] of each token of a picture, in the order of `layout.columns`.
* `steer.preview.fovea_panels` shows the tokens and their weights.
* `lvlm.attention.hooked` is below both steering and `capture`: any `Steerer` can be put in the place of `Bias`.

Where every bias is 0, nothing is registered, and the model is the plain one bit for bit. With `rows="last"` the prompt
runs as it is: its last row alone is computed again, and no mask of a long prompt is ever made. With "after_image" and
"all" rows are computed a few at a time.

Tokens that belong to an image but show no part of it (the newlines of LLaVA-NeXT, CLS) are not steered. A fovea over
the whole image adds one constant to all of its tokens' scores. That is not nothing: the text has none.
"""

from __future__ import annotations

from api_graph.lvlm.steer.apply import settings_key, steered, warn_if_repeating
from api_graph.lvlm.steer.fovea import WHOLE, AsFovea, Fovea, Foveas, as_foveas
from api_graph.lvlm.steer.steering import (
    PRESETS,
    Heads,
    Mode,
    Preset,
    Rows,
    SinkRule,
    Steering,
    SteerSettings,
    settings_with,
    steer_preset,
    steering_of,
    strength_of,
)

__all__ = [
    "PRESETS",
    "WHOLE",
    "AsFovea",
    "Fovea",
    "Foveas",
    "Heads",
    "Mode",
    "Preset",
    "Rows",
    "SinkRule",
    "SteerSettings",
    "Steering",
    "as_foveas",
    "settings_key",
    "settings_with",
    "steer_preset",
    "steered",
    "steering_of",
    "strength_of",
    "warn_if_repeating",
]
