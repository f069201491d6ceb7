"use strict";
// Search, filters, order and large pictures. Texts of rows are read and compared, and never become markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const plain = (text) => text.normalize("NFC").toLowerCase();

  // Search and filters.
  const read = (element) => ({
    element,
    number: element.dataset.row,
    group: Number(element.dataset.group),
    kind: element.dataset.kind,
    text: plain([element.dataset.row, ...[...element.querySelectorAll("dd, .error")].map((e) => e.textContent)].join("\n")),
  });
  // Elements that hold rows, each with what a row in it is counted as.
  const sections = [...document.querySelectorAll("[data-counted]")].map((section) => ({
    name: section.dataset.counted,
    holder: section.tBodies ? section.tBodies[0] : section,
    rows: [...section.querySelectorAll("[data-row]")].map(read),
    headings: [],
    sort: null, // what the rows are sorted by: [index of the cell, 1 up or -1 down]
  }));
  const search = byId("search");
  const filters = [...document.querySelectorAll("[data-show]")];
  let show = "all";

  // "#12" is the row of that number; any other word may stand anywhere in a row.
  const matches = (row, words) =>
    words.every((word) => (/^#\d+$/.test(word) ? row.number === word.slice(1) : row.text.includes(word)));

  const update = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const counts = sections.map(({ name, rows }) => {
      let found = 0;
      for (const row of rows) {
        const wanted = (show === "all" || row.kind === show) && matches(row, words);
        row.element.hidden = !wanted;
        found += wanted;
      }
      return `${found.toLocaleString("en")} ${name}`;
    });
    byId("found").textContent = counts.join(", ");
    for (const { rows, headings } of sections) {
      for (const { group, element } of headings) {
        element.hidden = !rows.some((row) => row.group === group && !row.element.hidden);
      }
    }
  };

  // Order: by a column of numbers, and within groups of one image.
  const grouping = byId("group");
  const grouped = () => grouping !== null && grouping.getAttribute("aria-pressed") === "true";

  const number = (row, cell) => {
    const { value } = row.element.cells[cell].dataset;
    return value === undefined ? null : Number(value);
  };
  // Rows without the number come last, whichever way.
  const compared = (a, b, [cell, way]) => {
    const [left, right] = [number(a, cell), number(b, cell)];
    if (left === null || right === null) return (left === null) - (right === null);
    return way * (left - right);
  };

  const heading = (section, row, count) => {
    const element = document.createElement(section.holder.matches("tbody") ? "tr" : "h3");
    const text = document.createElement(element.matches("tr") ? "th" : "span");
    if (element.matches("tr")) text.colSpan = row.element.cells.length;
    text.dir = "auto";
    text.textContent = `${row.element.dataset.image} (${count})`;
    element.className = "group";
    element.append(text);
    return { group: row.group, element };
  };

  const arrange = (section) => {
    for (const { element } of section.headings) element.remove();
    section.headings = [];
    const inGroups = grouped();
    const rows = [...section.rows].sort(
      (a, b) =>
        (inGroups ? a.group - b.group : 0) || (section.sort ? compared(a, b, section.sort) : 0) || a.number - b.number,
    );
    for (const row of rows) {
      if (inGroups && row.group !== section.headings.at(-1)?.group) {
        const one = heading(section, row, rows.filter((other) => other.group === row.group).length);
        section.headings.push(one);
        section.holder.append(one.element);
      }
      section.holder.append(row.element);
    }
    update();
  };

  grouping?.addEventListener("click", () => {
    grouping.setAttribute("aria-pressed", String(!grouped()));
    for (const section of sections) arrange(section);
  });

  for (const section of sections) {
    const table = section.holder.closest("table");
    for (const column of table?.querySelectorAll("th[data-sort]") ?? []) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...column.childNodes);
      column.append(button);
      button.addEventListener("click", () => {
        const down = column.getAttribute("aria-sort") !== "descending";
        for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
        column.setAttribute("aria-sort", down ? "descending" : "ascending");
        section.sort = [column.cellIndex, down ? -1 : 1];
        arrange(section);
      });
    }
  }

  search.addEventListener("input", update);
  for (const filter of filters) {
    filter.addEventListener("click", () => {
      show = filter.dataset.show;
      for (const other of filters) other.setAttribute("aria-pressed", String(other === filter));
      update();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === search || dialog.open) return;
    event.preventDefault();
    search.focus();
  });

  // Large pictures.
  const dialog = byId("large");
  let current = null;

  const enlarge = (button) => {
    const small = button.querySelector("img");
    const { link, file } = button.dataset;
    current = button;
    byId("picture").src = small.src;
    byId("picture").alt = small.alt;
    byId("caption").textContent = `${small.alt}: ${file}`;
    byId("file").hidden = !link;
    if (link) byId("file").setAttribute("href", link);
    if (!dialog.open) dialog.showModal();
  };
  const step = (by) => {
    const shown = [...document.querySelectorAll(".card:not([hidden]) .pictures button")];
    const next = shown[shown.indexOf(current) + by];
    if (next) enlarge(next);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".pictures button");
    if (button) enlarge(button);
    else if (event.target === dialog) dialog.close(); // the backdrop
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => current.focus());
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => dialog.close());

  byId("rows").hidden = false; // without this script there is nothing to search with
  update();
})();
