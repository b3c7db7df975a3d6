// Copyright (c) 2026, the skorionos.bootc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
(() => {
  const table = document.getElementById("devices");
  const tools = document.getElementById("device-tools");
  if (!table || !tools) return;
  const body = table.tBodies[0];
  const headers = Array.from(table.tHead.rows[0].cells);
  const rows = Array.from(body.rows, (row) => ({ row, text: row.textContent.toLowerCase() }));
  const box = document.getElementById("device-filter");
  const count = document.getElementById("device-count");
  const collator = new Intl.Collator("en", { numeric: true });

  const filter = () => {
    const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      entry.row.hidden = !terms.every((term) => entry.text.includes(term));
      shown += entry.row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };

  const value = (entry, column) => {
    const cell = entry.row.cells[column];
    return "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
  };

  const sort = (column) => {
    const header = headers[column];
    const down = header.getAttribute("aria-sort") === "ascending";
    const numeric = "numeric" in header.dataset;
    const keyed = rows.map((entry) => [value(entry, column), entry.row]);
    keyed.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = numeric ? Number(a) - Number(b) : collator.compare(a, b);
      return down ? -order : order;
    });
    body.append(...keyed.map(([, row]) => row));
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(column));
    header.append(button);
  });
  box.addEventListener("input", filter);
  tools.hidden = false;
  filter();
})();
