// Copyright (c) 2026, the skorionos.bootc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of thousands of devices are data; those that are looked at are made of it. Texts are only ever textContent.
(() => {
  const STEP = 50;
  // Chosen for devices without a variant: no variant is called so, names have no control characters here.
  const NONE = "\u0001";
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("fleet-data").textContent);
  const table = byId("devices");
  const body = table.tBodies[0];
  const width = table.tHead.rows[0].cells.length;
  const more = byId("device-more");
  const severity = Object.keys(data.groups);
  let limit = STEP;
  let shown = [];

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const icon = (group) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#i-${group}`);
    svg.append(use);
    return svg;
  };
  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const orNone = (value) => value ?? "";

  const columns = [
    (d) => d.host,
    (d) => severity.indexOf(d.group),
    (d) => d.variant,
    (d) => d.version,
    (d) => d.next,
    (d) => d.stood,
    (d) => orNone(d.kept),
    (d) => orNone(d.free?.[0]),
    (d) => orNone(d.boot?.[0]),
    (d) => orNone(d.seen),
  ];

  const slotWords = (at) => {
    const [version, image, digest] = data.slots[at];
    return [version, image, digest].filter(Boolean).join(", ");
  };

  const facts = (device) => {
    const [booted, staged, rollback, ...others] = device.slots;
    const rollout = device.rollout === null ? "" : `${data.rollouts[device.rollout]}: ${device.stood}`;
    return [
      ["Message", device.message],
      ["Last rollout", rollout],
      ["Runs", booted === null ? "" : slotWords(booted)],
      ["Staged", staged === null ? "" : slotWords(staged)],
      ["Can go back to", rollback === null ? "" : slotWords(rollback)],
      ...others.map((at) => ["Keeps also", slotWords(at)]),
      ["Pinned", device.pinned ? String(device.pinned) : ""],
      ["bootc", device.client],
      ...device.bugs.map((bug) => ["Known trouble", bug]),
      ["Last download", device.download],
      ["Download and staging", device.staging],
      ["Reboot", device.boot?.[1]],
      ["Free", device.free?.[1]],
      ["Seen", device.seen === null ? "never" : `${moment(device.seen)} UTC`],
    ].filter(([, value]) => value);
  };

  // What happened to a device, without when: each thing once, however often it did.
  const happened = (device) => {
    const said = new Set();
    for (let at = 0; at < device.steps.length; at += 3) {
      const [, rollout, phrase] = device.steps.slice(at, at + 3);
      const [what, detail] = data.phrases[phrase];
      said.add(data.rollouts[rollout]).add(what).add(detail);
    }
    return said;
  };

  const rows = data.devices.map((values) => {
    const device = Object.fromEntries(data.columns.map((name, at) => [name, values[at]]));
    const { host, standing, variant, version, next, stood } = device;
    const words = [host, standing, variant, version, next, stood, orNone(device.kept)];
    words.push(...facts(device).map(([, value]) => value), ...happened(device));
    return { device, text: words.join(" ").toLowerCase(), value: (column) => columns[column](device), open: false };
  });

  const steps = (device) => {
    const list = make("ol");
    for (let at = 0; at < device.steps.length; at += 3) {
      const [seconds, rollout, phrase] = device.steps.slice(at, at + 3);
      const [what, detail, group] = data.phrases[phrase];
      const told = make("span", {}, make("bdi", {}, what), " ");
      told.append(make("span", { class: "quiet" }, make("bdi", {}, data.rollouts[rollout])));
      if (detail) told.append(make("span", { class: "detail" }, make("bdi", {}, detail)));
      const when = make("time", { class: "quiet number", datetime: new Date(seconds * 1000).toISOString() });
      when.append(moment(seconds));
      list.append(make("li", { class: `g-${group}` }, when, icon(group), told));
    }
    return list;
  };

  const details = ({ device }) => {
    const list = make("dl");
    for (const [name, value] of facts(device)) {
      list.append(make("dt", {}, name), make("dd", {}, make("bdi", {}, value)));
    }
    const cell = make("td", { role: "cell", colspan: width }, list);
    if (device.steps.length) {
      cell.append(make("h3", {}, "What happened to it"), make("div", { class: "story" }, steps(device)));
    }
    return make("tr", { role: "row", class: "more" }, cell);
  };

  const element = (row) => {
    const { device } = row;
    const button = make("button", { type: "button", "aria-expanded": row.open }, make("bdi", {}, device.host));
    const cell = (text, label, classes = "") => {
      const attributes = { role: "cell" };
      if (classes) attributes.class = classes;
      if (label && text) attributes["data-label"] = label;
      return text ? make("td", attributes, make("bdi", {}, text)) : make("td", attributes);
    };
    const state = make("td", { role: "cell", class: "state" }, icon(device.group), device.standing);
    const line = make("tr", { role: "row", class: `g-${device.group}` });
    line.append(
      make("th", { role: "rowheader", scope: "row" }, button),
      state,
      cell(device.variant),
      cell(device.version, "runs"),
      cell(device.next, "next"),
      cell(device.stood, "last rollout"),
      cell(device.kept === null ? "" : String(device.kept), "kept", "number"),
      cell(device.free?.[1].split(" of ")[0], "free", "number"),
      cell(device.boot?.[1], "reboot", "number"),
      cell(device.seen === null ? "never" : moment(device.seen).slice(0, 10), "seen", "number"),
    );
    const unfold = () => {
      button.setAttribute("aria-expanded", row.open);
      line.classList.toggle("opened", row.open);
      if (row.open) line.after(details(row));
    };
    button.addEventListener("click", () => {
      if (row.open) line.nextSibling.remove();
      row.open = !row.open;
      unfold();
    });
    return { line, unfold };
  };

  const append = (from, to) => {
    for (const row of shown.slice(from, to)) {
      const { line, unfold } = element(row);
      body.append(line);
      if (row.open) unfold();
    }
    const left = shown.length - Math.min(to, shown.length);
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(STEP, left)} more of ${left}`;
  };
  const draw = () => {
    body.replaceChildren();
    append(0, limit);
  };
  more.addEventListener("click", () => {
    const from = limit;
    limit += STEP;
    append(from, limit);
    Array.from(body.querySelectorAll("th button"))[from].focus();
  });
  // On paper there is no button to press: all that was searched for is printed.
  window.addEventListener("beforeprint", () => append(limit, Infinity));
  window.addEventListener("afterprint", draw);

  const box = byId("device-filter");
  const clear = byId("device-clear");
  const choices = { variant: byId("device-variant"), version: byId("device-version"), group: byId("device-group") };
  const collator = new Intl.Collator("en", { numeric: true });
  for (const [key, select] of Object.entries(choices)) {
    const values = Array.from(new Set(rows.map(({ device }) => device[key]))).filter(Boolean);
    if (key === "group") values.sort((a, b) => severity.indexOf(a) - severity.indexOf(b));
    else values.sort(collator.compare);
    for (const value of values) select.append(make("option", { value }, key === "group" ? data.groups[value] : value));
    if (rows.some(({ device }) => !device[key])) select.append(make("option", { value: NONE }, `no ${key}`));
  }

  const filter = liveTable({
    table,
    box,
    count: byId("device-count"),
    rows,
    also: ({ device }) => Object.entries(choices).every(([key, { value }]) => !value || (device[key] || NONE) === value),
    show: (ordered) => {
      clear.disabled = !box.value && Object.values(choices).every(({ value }) => !value);
      shown = ordered.filter((row) => row.hit);
      limit = STEP;
      draw();
    },
  });
  for (const select of Object.values(choices)) select.addEventListener("change", () => filter());
  clear.addEventListener("click", () => {
    box.value = "";
    for (const select of Object.values(choices)) select.value = "";
    filter();
    box.focus();
  });
  for (const share of document.querySelectorAll("[data-version]")) {
    const label = share.querySelector(".share");
    const button = make("button", { type: "button", title: "Show these devices" }, ...label.childNodes);
    label.append(button);
    button.addEventListener("click", () => {
      box.value = "";
      choices.group.value = "";
      choices.variant.value = share.dataset.variant || NONE;
      choices.version.value = share.dataset.version;
      filter();
      byId("devices-title").scrollIntoView();
      byId("device-filter").focus({ preventScroll: true });
    });
  }
  byId("device-tools").hidden = false;
})();
