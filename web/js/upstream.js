// Which picture travels along a node's image wire, as far as the browser knows: through subgraphs, reroutes and nodes
// that are passed by.

import { app } from "../../../scripts/app.js";
import { addressOf, outputOf } from "./dom.js";

const SUFFIX = / \[(input|output|temp)\]$/; // ComfyUI's way of naming another folder
const OUTER = "-10"; // where a link begins that comes from its subgraph's own inputs; a number in older editors
const BYPASSED = 4; // mode of a node that hands on what it gets

/** Address of the picture that is linked to input `name` of `node`; null where none is known yet. */
export function pictureOf(node, name) {
  if (!node.graph) return null; // a node that is made is in no graph yet
  for (const source of sourcesOf(node, node.findInputSlot(name))) {
    const picture = loadedBy(source.node) ?? shown(source.node) ?? shownBeside(source);
    if (picture) return picture;
  }
  return null;
}

/** The widget that holds the value `name` of a node: its own, or that of the one subgraph node that shows it. */
export function widgetOf(node, name) {
  const link = linkInto(node, node.findInputSlot(name));
  if (!link) return node.widgets?.find((widget) => widget.name === name);
  const hosts = String(link.origin_id) === OUTER ? hostsOf(node.graph) : [];
  return hosts.length === 1 ? widgetOf(hosts[0], node.graph.inputs[link.origin_slot].name) : undefined;
}

function linkInto(node, slot) {
  return node.graph?.getLink(node.inputs?.[slot]?.link);
}

/** The nodes that show a subgraph, wherever they are. */
function hostsOf(subgraph) {
  const root = subgraph.rootGraph;
  return [root, ...root.subgraphs.values()].flatMap((graph) => graph.nodes).filter((one) => one.subgraph === subgraph);
}

/** The nodes and outputs that an input is fed by: one, or one for each node that shows this subgraph. */
function* sourcesOf(node, slot, passed = new Set()) {
  const link = linkInto(node, slot);
  if (!link || passed.has(link)) return;
  passed.add(link);
  yield* originsOf(link, node.graph, passed);
}

function* originsOf(link, graph, passed) {
  if (String(link.origin_id) === OUTER) {
    for (const host of hostsOf(graph)) yield* sourcesOf(host, link.origin_slot, passed);
    return;
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node) return;
  const inner = node.subgraph?.outputs[link.origin_slot]?.linkIds.map((id) => node.subgraph.getLink(id));
  if (inner) for (const one of inner) yield* originsOf(one, node.subgraph, passed);
  else if (node.type === "Reroute") yield* sourcesOf(node, 0, passed);
  else if (node.mode === BYPASSED) yield* sourcesOf(node, handedOn(node, link.origin_slot), passed);
  else yield { node, slot: link.origin_slot };
}

/** The input that a node which is passed by hands on in the place of an output. */
function handedOn(node, output) {
  const { type } = node.outputs[output];
  return node.inputs[output]?.type === type ? output : node.inputs.findIndex((input) => input.type === type);
}

/** A loader: the file in its `image` widget. */
function loadedBy(source) {
  const value = widgetOf(source, "image")?.value;
  if (typeof value !== "string" || !value) return null;
  const type = value.match(SUFFIX)?.[1] ?? "input";
  const [filename, ...folders] = value.replace(SUFFIX, "").split("/").reverse();
  return addressOf({ filename, subfolder: folders.reverse().join("/"), type });
}

function shown(source) {
  const [first] = outputOf(source)?.images ?? [];
  return first ? addressOf(first) : null;
}

/** A preview of the same wire. */
function shownBeside({ node, slot }) {
  for (const id of node.outputs[slot].links ?? []) {
    const beside = node.graph.getNodeById(node.graph.getLink(id)?.target_id);
    const picture = beside && shown(beside);
    if (picture) return picture;
  }
  return null;
}
