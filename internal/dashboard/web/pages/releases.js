// The releases that are kept, and how far each type's roll-out is.

import { get } from "../api.js";
import { h } from "../dom.js";
import { badge, code, empty, link, meter, section, table } from "../parts.js";
import { ago, bytes, many, number, rollouts } from "../words.js";

export const title = () => "Releases";

export async function load(_, __, signal) {
  const [releases, states, summary] = await Promise.all([get("/api/releases", signal), get("/api/rollouts", signal), get("/api/summary", signal)]);
  return { releases, states, types: summary.types, builds: summary.builds ? await get("/api/builds", signal) : [] };
}

export const happened = (kind) => (kind === "feature" || kind === "setting" || kind === "build" ? "ignored" : "");

export function view({ releases, states, types, builds }) {
  const head = h("h1", null, "Releases and roll-outs");
  if (releases.length === 0) return [head, h("div", { class: "card" }, empty("Nothing is published yet", h("p", null, code("esper release"), " in the site's folder builds, signs and publishes the firmware of every device type.")))];
  const names = [...new Set(releases.map((r) => r.type))];
  return [head, names.map((type) => {
    const state = states.find((s) => s.type === type);
    const numbers = types.find((t) => t.type === type);
    const mine = releases.filter((r) => r.type === type);
    return section(type, { "data-key": type }, state && progress(type, state, numbers), table(`Releases of ${type}`, [
      ["Release", (r) => [code(r.version), " ", r.newest && badge(["busy", "★", "Newest"]), r.general && badge(["good", "✓", "Generally available"])], "lead"],
      ["Sequence", (r) => String(r.sequence), "wide"],
      ["Commit", (r) => commit(builds.find((b) => b.commit.slice(0, 8) === r.version), r)],
      ["Published", (r) => ago(r.published)],
      ["Images", (r) => r.sizes.map((size, slot) => h("div", null, `slot ${slot}: ${bytes(size)}`))],
      ["Signed by", (r) => [r.keys.map((key) => h("div", null, "key ", code(key))), r.signatures > r.keys.length && h("div", { class: "hint" }, many(r.signatures - r.keys.length, "other key"))]],
      ["Devices", (r) => number(numbers?.versions[r.version] ?? 0)],
    ], mine, (r) => r.version));
  })];
}

// commit is what the version names; its message is known if the build server built it.
const commit = (b, r) => b ? [link("/builds/" + b.number, b.subject || b.commit.slice(0, 8)), h("div", { class: "hint" }, b.author)] : code(r.version);

function progress(type, s, numbers) {
  const on = numbers?.versions[s.release.version] ?? 0;
  const all = numbers?.devices ?? 0;
  return h("div", null, h("p", null, badge(rollouts[s.status]), " ", code(s.release.version), ` is on ${number(on)} of ${many(all, "device")}. `,
    link("/rollouts/" + encodeURIComponent(type), s.status === "complete" ? "How it went" : "Follow the roll-out")),
  meter(on, all, `${number(on)} of ${many(all, "device")}`));
}
