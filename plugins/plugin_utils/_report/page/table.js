// Copyright (c) 2026, the skorionos.bootc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// A table that its headers sort and the words in a search box filter. A row has its lower-case text and value(column),
// "" where it has none; `also` are conditions besides the words. What matches gets `hit`; show() is told all rows in
// their order, and whether that is a new one. Returns what filters anew.
const liveTable = ({ table, box, count, rows, show, also = () => true }) => {
  const headers = Array.from(table.tHead.rows[0].cells);
  const collator = new Intl.Collator("en", { numeric: true });
  let ordered = rows;

  const filter = (moved = false) => {
    const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hit = also(row) && terms.every((term) => row.text.includes(term));
      shown += row.hit ? 1 : 0;
    }
    count.textContent = `${shown} of ${rows.length}`;
    show(ordered, moved);
  };

  const sort = (column) => {
    const header = headers[column];
    const down = header.getAttribute("aria-sort") === "ascending";
    const numeric = "numeric" in header.dataset;
    const keyed = rows.map((row) => [row.value(column), row]);
    keyed.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = numeric ? Number(a) - Number(b) : collator.compare(a, b);
      return down ? -order : order;
    });
    ordered = keyed.map(([, row]) => row);
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    show(ordered, true);
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(column));
    header.append(button);
  });
  box.addEventListener("input", () => filter());
  filter();
  return filter;
};
