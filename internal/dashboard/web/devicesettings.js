// The settings that the firmware of a device declares: what they are, and what is wanted.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { badge, button, confirm, section } from "./parts.js";

const scopes = { __proto__: null, device: "for this device", group: "for its group", type: "for its type" };

export function deviceSettings({ device, settings: all }, context, id) {
  if (all.settings.length === 0 && !all.problems) return null;
  const may = { disabled: !context.can("operator"), title: context.can("operator") ? null : "needs the role operator" };
  return section("Settings", {},
    h("dl", { class: "facts" }, all.settings.map((s) => setting(s, device.name || id, context, id, may))),
    all.problems?.length > 0 && h("div", { class: "problems" }, h("p", null, badge(["bad", "!", "Problems"]), " A part of what it said of them cannot be used:"),
      h("ul", null, all.problems.map((text) => h("li", null, text)))));
}

function setting(s, name, context, id, may) {
  const title = s.label || s.name;
  const at = `/api/wanted-settings/device/${id}/${encodeURIComponent(s.name)}`;
  const set = (value) => context.act(`${title} of ${name} is set to ${shown(s, value)}.`, () => ask("PUT", at, { value }));
  const pending = s.wanted !== undefined && s.wanted !== s.value && !s.problem;
  return h("div", { "data-key": "setting-" + s.name }, h("dt", null, title), h("dd", null,
    s.type === "switch"
      ? h("button", { type: "button", role: "switch", "aria-checked": String(s.value === "1"), "aria-label": `${title} of ${name}`, ...may, onclick: () => set(s.value === "1" ? "0" : "1") }, shown(s, s.value))
      : [shown(s, s.value), " ", button("Change…", async () => {
        const to = await confirm(`${title} of ${name}`, `${allowed(s)} Without a change by people it is ${shown(s, s.default)}.`, "Set",
          { fields: [s.type === "select" ? { name: "value", label: title, options: sorted(s) } : { name: "value", label: title, value: s.value ?? s.default }] });
        if (to) set(to.value);
      }, { ...may, "aria-label": `Change ${title} of ${name}` })],
    s.wanted !== undefined && h("div", { class: "hint" },
      s.problem ? badge(["bad", "!", "Not as wanted"]) : pending && badge(["busy", "↻", "Not there yet"]),
      ` ${shown(s, s.wanted)} is wanted ${scopes[s.from] ?? ""}. ${s.problem ? s.problem + ". " : ""}`,
      s.from === "device" && button("Let go", () => context.act(`Nothing is wanted of ${title} of ${name} any more.`, () => ask("DELETE", at)), { ...may, "aria-label": `Let go of ${title} of ${name}` }))));
}

// shown is a value as it is said.
function shown(s, value) {
  if (value === undefined) return "unknown";
  if (s.type === "switch") return value === "1" ? "● On" : "○ Off";
  return value === "" ? "empty" : s.unit ? `${value} ${s.unit}` : value;
}

// sorted is what a select allows, the present value first, which the dialog then has chosen.
const sorted = (s) => [s.value ?? s.default, ...s.options].filter((option, i, all) => all.indexOf(option) === i && s.options.includes(option));

// allowed says which values there can be.
function allowed(s) {
  if (s.type === "text") return `A text of at most ${s.length} bytes.`;
  if (s.type !== "number") return "One of these.";
  return `A whole number from ${s.min ?? -2147483648} to ${s.max ?? 2147483647}${s.step > 1 ? `, in steps of ${s.step}` : ""}.`;
}
