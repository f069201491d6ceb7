// Which picture travels along a node's image wire, as far as the browser knows.

import { app } from "../../../scripts/app.js";
import { addressOf } from "./dom.js";

const SUFFIX = / \[(input|output|temp)\]$/; // ComfyUI's way of naming another folder

/** Address of the picture that is linked to input `name` of `node`; null where none is known yet. */
export function pictureOf(node, name) {
  const slot = node.findInputSlot(name);
  const source = node.graph && slot >= 0 ? node.getInputNode(slot) : null; // a node that is made is in no graph yet
  if (!source) return null;
  return loadedBy(source) ?? shownBy(source) ?? shownBeside(node, slot);
}

/** A loader: the file in its `image` widget. */
function loadedBy(source) {
  const value = source.widgets?.find((widget) => widget.name === "image")?.value;
  if (typeof value !== "string" || !value) return null;
  const type = value.match(SUFFIX)?.[1] ?? "input";
  const [filename, ...folders] = value.replace(SUFFIX, "").split("/").reverse();
  return addressOf({ filename, subfolder: folders.reverse().join("/"), type });
}

function shownBy(source) {
  const [first] = app.nodeOutputs?.[source.id]?.images ?? [];
  return first ? addressOf(first) : null;
}

/** A preview of the same wire. */
function shownBeside(node, slot) {
  const link = node.getInputLink(slot);
  const links = node.getInputNode(slot).outputs[link.origin_slot].links ?? [];
  for (const id of links) {
    const other = app.graph.links[id] ?? app.graph.links.get?.(id);
    const shown = other && shownBy({ id: other.target_id });
    if (shown) return shown;
  }
  return null;
}
