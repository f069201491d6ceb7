// "Boxes": draw, move, resize and delete boxes on the image in the node. The text widget stays the saved truth.
//
// Mouse or touch: drag on the image draws, drag in a box moves it, drag at a corner resizes it. Keyboard: Tab goes from
// box to box, arrows move (Shift: ten pixels), Alt and arrows resize, Delete deletes, Insert makes a new one.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { added, moved, parse, tidy, write } from "./boxtext.js";
import { chain, element, keepEvents } from "./dom.js";
import { pictureOf } from "./upstream.js";

const HEIGHT = 220; // of the widget, in pixels, at least
const COLOURS = ["#ff5252", "#40c4ff", "#ffd740", "#69f0ae", "#e040fb", "#ff9e40"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LABEL = { position: "absolute", color: "#000", font: "11px sans-serif", padding: "0 3px", pointerEvents: "none" };
const SMALLEST = 3; // pixels of a drag that draws; less is a click

class BoxEditor {
  constructor(node) {
    this.node = node;
    this.picture = element("img", {
      alt: "",
      draggable: false,
      style: { display: "block", maxWidth: "100%", maxHeight: "100%", pointerEvents: "none" },
    });
    this.layer = element("div", { style: { position: "absolute", inset: "0" } });
    this.frame = element("div", { style: { position: "relative", maxWidth: "100%", maxHeight: "100%" } });
    this.frame.append(this.picture, this.layer);
    this.note = element("div", { style: { opacity: "0.7", textAlign: "center", fontSize: "12px" } });
    this.root = element(
      "div",
      {
        className: "ap-boxes",
        tabIndex: 0,
        attributes: { role: "application", "aria-label": "Boxes on the image. Insert makes a new one." },
        style: { display: "flex", alignItems: "center", justifyContent: "center", minHeight: `${HEIGHT}px` },
      },
      this.frame,
      this.note,
    );
    this.layer.style.cssText += "cursor: crosshair; touch-action: none;";
    this.layer.addEventListener("pointerdown", (event) => this.press(event));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerenter", () => this.refresh());
    this.picture.addEventListener("load", () => this.draw());
    this.picture.addEventListener("error", () => this.draw());
    keepEvents(this.root, "pointerdown", "mousedown", "touchstart", "keyup");
    this.refresh();
  }

  widget(name) {
    return this.node.widgets.find((widget) => widget.name === name);
  }

  get size() {
    return [this.picture.naturalWidth, this.picture.naturalHeight];
  }

  get format() {
    return this.widget("format")?.value ?? "xyxy";
  }

  /** Whether the text comes along a wire, and so is not this node's to change. */
  get isLinked() {
    const slot = this.node.findInputSlot("boxes");
    return slot >= 0 && this.node.isInputConnected(slot);
  }

  /** Look again at the picture upstream and at the text. */
  refresh() {
    if (this.drag) return;
    const address = pictureOf(this.node, "image");
    const known = address?.replace(/[?&]rand=[^&]*/, "");
    if (known !== this.known) {
      this.known = known;
      if (address) this.picture.src = address;
      else this.picture.removeAttribute("src");
    }
    this.draw();
  }

  draw() {
    const hasPicture = this.picture.getAttribute("src") && this.size[0] > 0;
    this.frame.style.display = hasPicture ? "" : "none";
    this.note.textContent = hasPicture ? "" : "Link an image, or run the graph once, to draw boxes on it.";
    if (!hasPicture) return;
    this.lines = parse(String(this.widget("boxes")?.value ?? ""), this.format, this.size);
    this.show();
  }

  /** The boxes of `lines` as elements; the one that has the focus keeps it. */
  show() {
    const focused = this.layer.contains(document.activeElement) ? document.activeElement.dataset.line : null;
    const numbered = this.lines.map((line, index) => ({ ...line, index })).filter((line) => line.box);
    this.layer.replaceChildren(...numbered.map((line, rank) => this.boxElement(line, rank, numbered.length)));
    this.layer.querySelector(`[data-line="${focused}"]`)?.focus({ preventScroll: true });
  }

  boxElement({ box, index }, rank, count) {
    const [width, height] = this.size;
    const [left, top, right, bottom] = box;
    const colour = COLOURS[rank % COLOURS.length];
    const made = element("div", {
      tabIndex: 0,
      data: { line: String(index) },
      attributes: {
        role: "button",
        "aria-label": `Box ${rank + 1} of ${count}: ${box.map((edge) => Math.round(edge)).join(", ")}`,
      },
      style: {
        position: "absolute",
        boxSizing: "border-box",
        left: `${(100 * left) / width}%`,
        top: `${(100 * top) / height}%`,
        width: `${(100 * (right - left)) / width}%`,
        height: `${(100 * (bottom - top)) / height}%`,
        border: `2px solid ${colour}`,
        cursor: "move",
        touchAction: "none",
      },
    });
    made.append(element("span", { style: { ...LABEL, background: colour } }, String(rank)));
    for (const corner of ["0 1", "2 1", "0 3", "2 3"]) made.append(this.handle(corner, colour));
    return made;
  }

  /** A corner: which edges of the box it moves, such as "2 3" for right and bottom. */
  handle(corner, colour) {
    const [x, y] = corner.split(" ").map(Number);
    return element("div", {
      data: { corner },
      style: {
        position: "absolute",
        width: "12px",
        height: "12px",
        [x === 0 ? "left" : "right"]: "-6px",
        [y === 1 ? "top" : "bottom"]: "-6px",
        background: colour,
        borderRadius: "50%",
        cursor: (x === 0) === (y === 1) ? "nwse-resize" : "nesw-resize",
        touchAction: "none",
      },
    });
  }

  /** Where a pointer is, in pixels of the picture. */
  place(event) {
    const frame = this.layer.getBoundingClientRect();
    return [
      ((event.clientX - frame.left) / frame.width) * this.size[0],
      ((event.clientY - frame.top) / frame.height) * this.size[1],
    ];
  }

  press(event) {
    if (event.button !== 0 || this.isLinked || this.drag) return;
    event.preventDefault();
    const start = this.place(event);
    const target = event.target.closest("[data-line]");
    const line = target ? Number(target.dataset.line) : null;
    const corner = event.target.dataset.corner?.split(" ").map(Number);
    this.drag = { start, line, corner, before: this.lines, box: target ? this.lines[line].box : null };
    (target ?? this.root).focus({ preventScroll: true });
    // The elements are made anew while they are dragged; the layer stays.
    this.layer.setPointerCapture(event.pointerId);
    const end = (last) => {
      this.layer.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.layer.removeEventListener(name, end);
      this.release(last.type === "pointerup");
    };
    const move = (next) => this.pull(this.place(next));
    this.layer.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.layer.addEventListener(name, end);
  }

  pull([x, y]) {
    if (!this.drag) return; // Escape has ended it
    const { start, line, corner, before, box } = this.drag;
    const [dx, dy] = [x - start[0], y - start[1]];
    if (!box) {
      const drawn = tidy([...start, x, y], this.size);
      const isClick = drawn[2] - drawn[0] < SMALLEST || drawn[3] - drawn[1] < SMALLEST;
      this.lines = isClick ? before : added(before, drawn);
    } else {
      const next = corner ? box.map((edge, i) => (i === corner[0] ? x : i === corner[1] ? y : edge)) : null;
      this.lines = before.with(line, { box: tidy(next ?? moved(box, dx, dy, this.size), this.size) });
    }
    this.show();
  }

  release(isMeant) {
    const { before } = this.drag ?? {};
    this.drag = null;
    if (!before) return;
    if (isMeant && this.lines !== before) this.save();
    else this.draw();
  }

  key(event) {
    event.stopPropagation(); // Delete would delete the node
    if (this.isLinked || !this.lines) return;
    const line = event.target.dataset.line;
    if (event.key === "Escape" && this.drag) {
      this.release(false);
    } else if (event.key === "Insert") {
      const [width, height] = this.size;
      this.lines = added(this.lines, tidy([width / 3, height / 3, (2 * width) / 3, (2 * height) / 3], this.size));
      this.save();
      this.layer.lastElementChild.focus({ preventScroll: true });
    } else if (line !== undefined && (event.key === "Delete" || event.key === "Backspace")) {
      this.lines = this.lines.toSpliced(Number(line), 1);
      this.save();
      this.root.focus({ preventScroll: true });
    } else if (line !== undefined && event.key in ARROWS) {
      event.preventDefault();
      this.nudge(Number(line), ARROWS[event.key], event.shiftKey ? 10 : 1, event.altKey);
    }
  }

  nudge(line, [x, y], step, resizes) {
    const { box } = this.lines[line];
    const next = resizes
      ? [box[0], box[1], Math.max(box[0] + 1, box[2] + x * step), Math.max(box[1] + 1, box[3] + y * step)]
      : moved(box, x * step, y * step, this.size);
    this.lines = this.lines.with(line, { box: tidy(next, this.size) });
    this.save();
  }

  /** Into the text widget, as if it had been typed. */
  save() {
    const widget = this.widget("boxes");
    widget.value = write(this.lines, this.format, this.size);
    widget.callback?.(widget.value);
    this.draw();
    app.graph.setDirtyCanvas(true, true);
  }
}

app.registerExtension({
  name: "api-graph.boxes",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "APBoxes") return;
    chain(nodeType.prototype, "onNodeCreated", (node) => {
      const editor = (node.boxEditor = new BoxEditor(node));
      node.addDOMWidget("editor", "apBoxEditor", editor.root, {
        serialize: false,
        getMinHeight: () => HEIGHT,
      }).serialize = false;
      for (const name of ["boxes", "format"]) chain(editor.widget(name), "callback", () => editor.refresh());
      node.setSize([Math.max(node.size[0], 340), Math.max(node.size[1], 420)]);
    });
    // Links are made after the node is configured.
    const later = (node) => setTimeout(() => node.boxEditor?.refresh());
    chain(nodeType.prototype, "onConfigure", later);
    chain(nodeType.prototype, "onConnectionsChange", later);
  },
  setup() {
    api.addEventListener("execution_success", () => {
      for (const node of app.graph.nodes) node.boxEditor?.refresh();
    });
  },
});
