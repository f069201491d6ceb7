// "Compare two images": two images on top of each other with a slider between them. Mouse, touch and arrow keys move it.

import { app } from "../../../scripts/app.js";
import { addPart, addressOf, chain, element, keepEvents, outputOf, setOutput } from "./dom.js";

const HEIGHT = 220; // pixels, at least
const SIDE = {
  position: "absolute",
  top: "4px",
  padding: "0 6px",
  borderRadius: "4px",
  font: "12px/18px sans-serif",
  color: "#fff",
  background: "rgba(0, 0, 0, 0.65)",
};
const FILL = { position: "absolute", inset: "0", width: "100%", height: "100%" };

class Comparison {
  constructor() {
    const picture = { ...FILL, objectFit: "contain", pointerEvents: "none" };
    this.before = element("img", { alt: "before", hidden: true, draggable: false, style: picture });
    this.after = element("img", { alt: "after", hidden: true, draggable: false, style: picture });
    this.line = element("div", {
      hidden: true,
      style: { position: "absolute", top: "0", bottom: "0", width: "2px", background: "#fff", pointerEvents: "none" },
    });
    this.slider = element("input", {
      type: "range",
      min: "0",
      max: "100",
      step: "any",
      value: "50",
      attributes: { "aria-label": "How much of the image before is shown" },
      style: { ...FILL, margin: "0", opacity: "0", cursor: "ew-resize", touchAction: "none" },
    });
    this.slider.addEventListener("input", () => this.draw());
    // What says which side is which is cut off at the line, as the images are.
    this.sides = ["left", "right"].map((side, i) =>
      element(
        "div",
        { hidden: true, style: { ...FILL, pointerEvents: "none" } },
        element("span", { style: { ...SIDE, [side]: "4px" } }, ["before", "after"][i]),
      ),
    );
    this.next = element("button", {
      type: "button",
      title: "Next pair",
      style: { position: "absolute", right: "4px", bottom: "4px", display: "none" },
    });
    this.next.addEventListener("click", () => this.turn());
    this.root = element(
      "div",
      { className: "ap-compare", style: { position: "relative", minHeight: `${HEIGHT}px`, overflow: "hidden" } },
      this.before,
      this.after,
      this.line,
      ...this.sides,
      this.slider,
      this.next,
    );
    keepEvents(this.root, "pointerdown", "pointermove", "keydown");
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.after.addEventListener("load", () => this.draw());
    this.pairs = [];
    this.draw();
  }

  /** Lists of files before and after; the last one is repeated where a list is shorter. */
  show(before, after) {
    const count = Math.max(before.length, after.length);
    const at = (files, i) => addressOf(files[Math.min(i, files.length - 1)]);
    this.pairs = Array.from({ length: count }, (_, i) => [at(before, i), at(after, i)]);
    this.next.style.display = count > 1 ? "" : "none";
    for (const part of [this.before, this.after, this.line, ...this.sides]) part.hidden = false;
    this.index = -1;
    this.turn();
  }

  turn() {
    this.index = (this.index + 1) % this.pairs.length;
    [this.before.src, this.after.src] = this.pairs[this.index];
    this.next.textContent = `${this.index + 1}/${this.pairs.length}`;
  }

  draw() {
    const share = Number(this.slider.value);
    for (const shown of [this.after, this.sides[1]]) shown.style.clipPath = `inset(0 0 0 ${share}%)`;
    this.sides[0].style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    this.line.style.left = `calc(${share}% - 1px)`;
  }
}

/** The slider takes the place of the plain previews, which are for editors without this extension. */
function dropPreviews(node, output) {
  delete output.images;
  if (outputOf(node)) setOutput(node, { ...output });
  node.images = node.imgs = undefined;
}

function show(node, output) {
  if (!output?.before?.length || !output.after?.length) return;
  dropPreviews(node, output);
  node.comparison.show(output.before, output.after);
}

app.registerExtension({
  name: "api-graph.compare",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "APCompareImages") return;
    chain(nodeType.prototype, "onNodeCreated", (node) => {
      node.comparison = new Comparison();
      addPart(node, "comparison", node.comparison.root, HEIGHT);
      node.setSize([Math.max(node.size[0], 320), Math.max(node.size[1], 300)]);
    });
    chain(nodeType.prototype, "onExecuted", show);
  },
  loadedGraphNode(node) {
    // Opened again, or undone: what has been shown is still known.
    if (node.comparison) show(node, outputOf(node));
  },
});
