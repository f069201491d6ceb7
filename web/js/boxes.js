// "Boxes": draw, move, resize, name and delete boxes on the image in the node. The text widget stays the saved truth.
//
// Mouse or touch: drag on the image draws, drag in a box moves it, drag at a corner resizes it, a double click names it.
// Keyboard: Tab goes from box to box, arrows move (Shift: ten pixels), Alt and arrows resize, Enter names, Delete
// deletes, Insert makes a new one.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { added, labelled, moved, parse, tidy, write } from "./boxtext.js";
import { addPart, chain, element, keepEvents } from "./dom.js";
import { pictureOf, widgetOf } from "./upstream.js";

const HEIGHT = 220; // of the widget, in pixels, at least
const COLOURS = ["#ff5252", "#40c4ff", "#ffd740", "#69f0ae", "#e040fb", "#ff9e40"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LABEL = {
  position: "absolute",
  whiteSpace: "nowrap",
  color: "#000",
  font: "11px/14px sans-serif",
  padding: "0 3px",
};
const SMALLEST = 3; // pixels of a drag that draws; less is a click
const DOUBLE_CLICK = 400; // milliseconds between both

/** How many graphs have run since the page was loaded. */
let runs = 0;

class BoxEditor {
  constructor(node) {
    this.node = node;
    this.picture = element("img", {
      alt: "",
      draggable: false,
      style: { display: "block", width: "100%", height: "100%", pointerEvents: "none" },
    });
    // What lies beyond the picture is not drawn over other nodes; the corners of what lies at its edge are whole.
    const within = { overflow: "clip", overflowClipMargin: "6px" };
    this.layer = element("div", { style: { position: "absolute", inset: "0", touchAction: "none", ...within } });
    this.frame = element("div", { style: { position: "relative", flex: "none" } }, this.picture, this.layer);
    this.note = element("div", { style: { opacity: "0.7", textAlign: "center", fontSize: "12px" } });
    // A container of its own size: the frame is as large as the picture fits into it, and so never larger.
    this.root = element(
      "div",
      {
        className: "ap-boxes",
        tabIndex: 0,
        attributes: { role: "application", "aria-label": "Boxes on the image. Insert makes a new one." },
        style: {
          display: "flex",
          alignItems: "center",
          justifyContent: "center",
          width: "100%",
          height: "100%",
          minHeight: `${HEIGHT}px`,
          containerType: "size",
        },
      },
      this.frame,
      this.note,
    );
    this.layer.addEventListener("pointerdown", (event) => this.press(event));
    this.root.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["load", "error"]) this.picture.addEventListener(name, () => this.draw());
    keepEvents(this.root, "pointerdown", "mousedown", "touchstart", "dblclick", "keyup");
  }

  /** The widget of a value, where it is this node's own or that of the subgraph's node that shows it. */
  widget(name) {
    return widgetOf(this.node, name);
  }

  get size() {
    return [this.picture.naturalWidth, this.picture.naturalHeight];
  }

  get format() {
    return this.widget("format")?.value ?? "xyxy";
  }

  /** Whether the text comes along a wire, and so cannot be changed here. */
  get isLinked() {
    return !this.widget("boxes");
  }

  /** Look again at the picture upstream and at the text; draw what has changed. */
  refresh() {
    if (this.drag || this.field) return;
    const address = pictureOf(this.node, "image");
    const known = `${runs} ${address?.replace(/[?&]rand=[^&]*/, "")}`;
    const text = JSON.stringify([this.widget("boxes")?.value, this.format]);
    if (known === this.known && text === this.text) return;
    if (known !== this.known) {
      if (address) this.picture.src = address;
      else this.picture.removeAttribute("src");
    }
    [this.known, this.text] = [known, text];
    this.draw();
  }

  draw() {
    const [width, height] = this.size;
    const hasPicture = this.picture.getAttribute("src") && width > 0;
    this.frame.style.display = hasPicture ? "" : "none";
    this.note.textContent = hasPicture ? "" : "Link an image, or run the graph once, to draw boxes on it.";
    if (!hasPicture) return;
    this.frame.style.width = `min(100cqw, ${(100 * width) / height}cqh)`;
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.layer.style.cursor = this.isLinked ? "not-allowed" : "crosshair";
    this.layer.title = this.isLinked ? "The text comes along a wire: it cannot be changed here." : "";
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

  boxElement({ box, label, index }, rank, count) {
    const [width, height] = this.size;
    const [left, top, right, bottom] = box;
    const colour = COLOURS[rank % COLOURS.length];
    const made = element("div", {
      tabIndex: 0,
      data: { line: String(index) },
      attributes: {
        role: "button",
        "aria-label": `Box ${rank + 1} of ${count}${label ? `, ${label}` : ""}: ${box.map(Math.round).join(", ")}`,
      },
      style: {
        position: "absolute",
        boxSizing: "border-box",
        left: `${(100 * left) / width}%`,
        top: `${(100 * top) / height}%`,
        width: `${(100 * (right - left)) / width}%`,
        height: `${(100 * (bottom - top)) / height}%`,
        border: `2px solid ${colour}`,
        cursor: this.isLinked ? "not-allowed" : "move",
        touchAction: "none",
      },
    });
    // Beside the corners' handles: above the box where there is room, and towards the middle of the picture.
    const above = top > height / 8 ? { bottom: "100%" } : { top: "0" };
    const place = left + right < width ? { ...above, left: "6px" } : { ...above, right: "6px" };
    const text = label ? `${rank} ${label}` : String(rank);
    made.append(element("span", { style: { ...LABEL, ...place, background: colour, pointerEvents: "none" } }, text));
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
        width: "10px",
        height: "10px",
        [x === 0 ? "left" : "right"]: "-5px",
        [y === 1 ? "top" : "bottom"]: "-5px",
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
    (target ?? this.root).focus({ preventScroll: true }); // a name that is being typed is taken
    this.drag = { start, line, corner, before: this.lines, box: target ? this.lines[line].box : null };
    // The elements are made anew while they are dragged; the layer stays.
    this.layer.setPointerCapture(event.pointerId);
    const end = (last) => {
      this.layer.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.layer.removeEventListener(name, end);
      this.release(last.type === "pointerup");
      if (!this.isMoved) this.click(line, last.timeStamp);
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
      this.lines = this.boxed(before, line, next ?? moved(box, dx, dy, this.size));
    }
    this.show();
  }

  /** The lines with another box in one of them. */
  boxed(lines, line, box) {
    return lines.with(line, { box: tidy(box, this.size), label: lines[line].label });
  }

  release(isMeant) {
    const { before } = this.drag ?? {};
    this.drag = null;
    if (!before) return;
    this.isMoved = this.lines !== before;
    if (isMeant && this.lines !== before) this.save();
    else this.draw();
  }

  /** The second of two clicks on a box names it; there is no dblclick, since its element is made anew meanwhile. */
  click(line, time) {
    const isSecond = line !== null && this.clicked?.line === line && time - this.clicked.time < DOUBLE_CLICK;
    this.clicked = isSecond ? null : { line, time };
    if (isSecond) this.name(this.layer.querySelector(`[data-line="${line}"]`));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) return; // the editor's own: undo, save, run
    event.stopPropagation(); // Delete would delete the node
    if (this.isLinked || !this.lines || this.field) return;
    const line = event.target.dataset.line;
    if (event.key === "Escape" && this.drag) {
      this.release(false);
    } else if (event.key === "Insert") {
      const [width, height] = this.size;
      this.lines = added(this.lines, tidy([width / 3, height / 3, (2 * width) / 3, (2 * height) / 3], this.size));
      this.save();
      this.layer.lastElementChild.focus({ preventScroll: true });
    } else if (line === undefined) {
      return;
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.lines = this.lines.toSpliced(Number(line), 1);
      this.save();
      this.root.focus({ preventScroll: true });
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.name(event.target);
    } else if (event.key in ARROWS) {
      event.preventDefault();
      this.nudge(Number(line), ARROWS[event.key], event.shiftKey ? 10 : 1, event.altKey);
    }
  }

  nudge(line, [x, y], step, resizes) {
    const { box } = this.lines[line];
    const next = resizes
      ? [box[0], box[1], Math.max(box[0] + 1, box[2] + x * step), Math.max(box[1] + 1, box[3] + y * step)]
      : moved(box, x * step, y * step, this.size);
    this.lines = this.boxed(this.lines, line, next);
    this.save();
  }

  /** Ask for the name of a box, in the place of its label. */
  name(target) {
    if (!target || this.isLinked || this.field) return;
    const line = Number(target.dataset.line);
    const field = (this.field = element("input", {
      type: "text",
      value: this.lines[line].label ?? "",
      attributes: { "aria-label": "Name of the box" },
      style: { ...LABEL, left: "6px", top: "6px", width: "100px", background: "#fff" },
    }));
    const end = (isMeant) => {
      if (this.field !== field) return; // taking the field away ends it once more
      this.field = null;
      if (isMeant && field.value.trim() !== (this.lines[line].label ?? "")) {
        this.lines = labelled(this.lines, line, field.value);
        this.save();
      } else this.draw();
    };
    keepEvents(field, "pointerdown", "dblclick");
    field.addEventListener("blur", () => end(true));
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (!["Enter", "Escape"].includes(event.key)) return;
      end(event.key === "Enter");
      this.layer.querySelector(`[data-line="${line}"]`)?.focus({ preventScroll: true });
    });
    target.append(field);
    field.select();
  }

  /** Into the text widget, as if it had been typed; a step that can be undone. */
  save() {
    const widget = this.widget("boxes");
    app.canvas.emitBeforeChange?.();
    widget.value = write(this.lines, this.format, this.size);
    widget.callback?.(widget.value);
    app.canvas.emitAfterChange?.();
    this.draw();
    this.node.graph?.setDirtyCanvas(true, true);
  }
}

app.registerExtension({
  name: "api-graph.boxes",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "APBoxes") return;
    chain(nodeType.prototype, "onNodeCreated", (node) => {
      const editor = (node.boxEditor = new BoxEditor(node));
      addPart(node, "editor", editor.root, HEIGHT, { look: () => editor.refresh() });
      for (const name of ["boxes", "format"]) chain(editor.widget(name), "callback", () => editor.refresh());
      node.setSize([Math.max(node.size[0], 340), Math.max(node.size[1], 420)]);
    });
  },
  setup() {
    // A file that is written again has the same name.
    api.addEventListener("execution_success", () => (runs += 1));
  },
});
