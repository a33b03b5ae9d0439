// The scoreboard's table: sorted, filtered, opened where an address says so. Without it, all lines are there.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const board = document.querySelector(".superpos-board");
  if (!board) return;
  const form = board.querySelector("form"), body = board.querySelector("tbody");
  const status = board.querySelector("[role=status]");
  const names = ["verdict", "source", "chapter", "q"];
  const lines = [...body.rows].map((row, place) => ({
    row, place, words: `${row.textContent} ${row.dataset.source}`.toLowerCase(),
  }));
  const heads = [...board.querySelectorAll("thead th")];
  let sorted = ""; // a column's name, with a minus before it where it falls

  const keyOf = ({ row }, column) => {
    const { order } = row.cells[column].dataset;
    return order === undefined ? row.cells[column].innerText.trim() : Number(order);
  };
  function sort() {
    const column = heads.findIndex((head) => head.textContent.trim().toLowerCase() === sorted.replace("-", ""));
    const sign = sorted.startsWith("-") ? -1 : 1;
    heads.forEach((head, at) =>
      head.setAttribute("aria-sort", at === column ? (sign < 0 ? "descending" : "ascending") : "none"));
    const keys = new Map(lines.map((line) => [line, column < 0 ? line.place : keyOf(line, column)]));
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en") : a - b);
    const ordered = [...lines].sort((a, b) => sign * compare(keys.get(a), keys.get(b)) || a.place - b.place);
    body.append(...ordered.map(({ row }) => row));
  }

  function filter() {
    const { verdict, source, chapter, q, superseded } = form.elements;
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, all = 0;
    for (const line of lines) {
      const { dataset, classList } = line.row;
      const counted = superseded.checked || !classList.contains("superpos-superseded");
      const fits = counted && (!verdict.value || dataset.verdict === verdict.value)
        && (!source.value || dataset.source.split(" ").includes(source.value))
        && (!chapter.value || dataset.chapter === chapter.value)
        && words.every((word) => line.words.includes(word));
      line.row.hidden = !fits;
      shown += fits;
      all += counted;
    }
    status.textContent = `${shown} of ${all}`;
  }

  /** Write into the address what is chosen, so that it can be shared. */
  function note() {
    const chosen = new URLSearchParams();
    for (const name of names) if (form.elements[name].value) chosen.set(name, form.elements[name].value);
    if (form.elements.superseded.checked) chosen.set("superseded", "1");
    if (sorted) chosen.set("sort", sorted);
    try {
      history.replaceState(null, "", `${location.pathname}${`${chosen}` && `?${chosen}`}${location.hash}`);
    } catch { /* some browsers allow no page that is a file to change its address */ }
  }

  /** Take from the address what is chosen. */
  function read() {
    const chosen = new URLSearchParams(location.search);
    for (const name of names) form.elements[name].value = chosen.get(name) ?? "";
    for (const select of form.querySelectorAll("select")) if (select.selectedIndex < 0) select.value = "";
    form.elements.superseded.checked = chosen.has("superseded");
    sorted = chosen.get("sort") ?? "";
  }

  /** Open the claim that the address names, as #claim-ID or #ID, whatever is chosen. */
  function open() {
    const name = decodeURIComponent(location.hash.slice(1));
    const row = name && (document.getElementById(name) ?? document.getElementById(`claim-${name}`));
    if (!row || !body.contains(row)) return;
    row.hidden = false;
    row.querySelector("details").open = true;
    row.scrollIntoView();
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const name = head.textContent.trim().toLowerCase();
      sorted = sorted === name ? `-${name}` : name;
      sort();
      note();
    });
    head.replaceChildren(button);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); note(); });
  form.addEventListener("reset", () => setTimeout(() => { sorted = ""; sort(); filter(); note(); }));
  addEventListener("hashchange", open);
  form.hidden = false;
  read();
  if (sorted) sort();
  filter();
  open();
});
