"use strict";

const words = [...document.querySelectorAll(".word")];
const heats = [...document.querySelectorAll(".heat")];
const mean = document.getElementById("mean");
const opacity = document.getElementById("opacity");
const said = document.getElementById("said");
let chosen = 0;

function show(button) {
  for (const other of [...words, mean]) other.setAttribute("aria-pressed", String(other === button));
  for (const heat of heats) {
    const map = button.getAttribute(`data-heat-${heat.dataset.reading}`);
    heat.hidden = !map;
    heat.nextElementSibling.hidden = Boolean(map);
    if (map) heat.src = map;
  }
}

function choose(index, focus) {
  chosen = Math.max(0, Math.min(words.length - 1, index));
  const word = words[chosen];
  show(word);
  said.textContent = `Word ${chosen + 1} of ${words.length}: “${word.textContent}”`;
  if (focus) word.focus();
  word.scrollIntoView({ block: "nearest" });
}

if (words.length > 0) {
  words.forEach((word, index) => {
    word.style.setProperty("--strength", `${word.dataset.strength}%`);
    word.addEventListener("click", () => choose(index, false));
  });
  document.getElementById("previous").addEventListener("click", () => choose(chosen - 1, false));
  document.getElementById("next").addEventListener("click", () => choose(chosen + 1, false));
  mean.addEventListener("click", () => {
    show(mean);
    said.textContent = `The mean of all ${words.length} words`;
  });
  opacity.addEventListener("input", () => {
    for (const heat of heats) heat.style.opacity = String(opacity.value / 100);
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    const inAnswer = event.target.classList.contains("word");
    if (!step || !plain || event.target === opacity) return;
    if (!inAnswer && (event.key === "ArrowUp" || event.key === "ArrowDown")) return; // they scroll
    event.preventDefault();
    choose(chosen + step, true);
  });
  opacity.value = "60"; // a reloaded page keeps what was set, but not what it did
  choose(0, false);
}
