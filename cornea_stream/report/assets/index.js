"use strict";
/* Clicking a column heading sorts by it; clicking again reverses the order. */

(() => {
  const body = document.querySelector("tbody");
  const headings = [...document.querySelectorAll("thead th")];
  const order = new Intl.Collator("en", { numeric: true });

  function compare(a, b) {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? order.compare(a, b) : x - y;
  }

  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key;
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)) * (falling ? -1 : 1));
    body.append(...rows);
  }));
})();
