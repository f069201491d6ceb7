// One colour for each kind of wire of this pack, in both renderers. Nothing of a theme is touched: one that names a
// colour for such a wire has its way.

import { app } from "../../../scripts/app.js";

/** Each differs from every other, and from core's CLIP, IMAGE and MASK, for the colour-blind too. */
const COLOURS = {
  AP_ANSWERER: "#e1a500",
  AP_ATTRIBUTION: "#b40078",
  AP_BOXES: "#4bff96",
  AP_BOX_SCORES: "#69c3c3",
  AP_CLASSES: "#a5695a",
  AP_CLIP: "#d27800",
  AP_CONTRAST: "#6c0600",
  AP_FOVEA: "#87e1c3",
  AP_HEAD_PROFILE: "#485d92",
  AP_IMAGE_FEATURES: "#6987ff",
  AP_IMAGE_TOKENS: "#1e3cff",
  AP_LABELS: "#875a00",
  AP_LVLM: "#9600c3",
  AP_MEAN_TEXT: "#7896b4",
  AP_PLACEMENT: "#5a78b4",
  AP_POINTS: "#87fff0",
  AP_QUERY: "#5ae1ff",
  AP_SEGMENTER: "#78a578",
  AP_STEERING: "#780069",
  AP_WORD_MAPS: "#871e3c",
};

/** The editor sets the colours of all kinds to "" whenever it loads a palette, later than any extension could set them. */
function keep(colours, kind, colour) {
  let of_theme = colours[kind];
  Object.defineProperty(colours, kind, {
    configurable: true,
    enumerable: true,
    get: () => of_theme || colour,
    set: (value) => (of_theme = value),
  });
}

app.registerExtension({
  name: "api-graph.wires",

  setup() {
    const kinds = Object.entries(COLOURS);
    const rules = kinds.map(([kind, colour]) => `--color-datatype-${kind}:${colour};`);
    const sheet = document.createElement("style");
    sheet.textContent = `:root{${rules.join("")}}`;
    document.head.append(sheet);
    for (const [kind, colour] of kinds) {
      keep(app.canvas.default_connection_color_byType, kind, colour);
      keep(app.canvas.constructor.link_type_colors, kind, colour);
    }
    app.canvas.setDirty(true, true);
  },
});
