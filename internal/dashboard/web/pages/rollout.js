// The roll-out of a device type's newest release, or that of its settings.

import { get, post } from "../api.js";
import { h } from "../dom.js";
import { badge, button, chart, code, confirm, empty, facts, link, meter, section, table } from "../parts.js";
import { ago, many, nanoseconds, number, rollouts } from "../words.js";

const suffix = ".settings";
const ofSettings = (type) => type.endsWith(suffix);
const deviceType = (type) => (ofSettings(type) ? type.slice(0, -suffix.length) : type);

export const title = (_, type) => "Roll-out of " + type;

export async function load(type, _, signal) {
  const at = "/api/rollouts/" + encodeURIComponent(type);
  const [states, summary, adoption, history] = await Promise.all([
    get("/api/rollouts", signal), get("/api/summary", signal), get(at + "/adoption", signal), get(at + "/history", signal)]);
  const state = states.find((s) => s.type === type);
  let numbers = summary.types.find((t) => t.type === deviceType(type)) ?? { devices: 0, versions: {} };
  if (ofSettings(type) && state) numbers = { ...numbers, versions: { [state.release.version]: state.confirmed } };
  return { state, numbers, adoption, history };
}

export function happened(kind, event, data, type) {
  if (kind === "feature" || kind === "setting" || kind === "build") return "ignored";
  if (kind === "device") return event.info?.device === deviceType(type) ? "" : "ignored";
  if (kind === "rollout" && event.type !== type) return "ignored";
  return "";
}

export function view(data, _, context, type) {
  const s = data.state;
  const crumbs = h("p", { class: "crumbs" }, link("/releases", "Releases"));
  if (!s?.release) return [crumbs, h("h1", null, "Roll-out of " + type), h("div", { class: "card" }, empty("Nothing is published for this type", h("p", null, code("esper release"), " publishes a release.")))];
  const on = data.numbers.versions[s.release.version] ?? 0;
  return [
    crumbs,
    h("div", { class: "head" }, h("h1", null, `Roll-out of ${type} `, code(s.release.version), " ", badge(rollouts[s.status])), actions(s, data.numbers, context, type)),
    section("Progress", {},
      meter(on, data.numbers.devices, `${number(on)} of ${many(data.numbers.devices, "device")} on the release`),
      facts([["On the release", `${number(on)} of ${number(data.numbers.devices)}`], ["Reported it in this roll-out", number(s.confirmed)], ["At it now", number(s.at_risk)],
        ["Online and still to be told", number(s.waiting)], ["Failures in this stage", number(s.failed)], ["Generally available", s.general?.version && code(s.general.version)], ["Stage began", s.opened && ago(s.opened)]])),
    section("Stages", {}, stages(s)),
    !ofSettings(type) && section("Adoption", {}, adoption(data.adoption, data.numbers.devices, s.release.version)),
    section("What happened", {}, history(data.history)),
  ];
}

function stages(s) {
  const all = s.plan.stages ?? [];
  if (all.length === 0) return h("p", null, "There is no plan: a release is for all devices of the type at once. A plan in esper.toml, [rollout], lets some try it first.");
  return h("ol", { class: "stages" }, all.map((stage, i) => {
    const present = i === s.stage && s.status !== "complete";
    const words = i < s.stage || s.status === "complete" ? ["good", "✓", "Passed"] : !present ? ["off", "…", "To come"] : s.opened ? rollouts[s.status] : ["warn", "◔", stage.approve ? "Waits for approval" : "Begins soon"];
    return h("li", { "aria-current": present && "step" }, h("strong", null, `${i + 1}. ${who(stage)} `), badge(words),
      h("div", { class: "hint" }, [`watched for ${nanoseconds(stage.watch)}`, `${many(stage.failures, "failure")} tolerated`, stage.at_once && `${number(stage.at_once)} at once`,
        stage.rate && `at most ${number(stage.rate.devices)} in ${nanoseconds(stage.rate.per)}`, stage.approve && "begins when approved", stage.window && "in its maintenance window"].filter(Boolean).join(" · ")));
  }));
}

const who = (stage) => (stage.group ? `Group ${stage.group}` : stage.tag ? `Tag ${stage.tag}` : `${stage.percent} % of the devices`);

function actions(s, numbers, context, type) {
  const version = s.release.version;
  const on = numbers.versions[version] ?? 0;
  const rest = numbers.devices - on;
  const may = { disabled: !context.can("operator"), title: context.can("operator") ? null : "needs the role operator" };
  // Keyed, so that a button stays the one that is pressed, or has the focus, when others come and go.
  const ask = (action, title, words, verb, said, danger) => button(verb, async () => {
    if (await confirm(title, words, verb, { danger })) context.act(said, () => post(`/api/rollouts/${encodeURIComponent(type)}/${action}`));
  }, { ...may, class: danger ? "danger" : null, "data-key": action });
  const stage = (s.plan.stages ?? [])[s.stage];
  const buttons = [];
  if (s.status === "running") {
    if (stage && !s.opened && stage.approve) {
      buttons.push(ask("approve", "Let the next stage begin?", `${who(stage)} of ${type} (${many(numbers.devices, "device")} in all) may be told of ${version} from now on.`, "Approve", "The stage is approved."));
    }
    buttons.push(ask("pause", "Pause the roll-out?", `No further device of ${many(rest, "device")} is told of ${version} until it is resumed. ${many(s.at_risk, "device")} at it now go on.`, "Pause", "The roll-out is paused."));
  }
  if (s.status === "paused") buttons.push(ask("resume", "Resume the roll-out?", `${many(rest, "device")} not yet on ${version} are told of it, as the plan says.`, "Resume", "The roll-out goes on."));
  if (!["complete", "aborted"].includes(s.status)) {
    buttons.push(ask("everywhere", "Everywhere now?", [`All ${many(rest, "device")} of ${type} that are not on ${version} are told of it at once, whatever the plan says.`, "No failure stops it then."], "Everywhere now", "The release is for all devices now.", true));
  }
  if (["running", "paused"].includes(s.status)) {
    buttons.push(ask("abort", "Abort the roll-out for good?", [`${many(rest, "device")} are not told of ${version} any more.`, `${many(on, "device")} that run it keep it until the next release.`], "Abort", "The roll-out is aborted.", true));
  }
  return h("div", { class: "buttons" }, buttons);
}

function adoption(points, whole, version) {
  if (points.length === 0) return h("p", { class: "quiet" }, "No device has it yet.");
  const line = (name) => points.map((p) => [Date.parse(p.at), p[name] ?? 0]);
  const last = points.at(-1);
  return [chart(`Devices on ${version} over time: ${many(last.on_release, "device")} of ${number(whole)} now`, [
    { name: "On the release", kind: "good", points: line("on_release") },
    { name: "Failed", kind: "bad", points: line("failed") },
    { name: "Told of it", kind: "busy", points: line("offered") },
  ], whole),
  h("details", null, h("summary", null, "As a table"), table("Adoption over time", [["Time", (p) => ago(p.at), "lead"], ["On the release", (p) => number(p.on_release)], ["Failed", (p) => number(p.failed)], ["Told of it", (p) => number(p.offered)]], points.slice(-50), (p) => p.at))];
}

const kinds = {
  "rollout-started": "The roll-out began", "stage-begun": "A stage began", "stage-passed": "A stage passed", "stage-unproven": "A stage ended without any device that confirmed it",
  "approval-needed": "It waits for approval", "device-offered": "A device was told of it", "device-failed": "A device failed", "rollout-stopped": "Too many failures stopped it",
  "release-general": "Generally available", paused: "Paused", resumed: "Resumed", aborted: "Aborted", approved: "A stage was approved", everywhere: "Sent everywhere",
};

function history(events) {
  if (events.length === 0) return h("p", { class: "quiet" }, "Nothing yet.");
  return table("What happened in the roll-outs of the type", [
    ["When", (e) => ago(e.at), "beside"],
    ["What", (e) => kinds[e.kind] ?? e.kind, "lead"],
    ["Release", (e) => code(e.release), "plain"],
    ["Stage", (e) => /stage|approv|device/.test(e.kind) ? String(e.stage + 1) : ""],
    ["Device", (e) => e.device ? link("/devices/" + e.device, e.device) : "", "plain"],
    ["Why, who", (e) => [e.failure, e.by && ` by ${e.by}`], "plain"],
  ], events.slice(-200).reverse(), (e) => e.at + e.kind + (e.device ?? ""));
}
