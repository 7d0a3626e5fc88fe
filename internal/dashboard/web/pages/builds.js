// The builds of the build server.

import { get, post } from "../api.js";
import { h } from "../dom.js";
import { badge, button, code, empty, link, section, table } from "../parts.js";
import { ago, builds, duration, now } from "../words.js";

export const title = () => "Builds";

export async function load(_, __, signal) {
  const { builds: on } = await get("/api/summary", signal);
  return on ? get("/api/builds", signal) : null;
}

export const happened = (kind) => (kind === "build" ? "" : "ignored");

export const took = (b) => (b.started ? duration(((b.ended ? Date.parse(b.ended) : now()) - Date.parse(b.started)) / 1000) : "–");

// released is the device types that have a release of the commit.
export const released = (b) => (b.types ?? []).filter((t) => t.version === b.commit.slice(0, 8));

export function view(list, _, context) {
  const head = h("h1", null, "Builds");
  if (list === null) return [head, h("div", { class: "card" }, empty("The build server is off", h("p", null, code("esper serve --push"), " takes pushes of the site's git repository, and ", code("esper serve --follow REPOSITORY"), " follows one; each commit becomes a release. See docs/build-server.md.")))];
  const may = context.can("publisher");
  return [h("div", { class: "head" }, head, button("Build now", () => context.act("The newest commit is built.", () => post("/api/builds", {})), { disabled: !may, title: may ? null : "needs the role publisher" })),
    section("Latest", {}, list.length === 0 ? empty("Nothing was built yet", h("p", null, "The next commit on the branch is.")) : table("Builds", [
      ["Build", (b) => link("/builds/" + b.number, "#" + b.number), "lead whole"],
      ["State", (b) => badge(builds[b.state] ?? ["off", "?", b.state]), "beside"],
      ["Commit", (b) => [code(b.commit.slice(0, 8)), " ", b.subject, b.author && h("div", { class: "hint" }, b.author)], "plain"],
      ["Released", (b) => released(b).map((t) => t.type).join(", ") || "–"],
      ["Began", (b) => ago(b.started)],
      ["Took", took],
    ], list, (b) => String(b.number)))];
}
