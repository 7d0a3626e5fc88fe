// The features of a device: the state of each, and beside it what can be done.

import { post } from "./api.js";
import { h } from "./dom.js";
import { badge, button, section } from "./parts.js";
import { ago, presence } from "./words.js";

// take takes in that the state of a feature has changed, and returns false if the page is to be read again.
export function take(all, event) {
  const f = all.find((known) => known.name === event.name);
  if (!f || f.kind !== event.kind || f.problem || event.problem) return false;
  f.value = event.value;
  f.at = event.at;
  return true;
}

export function features({ device, features: all }, context, id) {
  const where = { ONLINE: "", OFFLINE: "offline", SLEEPING: "asleep", SILENT: "silent" }[presence(device)] ?? "not known to be online";
  const away = where ? `The device is ${where}: this is what it said last.`
    : device.info?.boot.safe ? "In safe mode its features do not work: this is what it said last." : "";
  const can = context.can("operator") && !away;
  const may = { disabled: !can, title: can ? null : away || "needs the role operator" };
  const list = (some) => h("dl", { class: "features" }, some.map((f) => row(f, device.name || id, may, (value, words) =>
    context.act(`${title(f)} is told to ${words}.`, () => post(`/api/devices/${id}/features/${encodeURIComponent(f.name)}`, { value })))));
  const shown = all.filter((f) => f.attributes?.enabled !== false);
  const hidden = all.filter((f) => f.attributes?.enabled === false);
  const of = (category) => shown.filter((f) => f.attributes?.category === category);
  const part = (words, some) => some.length > 0 && [h("h3", null, words), list(some)];
  return section("Features", {},
    all.length === 0 ? h("p", { class: "quiet" }, "It has published the state of none.") : away && h("p", { class: "quiet" }, away),
    list(of(undefined)), part("Configuration", of("config")), part("Diagnostics", of("diagnostic")),
    hidden.length > 0 && h("details", null, h("summary", null, `Hidden, ${hidden.length}`), list(hidden)));
}

const title = (f) => f.attributes?.name || f.name;

function row(f, device, may, send) {
  const label = `${title(f)} of ${device}`;
  return h("div", { "data-key": f.name },
    h("dt", { title: title(f) === f.name ? null : f.name }, title(f)),
    h("dd", { class: "state" }, f.problem ? [badge(["bad", "!", "Not usable"]), h("div", { class: "hint" }, f.problem)] : state(f)),
    h("dd", { class: "buttons" }, controls[f.kind]?.(f, label, may, send)));
}

const on = (is) => (is ? "● On" : "○ Off");

// What the two states of a binary sensor are called, where on and off would be strange.
const opens = ["● Open", "○ Closed"];
const detects = ["● Detected", "○ Clear"];
const two = {
  __proto__: null,
  door: opens, garage_door: opens, opening: opens, window: opens,
  gas: detects, moisture: detects, motion: detects, occupancy: detects, smoke: detects, sound: detects, vibration: detects,
};

// state is a state as it is said.
function state(f) {
  const a = f.attributes ?? {};
  if (f.kind === "button") return "";
  if (f.kind === "event") return f.value ? [f.value, ", ", ago(f.at)] : "nothing yet";
  if (!f.value) return "unknown";
  switch (f.kind) {
    case "switch": return on(f.value === "1");
    case "light": return lit(light(f.value));
    case "binary_sensor": return f.value === "None" ? "no value" : (two[a.device_class] ?? [on(true), on(false)])[f.value === "1" ? 0 : 1];
    case "cover": {
      const c = JSON.parse(f.value);
      return c.state.charAt(0).toUpperCase() + c.state.slice(1) + (c.position === undefined ? "" : `, ${c.position} %`);
    }
    case "sensor":
      if (f.value === "None") return "no value";
      if (a.precision !== undefined && !a.text) return united(Number(f.value).toLocaleString(undefined, { minimumFractionDigits: a.precision, maximumFractionDigits: a.precision }), a.unit);
  }
  return united(f.value, a.unit);
}

const united = (text, unit) => (unit ? `${text} ${unit}` : text);

// light is the state of one that has no more than on and off, too.
const light = (value) => (value.startsWith("{") ? JSON.parse(value) : { state: value === "1" ? "ON" : "OFF" });

const lit = (l) => [on(l.state === "ON"), l.brightness !== undefined && `, ${Math.round(l.brightness / 2.55)} %`, l.color && [", ", h("code", null, hex(l.color))]];

const hex = ({ r, g, b }) => "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");

// rgb is the colour of an input.
const rgb = (text) => ({ r: parseInt(text.slice(1, 3), 16), g: parseInt(text.slice(3, 5), 16), b: parseInt(text.slice(5, 7), 16) });

const toggle = (is, label, may, send) => h("button", { type: "button", class: "toggle", role: "switch", "aria-checked": String(is), "aria-label": label, ...may,
  onclick: () => send(is ? "0" : "1", is ? "be off" : "be on") });

// input is one with a label that sends what a person has chosen.
const input = (words, label, properties, chosen) => h("label", null, words,
  h("input", { "aria-label": `${words} of ${label}`, ...properties, onchange: (event) => chosen(event.target.value) }));

// form is an input whose value is sent by its button. What a person has typed stays until then.
const form = (field, label, may, send) => h("form", { class: "buttons", onsubmit: (event) => {
  event.preventDefault();
  const [typed] = event.target.elements;
  typed.theirs = false;
  send(typed.value, `be ${typed.value}`);
} }, field, h("button", { ...may, "aria-label": `Set ${label}` }, "Set"));
const theirs = { oninput: (event) => { event.target.theirs = true; } };

// What can be done, by kind.
const controls = {
  __proto__: null,
  switch: (f, label, may, send) => toggle(f.value === "1", label, may, send),
  light(f, label, may, send) {
    const a = f.attributes ?? {};
    const l = f.value ? light(f.value) : {};
    return [toggle(l.state === "ON", label, may, send),
      a.brightness && input("Brightness", label, { type: "range", min: 1, max: 255, value: l.brightness ?? 255, ...may },
        (value) => send({ state: "ON", brightness: Number(value) }, `be ${Math.round(value / 2.55)} % bright`)),
      a.color && input("Colour", label, { type: "color", value: hex(l.color ?? { r: 255, g: 255, b: 255 }), ...may },
        (value) => send({ state: "ON", color: rgb(value) }, `be ${value}`))];
  },
  number(f, label, may, send) {
    const a = f.attributes ?? {};
    return form([h("input", { type: "number", "aria-label": label, min: a.min ?? 0, max: a.max ?? 100, step: a.step ?? 1, value: f.value, required: true, ...may, ...theirs }), a.unit],
      label, may, send);
  },
  select(f, label, may, send) {
    const options = f.attributes?.options;
    if (!options) return null;
    const field = h("select", { "aria-label": label, required: true, ...may, ...theirs }, options.map((option) => h("option", { value: option }, option)));
    field.value = f.value;
    return form(field, label, may, send);
  },
  button: (f, label, may, send) => button("Press", () => send("press", "do it"), { ...may, "aria-label": `Press ${label}` }),
  cover(f, label, may, send) {
    const c = f.value ? JSON.parse(f.value) : {};
    return [["Open", "open"], ["Stop", "stop"], ["Close", "close"]].map(([words, command]) => button(words, () => send(command, command), { ...may, "aria-label": `${words} ${label}` }))
      .concat(f.attributes?.position ? input("Position", label, { type: "range", min: 0, max: 100, value: c.position ?? 0, ...may }, (value) => send(value, `go to ${value} %`)) : []);
  },
};
