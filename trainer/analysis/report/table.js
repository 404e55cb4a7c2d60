// Tables that sort by a click on a heading, and one filter for runs, settings and curves.
(() => {
  "use strict";
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const runs = [...document.querySelectorAll("#runs tbody tr")];
  const arms = [...document.querySelectorAll("#settings tbody tr")];

  // Numbers before words, in either direction; what is empty comes last.
  function compare(a, b, sign) {
    const [x, y] = [a, b].map((cell) => ({
      text: cell.textContent.trim(),
      value: cell.dataset.value === undefined ? null : Number(cell.dataset.value),
    }));
    if (!x.text || !y.text) return !x.text - !y.text;
    if (x.value !== null && y.value !== null) return sign * (x.value - y.value);
    if (x.value !== null || y.value !== null) return x.value !== null ? -1 : 1;
    return sign * x.text.localeCompare(y.text, undefined, { numeric: true });
  }

  function sort(table, place) {
    const heading = table.tHead.rows[0].cells[place];
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(a.cells[place], b.cells[place], sign));
    table.tBodies[0].append(...rows);
  }

  // Each word must be found; `key=value` as a whole, also by the key's last part: `lr=0.1`.
  function matches(words, asked) {
    return asked.every((word) =>
      word.includes("=") && !word.endsWith("=")
        ? words.includes(" " + word + " ") || words.includes("." + word + " ")
        : words.includes(word));
  }

  function apply() {
    const asked = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const visible = new Set();
    const alive = new Set();
    for (const row of runs) {
      row.hidden = !matches(" " + row.dataset.words.toLowerCase() + " ", asked);
      if (!row.hidden) {
        visible.add(Number(row.dataset.run));
        alive.add(row.dataset.arm);
      }
    }
    for (const row of arms) row.hidden = !alive.has(row.dataset.arm);
    shown.textContent = asked.length ? `${visible.size} of ${runs.length} runs` : "";
    document.dispatchEvent(new CustomEvent("filtered", { detail: visible }));
  }

  for (const table of document.querySelectorAll("table.rows")) {
    for (const heading of table.tHead.rows[0].cells) {
      heading.firstElementChild.addEventListener("click", () => sort(table, heading.cellIndex));
    }
  }
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      filter.value = filter.value === button.dataset.filter ? "" : button.dataset.filter;
      apply();
    });
  }
  filter.addEventListener("input", apply);
  filter.value = "";
})();
