// Shows under a node the text that it has said (ComfyUI's `ui.text`), which the editor does not draw by itself.

import { app } from "../../../scripts/app.js";
import { addPart, chain, element, isOurs, keepEvents, outputOf } from "./dom.js";

const NAME = "said"; // the widget's
const HEIGHT = 90; // pixels, at least

function show(node, lines) {
  if (!lines?.length) return;
  const widget = node.widgets?.find((w) => w.name === NAME) ?? addWidget(node);
  widget.element.value = lines.join("\n");
  node.setDirtyCanvas?.(true, true);
}

function addWidget(node) {
  const area = element("textarea", {
    readOnly: true,
    className: "comfy-multiline-input",
    attributes: { "aria-label": "What the node said" },
    style: { resize: "none", width: "100%", height: "100%", boxSizing: "border-box", minHeight: `${HEIGHT}px` },
  });
  keepEvents(area, "pointerdown", "wheel", "keydown");
  const widget = addPart(node, NAME, area, HEIGHT, {
    getValue: () => area.value,
    setValue: () => {}, // a saved workflow holds no answers
  });
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  return widget;
}

app.registerExtension({
  name: "api-graph.text",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!isOurs(nodeData)) return;
    chain(nodeType.prototype, "onExecuted", (node, output) => show(node, output?.text));
  },
  loadedGraphNode(node) {
    // The tab of a workflow that has run is opened again.
    if (isOurs(node.constructor.nodeData ?? {})) show(node, outputOf(node)?.text);
  },
});
