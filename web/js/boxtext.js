// The text of a "Boxes" node, as lines: what `read_boxes` of api_graph/regions.py reads, and how an edit is written back.
// Lines that hold no box (comments, blanks, what is not four numbers) stay as they are. The name of a box stands behind
// a #.

/**
 * Each line as {text} or {text, box: [left, top, right, bottom], label} in pixels of an image of `size` [width, height].
 */
export function parse(text, format, size) {
  return text.split(/\r\n|\r|\n/).map((line) => {
    const [numbered, label] = parted(line);
    const words = numbered.replace(/[[\]();,]/g, " ").split(/\s+/).filter(Boolean);
    const numbers = words.map(Number);
    const isBox = words.length === 4 && numbers.every(Number.isFinite);
    return isBox ? { text: line, box: toPixels(numbers, format, size), label } : { text: line };
  });
}

/** The text of lines; one whose box was changed has no text of its own any more. */
export function write(lines, format, size) {
  return lines
    .map(({ text, box, label }) => text ?? named(fromPixels(box, format, size).join(", "), label))
    .join("\n");
}

/** The lines with another name for the box of one; its numbers stay as they were typed. */
export function labelled(lines, index, name) {
  const label = name.trim().replace(/\s+/g, " ");
  const { text, box } = lines[index];
  return lines.with(index, { box, label, text: text && named(parted(text)[0].trimEnd(), label) });
}

function named(numbers, label) {
  return label ? `${numbers} # ${label}` : numbers;
}

/** What stands before the first # of a line, and what behind it. */
function parted(line) {
  const at = line.indexOf("#");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
}

/** The lines with one more box at the end; an empty last line is used up. */
export function added(lines, box) {
  const kept = lines.length && !lines.at(-1).text?.trim() && !lines.at(-1).box ? lines.slice(0, -1) : lines;
  return [...kept, { box }];
}

/** Inside the image, with the left edge left of the right one; whole pixels. */
export function tidy([left, top, right, bottom], [width, height]) {
  const x = [left, right].map((edge) => Math.round(Math.min(Math.max(edge, 0), width)));
  const y = [top, bottom].map((edge) => Math.round(Math.min(Math.max(edge, 0), height)));
  return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
}

/** Moved as a whole, as far as the image goes. */
export function moved([left, top, right, bottom], dx, dy, [width, height]) {
  const x = Math.min(Math.max(dx, -left), width - right);
  const y = Math.min(Math.max(dy, -top), height - bottom);
  return [left + x, top + y, right + x, bottom + y];
}

function toPixels([a, b, c, d], format, [width, height]) {
  if (format === "xywh") return [a, b, a + c, b + d];
  if (format === "normalized") return [a * width, b * height, c * width, d * height];
  return [a, b, c, d];
}

function fromPixels([left, top, right, bottom], format, [width, height]) {
  if (format === "xywh") return [left, top, right - left, bottom - top];
  if (format !== "normalized") return [left, top, right, bottom];
  return [left / width, top / height, right / width, bottom / height].map((share) => Number(share.toFixed(5)));
}
