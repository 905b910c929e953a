// What scripts add to pages that are whole without them: a theme of the reader's choice, buttons
// that copy code, the place on the page, and the search.
"use strict";
const root = document.documentElement;
const base = document.currentScript.dataset.root;
const keep = {
  get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* not allowed */ } },
};
const chosen = keep.get("theme");
if (chosen) root.dataset.theme = chosen;

const make = (tag, more, ...inside) => {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...inside);
  return made;
};

function themes(bar) {
  const button = make("button", { type: "button" });
  const dark = () => (root.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const say = () => {
    const words = dark() ? "Light theme" : "Dark theme";
    button.setAttribute("aria-label", words);
    button.title = words;
  };
  button.innerHTML = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1a7 7 0 1 0 0 14A7 7 0 '
    + '0 0 8 1Zm0 1.5v11a5.5 5.5 0 0 1 0-11Z"/></svg>';
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep.set("theme", root.dataset.theme);
    say();
  });
  say();
  bar.append(button);
}

function copying() {
  for (const figure of document.querySelectorAll(".code:not(.output, .source, .text:not(.file))")) {
    const button = make("button", { type: "button", textContent: "Copy" });
    button.addEventListener("click", async () => {
      let text = figure.querySelector("code").textContent;
      if (figure.classList.contains("console")) {
        text = text.replace(/^\$ /gm, ""); // The prompt is not part of the command.
      }
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
      catch { button.textContent = "Not allowed"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    figure.querySelector("figcaption").append(button);
  }
}

function place() {
  const links = new Map([...document.querySelectorAll(".toc a")].map((a) => [a.hash.slice(1), a]));
  if (!links.size) return;
  const heads = [...document.querySelectorAll("main :is(h2, h3)[id]")].filter((h) => links.has(h.id));
  let last = null;
  const look = () => {
    const here = heads.findLast((h) => h.getBoundingClientRect().top < 120) || heads[0];
    const link = here && links.get(here.id);
    if (link === last || !link) return;
    last?.classList.remove("here");
    link.classList.add("here");
    const list = link.closest(".toc");
    const top = link.offsetTop - list.clientHeight / 2;
    list.scrollTop = Math.max(0, top);
    last = link;
  };
  addEventListener("scroll", () => requestAnimationFrame(look), { passive: true });
  look();
}

// --- the search ------------------------------------------------------------------------------

let index = null;
const waiting = [];
window.fairleadIndex = (rows) => {
  index = rows.map(([to, page, heading, words]) => ({
    to, page, heading, words, head: heading.toLowerCase(),
    all: `${page} ${heading} ${words}`.toLowerCase(),
  }));
  for (const done of waiting.splice(0)) done();
};

function loaded(done) {
  if (index) { done(); return; }
  waiting.push(done);
  if (waiting.length === 1) document.head.append(make("script", { src: `${base}index.js` }));
}

function found(asked) {
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const score = (row) => {
    let sum = row.to.includes("#") ? 0 : 2;
    for (const word of words) {
      if (!row.all.includes(word)) return -1;
      if (row.head === word) sum += 12;
      else if (row.head.startsWith(word)) sum += 8;
      else if (row.head.includes(word)) sum += 5;
      else if (row.page.toLowerCase().includes(word)) sum += 2;
      else sum += 1;
    }
    return sum - row.head.length / 200 - (row.to.startsWith("trials/") ? 4 : 0);
  };
  return index.map((row) => [score(row), row]).filter(([s]) => s > 0)
    .sort((a, b) => b[0] - a[0]).slice(0, 20).map(([, row]) => row);
}

function searching(link) {
  const list = make("ul", { id: "found", role: "listbox" });
  list.setAttribute("aria-label", "Found");
  const note = make("p", { textContent: "Type a word, a setting, a command or the id of an error." });
  note.setAttribute("role", "status");
  const input = make("input", { type: "text", placeholder: "Search", autocomplete: "off", spellcheck: false });
  for (const [name, value] of Object.entries({ "role": "combobox", "aria-label": "Search the documentation",
    "aria-controls": "found", "aria-expanded": "false", "aria-autocomplete": "list" })) {
    input.setAttribute(name, value);
  }
  const dialog = make("dialog", {}, input, list, note);
  dialog.setAttribute("aria-label", "Search");
  document.body.append(dialog);
  let at = 0;
  const pick = (to) => {
    const rows = [...list.children];
    if (!rows.length) { input.removeAttribute("aria-activedescendant"); return; }
    at = (to + rows.length) % rows.length;
    rows.forEach((row, number) => row.setAttribute("aria-selected", String(number === at)));
    rows[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", rows[at].id);
  };
  const show = () => {
    if (!index) return; // It is shown once the index is there.
    const rows = found(input.value);
    list.replaceChildren(...rows.map((row, number) => {
      const said = row.to.includes("#") ? `${row.page} · ${row.words}` : row.words;
      const item = make("li", { id: `found-${number}`, role: "option" },
        make("b", { textContent: row.heading }), make("span", { textContent: said }));
      item.dataset.to = base + row.to;
      item.setAttribute("aria-selected", "false");
      return item;
    }));
    list.hidden = !rows.length;
    input.setAttribute("aria-expanded", String(rows.length > 0));
    note.hidden = rows.length > 0;
    note.textContent = input.value.trim() ? "Nothing is named so." : "Type a word, a setting, a command or the id of an error.";
    pick(0);
  };
  const open = (event) => {
    event.preventDefault();
    dialog.showModal();
    input.select();
    loaded(show);
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") pick(at + 1);
    else if (event.key === "ArrowUp") pick(at - 1);
    else if (event.key === "Enter") list.children[at]?.click();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    const to = event.target.closest("li")?.dataset.to;
    if (to || event.target === dialog) dialog.close();
    if (to) location.href = to;
  });
  addEventListener("keydown", (event) => {
    const busy = event.target.closest?.("input, textarea, select, dialog");
    const asked = event.key === "/" || (event.key === "k" && (event.metaKey || event.ctrlKey));
    if (asked && !busy) open(event);
  });
  link.replaceChildren("Search", make("kbd", { textContent: "/" }));
  link.setAttribute("role", "button");
  link.addEventListener("click", open);
  list.hidden = true;
}

addEventListener("DOMContentLoaded", () => {
  const bar = document.querySelector(".bar");
  themes(bar);
  bar.append(bar.querySelector(".open"));
  searching(bar.querySelector(".find"));
  copying();
  place();
  const now = document.querySelector(".menu [aria-current='page']");
  if (now) now.closest(".menu").scrollTop = now.offsetTop - 240;
});
