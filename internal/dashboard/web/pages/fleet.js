// The fleet: what needs attention, then all devices.

import { get, query } from "../api.js";
import { h } from "../dom.js";
import { badge, badges, button, code, empty, link, section, table } from "../parts.js";
import { ago, builds, conditions, many, number, waitsForApproval } from "../words.js";

export const title = () => "Fleet";

const pageSize = 50;
const sorts = { type: "Type", name: "Name", version: "Version", presence: "Presence", "-seen": "Last seen", signal: "Weakest signal", id: "Id" };

export function start(parameters) {
  const state = { search: "", type: "", group: "", condition: "", presence: "", sort: "type", by: "", limit: pageSize };
  for (const name of Object.keys(state)) if (parameters.has(name) && name !== "limit") state[name] = parameters.get(name);
  return state;
}

export async function load(_, state, signal) {
  const asked = { search: state.search, type: state.type, group: state.group, condition: state.condition, presence: state.presence,
    sort: state.by || state.sort, limit: state.limit };
  const [summary, groups, devices, states] = await Promise.all([get("/api/summary", signal), get("/api/groups", signal), get("/api/devices" + query(asked), signal),
    get("/api/rollouts", signal)]);
  return { summary, failed: summary.builds && await failedBuild(signal), states, groups: groups.filter((g) => g.kind === "group" && g.name), devices: devices.items, total: devices.total };
}

// The list of builds is long, and the fleet is read often: so it is kept until something happens
// to a build, and half a minute at most.
let known = { until: 0 };

// failedBuild is the newest build that has come to an end, if it failed.
async function failedBuild(signal) {
  if (Date.now() > known.until) {
    const ended = (await get("/api/builds", signal)).find((b) => !["queued", "running", "skipped", "interrupted"].includes(b.state));
    known = { until: Date.now() + 30000, failed: builds[ended?.state]?.[0] === "bad" && ended };
  }
  return known.failed;
}

// A device that is shown changes in place; what that does to the numbers and the order is read
// again when there is time.
export function happened(kind, event, data) {
  if (kind === "feature" || kind === "setting") return "ignored";
  if (kind === "build") known.until = 0;
  if (kind !== "device") return "";
  const i = data.devices.findIndex((d) => d.id === event.id);
  if (i >= 0) data.devices[i] = { ...data.devices[i], ...event };
  return "changed";
}

export function view(data, state, context) {
  if (data.summary.devices === 0) return welcome(data);
  const change = (values) => {
    Object.assign(state, { limit: pageSize }, values);
    const { limit, ...shown } = state;
    if (shown.sort === "type") delete shown.sort;
    history.replaceState(null, "", "/" + query(shown));
    context.draw();
    context.reload();
  };
  return [
    h("h1", null, "Fleet"),
    attention(data, state, change),
    section("Devices", {}, filters(data, state, change), devices(data, state, change),
      data.total > data.devices.length && button(`Show more: ${number(data.devices.length)} of ${number(data.total)} are shown`,
        () => { state.limit += 2 * pageSize; context.reload(); })),
  ];
}

function welcome(data) {
  const tiles = standing(data).map(standingTile);
  return [h("h1", null, "Fleet"), tiles.length > 0 && section("Needs attention", {}, h("ul", { class: "tiles" }, tiles)), h("div", { class: "card" }, empty("No device has reported yet",
    h("p", null, "A device appears here as soon as it reaches the broker. To get the first one:"),
    h("ol", null,
      h("li", null, code("esper release"), " in the site's folder builds, signs and publishes the firmware."),
      h("li", null, "Flash it over the serial line once: “Use it for your own devices” in the README says how. Later releases come over the air."),
      h("li", null, "No device at hand? ", code("esper emulate"), " in the site's folder runs one of each device type on that computer."))))];
}

// What stands still until a person looks after it: a roll-out, or the build server.
function standing({ states, failed }) {
  return [
    ...states.filter((s) => s.status === "stopped").map((s) => ["bad", "/rollouts/" + encodeURIComponent(s.type), s.type, "✕ Roll-out stopped by failures", `${many(s.failed, "failure")} with ${s.release.version}`]),
    ...states.filter((s) => waitsForApproval(s)).map((s) => ["warn", "/rollouts/" + encodeURIComponent(s.type), s.type, "◔ Roll-out waits for approval", `the next stage of ${s.release.version}`]),
    ...(failed ? [["bad", "/builds/" + failed.number, "#" + failed.number, `✕ Build ${builds[failed.state][2].toLowerCase()}`, failed.subject]] : []),
  ];
}

const standingTile = ([kind, href, name, words, hint]) => h("li", { "data-key": href }, h("a", { class: `tile ${kind}`, href, title: hint }, h("b", null, name), words));

function attention(data, state, change) {
  const { summary } = data;
  const shown = (name, count) => count > 0 || state.condition === name; // a filter can be taken back
  const found = Object.entries(conditions).filter(([name]) => shown(name, summary.attention[name]));
  const waiting = standing(data);
  const online = h("li", null, tile("good", state.presence === "ONLINE" && !state.condition, () => change({ condition: "", presence: state.presence === "ONLINE" ? "" : "ONLINE" }),
    summary.online - summary.sleeping, `of ${number(summary.devices)} online`));
  const asleep = h("li", null, tile("good", state.presence === "SLEEPING" && !state.condition, () => change({ condition: "", presence: state.presence === "SLEEPING" ? "" : "SLEEPING" }),
    summary.sleeping, "☾ Asleep", "they wake by themselves"));
  return section("Needs attention", {},
    found.length === 0 && waiting.length === 0 && h("p", null, badge(["good", "✓", "Nothing"]), " No device failed, vanished, lags or crashes, and no roll-out stands still."),
    h("ul", { class: "tiles" },
      waiting.map(standingTile),
      found.map(([name, [kind, sign, words, hint]]) => h("li", { "data-key": name },
        tile(kind, state.condition === name, () => change({ condition: state.condition === name ? "" : name }), summary.attention[name], `${sign} ${words}`, hint))),
      online,
      (summary.sleeping > 0 || state.presence === "SLEEPING") && asleep,
      shown("updating", summary.updating) && h("li", null, tile("busy", state.condition === "updating", () => change({ condition: state.condition === "updating" ? "" : "updating" }), summary.updating, "↓ Updating now"))));
}

function tile(kind, chosen, onclick, count, words, hint) {
  return h("button", { type: "button", class: `tile ${kind}`, "aria-pressed": String(Boolean(chosen)), onclick, title: hint }, h("b", null, number(count)), words);
}

function filters(data, state, change) {
  const choice = (label, name, options) => h("label", null, label, h("select", { onchange: (e) => change({ [name]: e.target.value }) },
    options.map(([value, words]) => h("option", { value, selected: state[name] === value }, words))));
  let typing;
  return h("div", { class: "filters", role: "search" },
    h("label", null, "Search", h("input", { type: "search", value: state.search, placeholder: "id, name, version…", oninput: (e) => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ search: e.target.value }), 250);
    } })),
    choice("Type", "type", [["", "All"], ...data.summary.types.map((t) => [t.type, `${t.type} (${number(t.devices)})`])]),
    choice("Group", "group", [["", "All"], ...data.groups.map((g) => [g.name, `${g.name} (${number(g.devices)})`])]),
    choice("Presence", "presence", [["", "All"], ["ONLINE", "Online"], ["OFFLINE", "Offline"], ["SLEEPING", "Sleeping"], ["SILENT", "Silent"]]),
    choice("Sort by", "sort", Object.entries(sorts)),
    choice("Group by", "by", [["", "Nothing"], ["type", "Type"], ["group", "Group"], ["version", "Version"]]));
}

const grouping = { __proto__: null, type: (d) => d.info?.device ?? "unknown", group: (d) => d.group ?? "no group", version: (d) => d.info?.version.esper ?? "unknown" };

function devices(data, state, change) {
  if (data.devices.length === 0) return empty("No device is like that", button("Show all devices", () => change({ search: "", type: "", group: "", condition: "", presence: "" })));
  const columns = [
    ["Device", (d) => [link("/devices/" + d.id, d.name || d.id), d.name && h("div", { class: "hint" }, d.id)], "lead whole"],
    ["Type", (d) => d.info?.device ?? "–", "plain"],
    ["Version", (d) => d.info ? code(d.info.version.esper) : "–", "plain"],
    ["Slot", (d) => d.info ? String(d.info.boot.rom) : "–", "wide"],
    ["State", badges, "beside"],
    ["Signal", (d) => d.info?.wifi.rssi ? signal(d.info.wifi.rssi) : "–", "plain"],
    ["Group", (d) => [d.group ?? "", d.tags?.length > 0 && h("span", { class: "hint" }, " " + d.tags.map((t) => "#" + t).join(" "))], "plain"],
    ["Last seen", (d) => ago(d.seen), "plain"],
  ];
  const caption = `${many(data.total, "device")}, ${number(data.devices.length)} shown`;
  if (!state.by) return [h("p", { class: "hint" }, caption), table(caption, columns, data.devices, (d) => d.id)];
  const groups = Map.groupBy(data.devices, grouping[state.by] ?? grouping.type);
  return [h("p", { class: "hint" }, caption), [...groups].map(([name, members]) => h("div", { "data-key": "group " + name },
    h("h3", null, name, " ", h("span", { class: "quiet" }, `(${number(members.length)})`)), table(`${name}: ${many(members.length, "device")}`, columns, members, (d) => d.id)))];
}

function signal(rssi) {
  const bars = rssi >= -60 ? 4 : rssi >= -70 ? 3 : rssi >= -80 ? 2 : 1;
  return h("span", { title: `${rssi} dBm: ${["", "poor", "weak", "fair", "good"][bars]}` }, "▂▄▆█".slice(0, bars), h("span", { class: "quiet wide" }, ` ${rssi} dBm`));
}
