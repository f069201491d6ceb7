// What the extensions of this pack share: elements, pictures' addresses, and which nodes are ours.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/** An element with properties, inline style and children. Texts become text nodes, never HTML. */
export function element(tag, { style, data, attributes, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.style, style);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Where the server gives a file that a node has shown: {filename, subfolder, type}. */
export function addressOf({ filename, subfolder = "", type = "output" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type, rand: String(Math.random()) })}`);
}

/** Under which name the editor keeps what a node has shown: one in a subgraph may have the number of another. */
function shownUnder(node) {
  return node.graph && !node.graph.isRootGraph ? `${node.graph.id}:${node.id}` : String(node.id);
}

/** What a node has shown: `{images, text, ...}`. */
export function outputOf(node) {
  return app.nodeOutputs?.[shownUnder(node)];
}

/** Take `output` for what the node has shown. */
export function setOutput(node, output) {
  if (app.nodeOutputs) app.nodeOutputs[shownUnder(node)] = output;
}

export function isOurs(nodeData) {
  return nodeData.category?.startsWith("attention prompting");
}

/** Run `after(this, ...arguments)` behind the node's own method `name`, where it has one. */
export function chain(target, name, after) {
  const own = target[name];
  target[name] = function (...given) {
    const result = own?.apply(this, given);
    after(this, ...given);
    return result;
  };
}

/** Events of an element that the canvas or the node under it would take for its own. */
export function keepEvents(target, ...names) {
  for (const name of names) target.addEventListener(name, (event) => event.stopPropagation());
}

/** What nodes of this pack show in themselves: `{node, look}` by element. */
const parts = new Map();
const LOOK_EVERY = 100; // milliseconds

/**
 * Show an element in a node, as a widget that is neither sent nor saved. `look` is called again and again while the
 * element is in the page.
 */
export function addPart(node, name, root, height, { look, ...options } = {}) {
  root.dataset.apPart = name;
  const widget = node.addDOMWidget(name, `ap_${name}`, root, {
    serialize: false,
    getMinHeight: () => height,
    ...options,
  });
  widget.serialize = false; // of the workflow; the option above is of the prompt
  parts.set(root, { node, look });
  chain(node, "onAdded", () => parts.set(root, { node, look }));
  chain(node, "onRemoved", () => parts.delete(root));
  return widget;
}

/** Undo makes all nodes anew, but Vue goes on to show the element that it had for the node of the same number. */
function takePlace(root, node) {
  if (root.isConnected || !node.graph || node.graph !== app.canvas?.graph) return;
  const old = `[data-node-id="${CSS.escape(node.id)}"] [data-ap-part="${root.dataset.apPart}"]`;
  document.querySelector(old)?.replaceWith(root);
}

// Nothing tells when a file is chosen somewhere upstream, a picture is linked outside of a subgraph, or Vue has drawn.
setInterval(() => {
  for (const [root, { node, look }] of parts) {
    takePlace(root, node);
    if (root.isConnected) look?.();
  }
}, LOOK_EVERY);
