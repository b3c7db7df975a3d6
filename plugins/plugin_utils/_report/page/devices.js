// Copyright (c) 2026, the skorionos.bootc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// The rows are in the page already, so that it can be read without this.
(() => {
  const table = document.getElementById("devices");
  const tools = document.getElementById("device-tools");
  if (!table || !tools) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({
    row,
    text: row.textContent.toLowerCase(),
    value: (column) => {
      const cell = row.cells[column];
      return "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
    },
  }));
  liveTable({
    table,
    box: document.getElementById("device-filter"),
    count: document.getElementById("device-count"),
    rows,
    show: (ordered, moved) => {
      for (const each of ordered) each.row.hidden = !each.hit;
      if (moved) body.append(...ordered.map((each) => each.row));
    },
  });
  tools.hidden = false;
})();
