// One build, with its log as it is written.

import { get } from "../api.js";
import { h } from "../dom.js";
import { badge, code, facts, link, section } from "../parts.js";
import { ago, builds } from "../words.js";
import { released, took } from "./builds.js";

export const title = ({ build }) => "Build " + build.number;

export const start = () => ({ log: "", next: 0 });

// load reads of the log what has come since.
export async function load(number, state, signal) {
  const build = await get("/api/builds/" + number, signal);
  for (let part; !part || part.text; ) {
    part = await get(`/api/builds/${number}/log?offset=${state.next}`, signal);
    if (part.next > state.next) state.log += part.text;
    state.next = part.next;
  }
  return { build };
}

export const happened = (kind, event, _, number) => (kind === "build" && String(event.number) === number ? "" : "ignored");

export function view({ build: b }, state, context) {
  clearTimeout(state.timer);
  if (b.state === "running") state.timer = setTimeout(() => context.reload(), 700); // the log has no events
  return [
    h("p", { class: "crumbs" }, link("/builds", "Builds")),
    h("h1", null, `Build ${b.number} `, badge(builds[b.state] ?? ["off", "?", b.state])),
    section("Commit", {}, h("p", null, b.subject), facts([["Commit", code(b.commit)], ["Author", b.author], ["Branch", b.branch], ["Began", ago(b.started)], ["Took", took(b)]])),
    b.error && section("What went wrong", {}, h("pre", { tabindex: "0" }, b.error)),
    (b.types ?? []).length > 0 && section("Device types", {}, facts(b.types.map((t) => [t.type, [code(t.version), released(b).includes(t) ? badge(builds.published) : badge(builds.unchanged)]]))),
    section("Log", {}, h("pre", { class: "log", tabindex: "0", "aria-label": "Log" }, state.log || "Nothing yet.")),
  ];
}

export const leave = (state) => clearTimeout(state.timer);
