// What the extensions of this pack share: elements, pictures' addresses, and which nodes are ours.

import { api } from "../../../scripts/api.js";

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
