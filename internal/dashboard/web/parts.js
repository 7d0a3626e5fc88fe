// The components that all pages are made of.

import { h, show } from "./dom.js";
import { ahead, development, isAhead, isDevelopment, isUnpublished, minute, presence, presences, updates } from "./words.js";

// badge says a state by sign, word and colour.
export function badge([kind, sign, words], more) {
  return h("span", { class: `badge ${kind}` }, h("span", { class: "sign", "aria-hidden": "true" }, sign), h("span", null, words, more && [" ", h("span", { class: "more" }, more)]));
}

// badges say whether a device is there, what its update is at, unless that is over and went well,
// and the release that it failed with, also when it has looked again since.
export function badges(device) {
  const u = device.update;
  const over = !u || u.state === "idle" || (u.state === "confirmed" && u.progress === 100) || isUnpublished(device) || (isAhead(device) && u.state === "failed");
  const last = device.why?.device.last;
  const failed = last?.state === "failed" && !["failed", "rolled-back"].includes(u?.state);
  return [badge(presences[presence(device)] ?? presences[""]),
    isDevelopment(device) && badge(development),
    isAhead(device) && badge(ahead),
    !over && badge(updates[u.state] ?? ["off", "?", u.state], u.state === "downloading" ? `${u.progress} %` : [u.error, u.http_status].filter(Boolean).join(" ")),
    failed && badge(updates.failed, `with ${last.release}: ${last.failure}`)];
}

export const link = (href, ...children) => h("a", { href }, children);
export const code = (text) => h("code", null, text);
export const button = (words, onclick, properties) => h("button", { type: "button", onclick, ...properties }, words);

// section is a titled part of a page.
export function section(title, properties, ...children) {
  const id = "section-" + title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return h("section", { "aria-labelledby": id, ...properties }, h("h2", { id }, title), children);
}

// facts is a list of names and what they are; what is empty is left out.
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false)
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

// table is a table. On a narrow screen a row is some lines of text: first what has the place "lead"
// or "beside" it, then the rest, of which "plain" needs no title to be understood and "wide" is left out.
// Columns are [title, cell(row), place].
export function table(caption, columns, rows, key) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null,
      h("caption", { class: "unseen" }, caption),
      h("thead", null, h("tr", null, columns.map(([title, , place]) => h("th", { scope: "col", class: place }, title)))),
      h("tbody", null, rows.map((row) => h("tr", { "data-key": key(row) },
        columns.map(([title, cell, place]) => h("td", { "data-label": title, class: place }, cell(row))))))));
}

// empty says that there is nothing, and what to do.
export function empty(title, ...children) {
  return h("div", { class: "empty" }, h("h3", null, title), children);
}

// meter shows a part of a whole, in words too.
export function meter(part, whole, words) {
  const percent = whole > 0 ? Math.round((100 * part) / whole) : 0;
  return h("div", { class: "meter", role: "img", "aria-label": words },
    h("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("rect", { class: "whole", width: 100, height: 6 }), h("rect", { class: "part", width: percent, height: 6 })));
}

// notice tells what happened, for some seconds; an error until the next one.
export function notice(text, bad) {
  const box = document.getElementById("notices");
  const line = h("p", { class: bad ? "notice bad" : "notice" }, text, " ", button("Close", () => line.remove(), { class: "plain" }));
  box.replaceChildren(line);
  if (!bad) setTimeout(() => line.remove(), 6000);
}

// confirm asks a person, and returns whether they agree. Words say what will happen to how many;
// danger marks what cannot be undone.
export function confirm(title, words, action, { danger = false, fields = [] } = {}) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => {
      const agreed = dialog.returnValue === "yes";
      const values = Object.fromEntries(fields.map((field) => [field.name, dialog.querySelector(`[name=${field.name}]`).value]));
      dialog.remove();
      resolve(agreed && values);
    } },
    h("form", { method: "dialog" },
      h("h2", { id: "dialog-title" }, title),
      [].concat(words).map((line) => h("p", null, line)),
      fields.map((field) => h("label", null, field.label, field.options
        ? h("select", { name: field.name }, field.options.map((option) => h("option", { value: option }, option)))
        : h("input", { name: field.name, value: field.value ?? "" }))),
      h("div", { class: "buttons" },
        h("button", { value: "no", formnovalidate: true }, "Cancel"),
        h("button", { value: "yes", class: danger ? "danger" : "primary" }, action))));
    show(document.getElementById("dialogs"));
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
  });
}

// chart draws lines over time: adoption of a release. Series are {name, kind, points: [[time, n]]}.
export function chart(label, series, whole) {
  const times = series.flatMap((s) => s.points.map(([t]) => t));
  const first = Math.min(...times);
  const last = Math.max(...times, first + 1000);
  const top = Math.max(whole, 1, ...series.flatMap((s) => s.points.map(([, n]) => n)));
  const x = (t) => (40 + (560 * (t - first)) / (last - first)).toFixed(1);
  const y = (n) => (150 - (140 * n) / top).toFixed(1);
  const line = (points) => points.map(([t, n], i) => (i ? `H${x(t)}V${y(n)}` : `M${x(t)},${y(n)}`)).join("") + `H600`;
  return h("figure", { class: "chart" },
    h("svg", { viewBox: "0 0 610 175", role: "img", "aria-label": label },
      h("line", { class: "axis", x1: 40, y1: 150, x2: 600, y2: 150 }),
      h("line", { class: "axis whole", x1: 40, y1: y(top), x2: 600, y2: y(top) }),
      h("text", { x: 34, y: 14, "text-anchor": "end" }, top),
      h("text", { x: 34, y: 154, "text-anchor": "end" }, "0"),
      h("text", { x: 40, y: 170 }, minute(new Date(first))),
      h("text", { x: 600, y: 170, "text-anchor": "end" }, minute(new Date(last))),
      series.map((s) => h("path", { class: `line ${s.kind}`, d: line(s.points) }))),
    h("figcaption", null, series.map((s) => h("span", { class: `legend ${s.kind}` }, `${s.name}: ${s.points.at(-1)?.[1] ?? 0}`))));
}
