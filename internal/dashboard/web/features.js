// The features of a device: the state of each, and beside it what can be done.

import { post } from "./api.js";
import { h } from "./dom.js";
import { badge, button, section } from "./parts.js";
import { ago, presence } from "./words.js";

// take takes in that the state of a feature has changed. It returns false if the page is to be read
// again.
export function take(all, event) {
  const f = all.find((known) => known.name === event.name);
  if (!f || f.kind !== event.kind || f.problem || event.problem) return false;
  f.value = event.value;
  f.at = event.at;
  return true;
}

export function features({ device, features: all }, context, id) {
  const where = { ONLINE: "", OFFLINE: "offline", SILENT: "silent", SLEEPING: "asleep" }[presence(device)] ?? "not known to be online";
  const away = where ? `The device is ${where}: this is what it said last.`
    : device.info?.boot.safe ? "In safe mode its features do not work: this is what it said last." : "";
  const can = context.can("operator") && !away;
  const may = { disabled: !can, title: can ? null : away || "needs the role operator" };
  const send = (f) => (value, words) => context.act(`${title(f)} is told to ${words}.`,
    () => post(`/api/devices/${id}/features/${encodeURIComponent(f.name)}`, { value }));
  const list = (some) => h("dl", { class: "features" }, some.map((f) => row(f, device.name || id, may, send(f))));
  const part = (words, some) => some.length > 0 && [h("h3", null, words), list(some)];
  const hides = (f) => f.attributes?.enabled === false;
  const hidden = all.filter(hides);
  const of = (category) => all.filter((f) => !hides(f) && f.attributes?.category === category);
  return section("Features", {},
    all.length === 0 ? h("p", { class: "quiet" }, "It has published the state of none.")
      : away && h("p", { class: "quiet" }, away),
    list(of(undefined)), part("Configuration", of("config")), part("Diagnostics", of("diagnostic")),
    hidden.length > 0 && h("details", null, h("summary", null, `Hidden, ${hidden.length}`), list(hidden)));
}

const title = (f) => f.attributes?.name || f.name;

function row(f, device, may, send) {
  return h("div", { "data-key": f.name },
    h("dt", { title: title(f) === f.name ? null : f.name }, title(f)),
    h("dd", { class: "state" }, f.problem
      ? [badge(["bad", "!", "Not usable"]), h("div", { class: "hint" }, f.problem)]
      : state(f, f.attributes ?? {})),
    h("dd", { class: "buttons" }, controls[f.kind]?.(f, `${title(f)} of ${device}`, may, send, f.attributes ?? {})));
}

const on = (is) => (is ? "● On" : "○ Off");

// What the two states of a binary sensor are called, where on and off would be strange.
const opens = ["○ Closed", "● Open"];
const detects = ["○ Clear", "● Detected"];
const two = {
  __proto__: null,
  door: opens, garage_door: opens, opening: opens, window: opens,
  gas: detects, moisture: detects, motion: detects, occupancy: detects, smoke: detects, sound: detects,
  vibration: detects,
};

// state is the state of a feature in words.
function state(f, a) {
  if (f.kind === "button") return "";
  if (f.kind === "event") return f.value ? [f.value, ", ", ago(f.at)] : "nothing yet";
  if (!f.value) return "unknown";
  if (f.value === "None" && (f.kind === "binary_sensor" || (f.kind === "sensor" && !a.text))) return "no value";
  switch (f.kind) {
    case "switch": return on(f.value === "1");
    case "binary_sensor": return (two[a.device_class] ?? [on(false), on(true)])[Number(f.value)];
    case "light": {
      const l = light(f);
      return [on(l.state === "ON"), l.brightness !== undefined && `, ${percent(l.brightness)} %`,
        l.color && [", ", h("code", null, hex(l.color))]];
    }
    case "cover": {
      const c = JSON.parse(f.value);
      return c.state.charAt(0).toUpperCase() + c.state.slice(1) + (c.position === undefined ? "" : `, ${c.position} %`);
    }
  }
  return [rounded(f.value, a), a.unit && " " + a.unit];
}

function rounded(value, a) {
  if (a.precision === undefined || a.text) return value;
  return Number(value).toLocaleString(undefined,
    { minimumFractionDigits: a.precision, maximumFractionDigits: a.precision });
}

// light is the state of a light; one that has no more than on and off publishes 1 and 0.
const light = (f) => (f.value.startsWith("{") ? JSON.parse(f.value) : { state: f.value === "1" ? "ON" : "OFF" });

const percent = (brightness) => Math.round(brightness / 2.55);

// A colour as an input of the browser has it, and as a device has it.
const hex = ({ r, g, b }) => "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");
const rgb = (text) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  return { r, g, b };
};

const toggle = (is, label, may, send) => h("button", {
  type: "button", class: "toggle", role: "switch", "aria-checked": String(is), "aria-label": label, ...may,
  onclick: () => send(is ? "0" : "1", is ? "be off" : "be on"),
});

// input is an input with a label that sends at once what a person chooses.
const input = (words, label, properties, chosen) => h("label", null, words,
  h("input", { "aria-label": `${words} of ${label}`, ...properties, onchange: (event) => chosen(event.target.value) }));

// form is an input whose value is sent by a button. What a person has entered stays until then.
const form = (field, unit, label, may, send) => h("form", { class: "buttons", onsubmit: (event) => {
  event.preventDefault();
  const [entered] = event.target.elements;
  entered.theirs = false;
  send(entered.value, `be ${entered.value}`);
} }, field, unit, h("button", { ...may, "aria-label": `Set ${label}` }, "Set"));
const theirs = { oninput: (event) => { event.target.theirs = true; } };

// What can be done, by kind.
const controls = {
  __proto__: null,
  switch: (f, label, may, send) => toggle(f.value === "1", label, may, send),
  light(f, label, may, send, a) {
    const l = light(f);
    return [toggle(l.state === "ON", label, may, send),
      a.brightness && input("Brightness", label, { type: "range", min: 1, max: 255, value: l.brightness ?? 255, ...may },
        (value) => send({ state: "ON", brightness: Number(value) }, `be ${percent(value)} % bright`)),
      a.color && input("Colour", label, { type: "color", value: hex(l.color ?? { r: 255, g: 255, b: 255 }), ...may },
        (value) => send({ state: "ON", color: rgb(value) }, `be ${value}`))];
  },
  number: (f, label, may, send, a) => form(
    h("input", {
      type: "number", "aria-label": label, required: true, min: a.min ?? 0, max: a.max ?? 100, step: a.step ?? 1,
      value: f.value, ...may, ...theirs,
    }), a.unit, label, may, send),
  select(f, label, may, send, a) {
    if (!a.options) return null;
    const field = h("select", { "aria-label": label, required: true, ...may, ...theirs },
      a.options.map((option) => h("option", { value: option }, option)));
    field.value = f.value;
    return form(field, null, label, may, send);
  },
  button: (f, label, may, send) => button("Press", () => send("press", "do it"), { ...may, "aria-label": `Press ${label}` }),
  cover(f, label, may, send, a) {
    const position = f.value ? JSON.parse(f.value).position : 0;
    return [
      ["Open", "Stop", "Close"].map((words) => button(words, () => send(words.toLowerCase(), words.toLowerCase()),
        { ...may, "aria-label": `${words} ${label}` })),
      a.position && input("Position", label, { type: "range", min: 0, max: 100, value: position ?? 0, ...may },
        (value) => send(value, `go to ${value} %`))];
  },
};
