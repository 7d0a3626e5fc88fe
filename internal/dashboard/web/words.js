// How times, numbers and states are said.

import { h } from "./dom.js";

const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// duration says seconds in at most two units: 3 min, 2 h 5 min.
export function duration(seconds) {
  if (seconds < 1) return "0 s";
  const i = units.findIndex(([, size]) => seconds >= size);
  const [name, size] = units[i];
  const whole = Math.floor(seconds / size);
  const rest = i + 1 < units.length ? Math.floor((seconds % size) / units[i + 1][1]) : 0;
  return rest && whole < 10 ? `${whole} ${name} ${rest} ${units[i + 1][0]}` : `${whole} ${name}`;
}

// now is what the server's clock says, as far as answers have told: the times of a page are the server's,
// and the clock of what shows it may be wrong.
let fast = 0;
export const now = () => Date.now() + fast;
export function told(date) {
  const off = Date.parse(date) - Date.now();
  if (!Number.isNaN(off)) fast = Math.abs(off) < 5000 ? 0 : off; // whole seconds, and its way here
}

// ago is an element that says how long ago a time was, and when exactly on hover.
export function ago(text) {
  if (!text) return h("span", { class: "quiet" }, "never");
  const time = new Date(text);
  const seconds = (now() - time) / 1000;
  const i = units.findIndex(([, size]) => seconds >= size);
  const said = i < 0 || seconds < 5 ? "just now" : `${Math.floor(seconds / units[i][1])} ${units[i][0]} ago`;
  return h("time", { datetime: text, title: exact(time) }, said);
}

// exact is a time with its time zone, which is the browser's.
export const exact = (time) => time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
export const minute = (time) => time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const clock = (text) => h("time", { datetime: text, title: exact(new Date(text)) }, new Date(text).toLocaleTimeString());
export const number = (n) => Number(n ?? 0).toLocaleString();
export const many = (n, one, more = one + "s") => `${number(n)} ${n === 1 ? one : more}`;

export function bytes(n) {
  return n >= 10240 ? `${Math.round(n / 1024)} KB` : `${number(n)} bytes`;
}

// cost says what an update cost until its restart: 1,234 bytes in 1.4 s. It is empty if nothing is
// known of that.
export function cost(u) {
  if (u.received === undefined && !u.seconds) return "";
  const size = u.received === undefined ? "unknown bytes" : bytes(u.received);
  if (!u.seconds) return size;
  const tenth = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${size} in ${u.seconds < 60 ? u.seconds.toLocaleString(undefined, tenth) + " s" : duration(u.seconds)}`;
}

// withoutDelta says why the whole image is downloaded, which is no failure; empty if it is not, or
// if there was no delta. It takes what a device said last.
export const withoutDelta = (update) => (update?.state === "downloading" && update.error ? `without a delta: ${update.error}` : "");

// seconds of a Go duration in nanoseconds.
export const nanoseconds = (n) => duration(n / 1e9);

// What each state looks like: a class, a sign beside the colour, and its words. Devices say what
// they like, "constructor" for one, so these have nothing that is not written here.
export const presences = {
  __proto__: null,
  ONLINE: ["good", "●", "Online"],
  OFFLINE: ["off", "○", "Offline"],
  SLEEPING: ["good", "☾", "Sleeping"],
  SILENT: ["warn", "◐", "Silent"],
  "": ["off", "?", "Unknown"],
};
export const updates = {
  __proto__: null,
  idle: ["off", "–", "Idle"],
  checking: ["busy", "↻", "Checking"],
  downloading: ["busy", "↓", "Downloading"],
  verifying: ["busy", "↓", "Verifying"],
  trial: ["busy", "△", "On trial"],
  confirmed: ["good", "✓", "Confirmed"],
  failed: ["bad", "✕", "Failed"],
  "rolled-back": ["bad", "↺", "Rolled back"],
};
export const development = ["off", "⚒", "Development build"];
export const ahead = ["off", "▲", "Ahead of its release"];
export const rollouts = {
  __proto__: null,
  running: ["busy", "▶", "Running"],
  paused: ["warn", "❚❚", "Paused"],
  aborted: ["bad", "✕", "Aborted"],
  stopped: ["bad", "✕", "Stopped by failures"],
  complete: ["good", "✓", "Generally available"],
};
export const builds = {
  __proto__: null,
  queued: ["off", "…", "Queued"],
  running: ["busy", "▶", "Running"],
  published: ["good", "✓", "Published"],
  unchanged: ["off", "=", "Unchanged"],
  failed: ["bad", "✕", "Failed"],
  refused: ["bad", "✕", "Refused"],
  skipped: ["off", "»", "Skipped"],
  interrupted: ["warn", "◐", "Interrupted"],
};
export const conditions = {
  failed: ["bad", "✕", "Failed or rolled back", "their last update failed, or they failed with the newest release"],
  "crash-looping": ["bad", "↯", "Crash-looping", "they restart again and again"],
  vanished: ["warn", "◐", "Vanished", "online or asleep by their status, but silent"],
  lagging: ["warn", "◔", "Lagging", "behind the release meant for them"],
  "unknown-version": ["warn", "?", "Unknown version", "run what was never released here"],
  "old-bootloader": ["warn", "▾", "Old bootloader", "needs the serial line"],
};

// presence is that of a device: a silent one says to be online or to sleep.
export const presence = (device) => (device.silent ? "SILENT" : device.status ?? "");

// rhythm says how often a device wakes that sleeps, and when the next time at the latest; undefined
// if it does not sleep.
export function rhythm(device) {
  const seconds = device.info?.sleep;
  if (!seconds) return undefined;
  const next = presence(device) === "SLEEPING" && device.seen ? `, next by ${minute(new Date(Date.parse(device.seen) + seconds * 1000))}` : "";
  return `at least every ${duration(seconds)}${next}`;
}

// isDevelopment says whether a device runs a development build, which has no sequence.
export const isDevelopment = (device) => device.info?.version.sequence === 0;

// isUnpublished says whether all that is wrong with an update is that there is no release for a
// development build to be replaced by.
export const isUnpublished = (device) => isDevelopment(device) && device.update?.error === "http-status" && device.update.http_status === 404 &&
  !withoutDelta(device.update);

// isAhead reports whether a device runs something newer than the newest release, which it refuses or
// is not offered; neither is a failure.
export const isAhead = (device) => device.why?.reason === "ahead";

// waitsForApproval says whether a roll-out goes on only when a person says so.
export const waitsForApproval = (s) => s.status === "running" && !s.opened && Boolean((s.plan.stages ?? [])[s.stage]?.approve);
