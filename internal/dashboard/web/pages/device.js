// One device: all that is known of it, its history, and what can be done to it.

import { ask, get, post } from "../api.js";
import { h } from "../dom.js";
import { badge, badges, button, code, confirm, facts, link, section } from "../parts.js";
import { deviceSettings } from "../devicesettings.js";
import { features, take } from "../features.js";
import { ago, clock, cost, development, duration, isDevelopment, isUnpublished, minute, number, presence, rhythm, updates, withoutDelta } from "../words.js";

export const title = ({ device }) => device.name || device.id;

export const start = () => ({ limit: 200 });

export async function load(id, state, signal) {
  const at = "/api/devices/" + id;
  const [device, features, set, events, done, releases] = await Promise.all([
    get(at, signal), get(at + "/features", signal), get(at + "/setting", signal), get(`${at}/history?limit=${state.limit}`, signal), get(at + "/updates", signal),
    get("/api/releases", signal)]);
  return { device, features, settings: set, events, updates: done, releases };
}

export function happened(kind, event, data, id) {
  if (kind === "feature" && event.device === id) {
    return take(data.features, event) ? "drawn" : "";
  }
  if (kind === "setting" && event.device === id) return "";
  const mine = kind === "device" && event.id === id || kind === "device-removed" && event.id === id || kind === "rollout" || kind === "release";
  if (!mine) return "ignored";
  if (kind === "device") Object.assign(data.device, event);
  return "changed";
}

export function view(data, state, context, id) {
  const d = data.device;
  return [
    h("p", { class: "crumbs" }, link("/", "Fleet")),
    h("div", { class: "head" },
      h("h1", null, d.name || d.id, " ", badges(d)),
      actions(data, context, id)),
    h("div", { class: "columns" },
      h("div", null, firmware(d, data.updates), features(data, context, id), deviceSettings(data, context, id), history(data, state, context)),
      now(d)),
  ];
}

function actions(data, context, id) {
  const d = data.device;
  const at = "/api/devices/" + id;
  const name = d.name || d.id;
  const operator = context.can("operator");
  const pinned = d.why?.device.pin;
  const held = d.why?.device.held;
  const failed = ["failed", "rolled-back"].includes(d.update?.state) || d.why?.reason === "has-failed";
  const act = (words, path, body) => context.act(words, () => post(`${at}/${path}`, body));
  const versions = data.releases.filter((r) => r.type === d.info?.device).map((r) => r.version);
  const may = { disabled: !operator, title: operator ? null : "needs the role operator" };
  const hears = presence(d) === "ONLINE" ? may : { disabled: true, title: `it ${presence(d) === "SLEEPING" ? "sleeps" : "is not online"}, and would not hear of it` };
  return h("div", { class: "buttons" },
    button("Check now", () => act(`${name} is told to look for a release.`, "check"), may),
    button("Restart", async () => {
      if (await confirm("Restart " + name + "?", "One device restarts, at once. It is away for some seconds.", "Restart")) act(`${name} is told to restart.`, "restart");
    }, hears),
    failed && button("Retry", () => act(`The release is offered to ${name} again.`, "retry"), { ...may, "data-key": "retry" }),
    pinned
      ? button("Unpin", () => act(`Roll-outs decide for ${name} again.`, "unpin"), may)
      : button("Pin…", async () => {
        const chosen = await confirm("Pin " + name, "One device gets this release and no other, whatever roll-outs say, until it is unpinned.", "Pin", { fields: [{ name: "version", label: "Release", options: versions }] });
        if (chosen) act(`${name} is pinned to ${chosen.version}.`, "pin", { version: chosen.version });
      }, { ...may, disabled: may.disabled || versions.length === 0 }),
    held
      ? button("Hold no longer", () => act(`${name} is held back no longer.`, "release"), may)
      : button("Hold", () => act(`${name} stays as it is.`, "hold"), may),
    button("Name…", async () => {
      const to = await confirm("What people call " + id, "Name, group and tags are for people and for roll-out plans; the device does not know them.", "Save", { fields: [
        { name: "name", label: "Name", value: d.name }, { name: "group", label: "Group", value: d.group }, { name: "tags", label: "Tags, with spaces between", value: d.tags?.join(" ") }] });
      if (to) context.act(`${to.name || id} is labelled.`, () => label(at, to));
    }, may));
}

async function label(at, to) {
  await ask("PUT", at + "/labels", { name: to.name, group: to.group, tags: to.tags.split(/\s+/).filter(Boolean) });
}

// What the two slots hold, what the last update cost, and what the device would get.
function firmware(d, done) {
  const why = d.why;
  const last = done.findLast((u) => u.ended || u.seconds);
  const price = last && cost(last);
  const note = withoutDelta(d.update);
  const boot = d.info?.boot;
  return section("Firmware", {},
    !d.info && h("p", null, "It has not said what it runs."),
    boot && h("div", { class: "slots" }, [0, 1].map((slot) => {
      const content = boot.slots?.[slot];
      return h("div", { class: slot === boot.rom ? "slot runs" : "slot" }, h("h3", null, "Slot " + slot),
        content ? [code(content.version), h("div", { class: "hint" }, `sequence ${content.sequence}`)] : h("p", { class: "quiet" }, "empty"),
        slot === boot.rom && badge(boot.trial ? updates.trial : ["good", "▶", "Runs"]),
        slot === boot.default && badge(["off", "⌂", "Default"]));
    })),
    boot?.safe && h("p", null, badge(["bad", "!", "Safe mode"]), " It crashed five times in a row, and runs without its features until a release mends it."),
    boot?.latched && h("p", null, badge(["bad", "!", "Boot mode latched"]), " It was flashed over serial, and would not come back from a restart: switch its power off and on."),
    isDevelopment(d) && h("p", null, badge(development), " It runs what no release says, and takes the first release that there is."),
    d.problem && h("p", null, badge(isUnpublished(d) ? ["off", "–", "Last check"] : updates[d.update.state] ?? ["off", "?", d.update.state]), ` ${sentence(d.problem)}`),
    note && h("p", null, badge(updates.downloading), ` ${sentence(note)}`),
    d.settings_problem && h("p", null, badge(updates[d.settings.state] ?? ["off", "?", d.settings.state]), ` Settings: ${d.settings_problem}.`),
    price && h("p", null, h("strong", null, "Last update: "), `${price}.`),
    why && h("p", null, h("strong", null, why.release ? ["The release for it now: ", code(why.release), ". "] : "There is no release for it now. "), sentence(why.explanation)),
    why?.device.last?.state === "failed" && h("p", null, badge(["bad", "✕", "Failed"]), " with ", code(why.device.last.release), `: ${why.device.last.failure}, `, ago(why.device.last.since)));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + ".";

const settings = (s) => `${updates[s.state]?.[2] ?? s.state}, ${s.sequence ? "release " + s.sequence : "from no release"}${s.own ? `, and ${s.own} for it alone` : ""}`;

function now(d) {
  const i = d.info;
  return section("What it published", {},
    facts([
      ["Id", d.id], ["Type", i?.device], ["Version", i && code(i.version.esper)], ["Sequence", i && String(i.version.sequence)],
      ["Group", d.group], ["Tags", d.tags?.join(", ")],
      ["Last seen", ago(d.seen)], ["First seen", ago(d.first_seen)],
      ["Last reset", i?.boot.reset], ["Uptime", i && duration(i.uptime)], ["Wakes", rhythm(d)],
      ["Started", i?.startup && minute(new Date(i.startup * 1000))], ["Connected", i?.connected && minute(new Date(i.connected * 1000))],
      ["Bootloader", i && (i.version.boot ? "version " + i.version.boot : "unknown")], ["SDK", i?.version.sdk],
      ["Linked for", i && (i.version.link || "unknown")], ["Flash", i?.flash_id],
      ["Free memory", i && `${number(i.heap)} bytes`],
      ["WiFi", i?.wifi.ssid], ["Signal", i?.wifi.rssi && `${i.wifi.rssi} dBm, channel ${i.wifi.channel}`], ["Access point", i?.wifi.bssid],
      ["Address", i?.network.ip], ["Gateway", i?.network.gateway], ["Network mask", i?.network.mask], ["MAC", i?.network.mac],
      ["Settings", d.settings && settings(d.settings)],
      ["Unreadable messages", d.malformed > 0 && number(d.malformed)],
    ]),
    d.problems?.length > 0 && h("div", { class: "problems" }, h("p", null, badge(["bad", "!", "Problems"]), " A part of what it published cannot be used:"),
      h("ul", null, d.problems.map((text) => h("li", null, text)))),
    h("details", null, h("summary", null, "As it was sent"), h("pre", { tabindex: "0" }, JSON.stringify({ status: d.status, info: d.info, update: d.update, settings: d.settings }, null, 2))));
}

// What happened, the newest first. The states of one update are one line, with how long it took.
function history({ events, updates: done }, state, context) {
  const lines = [
    ...events.filter((e) => e.kind !== "update" && e.kind !== "slot").map((e) => ({ at: e.at, ...line(e) })),
    ...done.map((u) => ({ at: u.ended ?? u.began, ...went(u) })),
  ].sort((a, b) => (a.at < b.at ? 1 : -1));
  let day = "";
  return section("History", {}, lines.length === 0
    ? h("p", { class: "quiet" }, "Nothing yet.")
    : h("ol", { class: "timeline" }, lines.map((l) => {
      const date = new Date(l.at).toLocaleDateString(undefined, { dateStyle: "medium" });
      const first = date !== day;
      day = date;
      return h("li", { class: l.kind, "data-key": l.at + l.words }, first && h("h3", null, date), clock(l.at), " ", l.words);
    })),
  events.length >= state.limit && button("Show older", () => { state.limit *= 4; context.reload(); }));
}

function line(e) {
  const crash = ["exception", "hardware-watchdog", "software-watchdog"];
  switch (e.kind) {
    case "presence": return { kind: { ONLINE: "good", SLEEPING: "good", SILENT: "warn" }[e.after] ?? "", words: { ONLINE: "came online", OFFLINE: "went offline", SLEEPING: "sleeps", SILENT: "fell silent" }[e.after] ?? e.after };
    case "version": return { kind: "good", words: `runs ${e.after}` + (e.before ? `, before ${e.before}` : "") };
    case "type": return { kind: "", words: `is a ${e.after}` };
    case "restart": return { kind: crash.includes(e.after) ? "bad" : "", words: `restarted: ${e.after}` };
  }
  return { kind: "", words: `${e.kind}: ${e.after}` };
}

function went(u) {
  const [kind, , words] = updates[u.state] ?? ["", "", u.state];
  if (u.from === u.version && u.state === "failed") return { kind: "", words: `looked for a release in vain (${u.error})` };
  const took = u.began && u.ended ? ` in ${duration((new Date(u.ended) - new Date(u.began)) / 1000)}` : "";
  const notes = [cost(u), u.without_delta && `without a delta: ${u.without_delta}`, u.error].filter(Boolean).join("; ");
  return { kind, words: `update to ${u.version || "?"}: ${words.toLowerCase()}${took}${notes && ` (${notes})`}` };
}
