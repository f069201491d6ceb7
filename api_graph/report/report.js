"use strict";
// Search, filters and large pictures. Texts of rows are read and compared, and never become markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const plain = (text) => text.normalize("NFC").toLowerCase();

  // Search and filters.
  const read = (element) => ({
    element,
    number: element.dataset.row,
    kind: element.dataset.kind,
    text: plain([element.dataset.row, ...[...element.querySelectorAll("dd, .error")].map((e) => e.textContent)].join("\n")),
  });
  // Elements that hold rows, each with what a row in it is counted as.
  const sections = [...document.querySelectorAll("[data-counted]")].map((section) => ({
    name: section.dataset.counted,
    rows: [...section.querySelectorAll("[data-row]")].map(read),
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
  };

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
