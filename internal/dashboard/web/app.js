// The dashboard: which page is shown, what it is told, and who looks at it.

import { Problem, ask, get, live } from "./api.js";
import { h, show } from "./dom.js";
import { opening } from "./opening.js";
import { button, empty, link, notice, section } from "./parts.js";
import * as build from "./pages/build.js";
import * as builds from "./pages/builds.js";
import * as device from "./pages/device.js";
import * as fleet from "./pages/fleet.js";
import * as releases from "./pages/releases.js";
import * as rollout from "./pages/rollout.js";

const routes = [
  [/^\/$/, fleet],
  [/^\/devices\/([0-9a-f]{6})$/, device],
  [/^\/releases$/, releases],
  [/^\/rollouts\/([^/]+)$/, rollout],
  [/^\/builds$/, builds],
  [/^\/builds\/(\d+)$/, build],
];
const places = [["/", "Fleet"], ["/releases", "Releases"], ["/builds", "Builds"]];
const rights = { viewer: ["viewer"], operator: ["viewer", "operator"], publisher: ["viewer", "publisher"], local: ["viewer", "operator", "publisher"] };

// page is what is shown now: its module, what it is about, what it has read, and what the person
// has chosen in it.
let page = null;
let me = null;
let connected = null;
let endLive = null;

// context is what pages get to draw and act with.
const context = {
  can: (role) => rights[me?.role]?.includes(role) ?? false,
  draw: () => draw(),
  reload: () => reload(),
  go: (path) => navigate(path),
  // act does something, tells how it went, and reads the page again.
  async act(words, doing) {
    try {
      await doing();
      notice(words);
    } catch (error) {
      failed(error);
    }
    await reload();
  },
};

// unknown says that the server does not know who looks: it asks for a token, or says no more than
// that somebody there has tried too often.
const unknown = (error) => error.status === 401 || error.status === 429;

function failed(error) {
  if (error.name === "AbortError") return;
  if (unknown(error)) signIn();
  else notice(error instanceof Problem ? error.message : "The page failed: " + error.message, true);
  if (!(error instanceof Problem)) console.error(error);
}

function header() {
  const at = location.pathname;
  const current = (path) => (path === "/" ? at === "/" || at.startsWith("/devices") : at.startsWith(path) || (path === "/releases" && at.startsWith("/rollouts")));
  show(document.getElementById("header"), h("div", { class: "bar" },
    h("a", { class: "brand", href: "/" }, "ESPer"),
    me && h("nav", { "aria-label": "Pages" }, places.map(([path, words]) => h("a", { href: path, "aria-current": current(path) && "page" }, words))),
    me && h("div", { class: "who" },
      h("span", { role: "status" }, connected === null ? "Connecting…" : connected ? "● Live" : "○ No connection, trying again…"),
      me.name && h("span", { title: "role: " + me.role }, me.name),
      me.session && button("Sign out", signOut, { class: "plain" }))));
}

function draw() {
  header();
  if (!page) return;
  const main = document.getElementById("main");
  if (page.error) {
    document.title = "Not shown · ESPer";
    show(main, h("h1", { class: "unseen" }, "Not shown"), empty(page.error.status === 404 ? "There is no such page" : "This cannot be shown", h("p", null, page.error.message), h("p", null, link("/", "To the fleet"))));
    return;
  }
  if (page.data === undefined) {
    show(main, h("p", { class: "quiet", "aria-busy": "true" }, "Loading…"));
    return;
  }
  show(main, page.module.view(page.data, page.state, context, page.parameter));
  document.title = page.module.title(page.data, page.parameter) + " · ESPer";
}

// readings are how many times the page is being read. What happens meanwhile may not be in the
// answer yet, so then it is read once more.
let readings = 0;
let more = false;

async function reload() {
  const now = page;
  if (!now?.module) return;
  now.abort?.abort();
  now.abort = new AbortController();
  readings++;
  try {
    now.data = await now.module.load(now.parameter, now.state, now.abort.signal);
    now.error = null;
  } catch (error) {
    if (error.name === "AbortError" || now !== page) return;
    if (unknown(error)) return signIn();
    if (now.data === undefined || error.status === 404) now.error = error;
    else if (error.status) failed(error);
    if (!(error instanceof Problem)) console.error(error);
  } finally {
    readings--;
    if (more && !readings) {
      more = false;
      soon();
    }
  }
  if (now === page) draw();
}

// soon reads the page again, once for however many events, and not more than twice a second.
let timer = null;
let drawing = null;
function soon() {
  if (readings) more = true;
  else timer ??= setTimeout(() => {
    timer = null;
    reload();
  }, 400);
}

function happened(kind, data) {
  if (!page) return;
  if (kind === "hello") return soon(); // also while it is read the first time, which may have been too early
  // A page may take an event in by itself; it says so, or that it
  // has taken in what it could ("changed"), or that the event is not its business.
  const taken = page.data !== undefined && page.module.happened?.(kind, data, page.data, page.parameter, page.state);
  if (taken === "drawn") draw();
  if (taken === "changed") drawing ??= setTimeout(() => { drawing = null; draw(); }, 30); // there may be many
  if (taken !== "ignored" && (taken !== "drawn" || readings)) soon();
}

function navigate(path, replace) {
  if (path !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", path);
  arrive();
  document.getElementById("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function arrive() {
  page?.abort?.abort();
  page?.module?.leave?.(page.state);
  let path = "";
  try {
    path = decodeURIComponent(location.pathname);
  } catch {} // it is no text
  for (const [pattern, module] of routes) {
    const match = path.match(pattern);
    if (match) {
      page = { module, parameter: match[1], state: module.start?.(new URLSearchParams(location.search)) ?? {} };
      draw();
      reload();
      return;
    }
  }
  page = { error: new Problem(404, location.pathname + " is not a page of the dashboard.") };
  draw();
}

document.addEventListener("click", (event) => {
  const a = event.target.closest("a[href]");
  if (!a || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (a.className === "skip") { // without a fragment in the address, which would be a page of its own in the history
    event.preventDefault();
    document.getElementById("main").focus();
    return;
  }
  const target = new URL(a.href);
  if (target.origin !== location.origin || target.hash || a.hasAttribute("download") || !routes.some(([p]) => p.test(target.pathname))) return;
  event.preventDefault();
  navigate(target.pathname + target.search);
});
addEventListener("popstate", arrive);
setInterval(() => document.hidden || draw(), 10000); // times ago

function signIn(message) {
  endLive?.();
  endLive = null;
  page = null;
  me = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close(); // nothing behind it could be reached
  header();
  document.title = "Sign in · ESPer";
  show(document.getElementById("main"), h("div", { class: "signin" }, section("Sign in", {},
    h("form", { onsubmit: async (event) => {
      event.preventDefault();
      const field = document.getElementById("token");
      try {
        await ask("POST", "/session", { token: field.value.trim() });
        field.value = "";
        await start();
      } catch (error) {
        signIn(error.message);
      }
    } },
    h("label", null, "Token", h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "token-hint" })),
    message && h("p", { role: "alert", class: "badge bad" }, message),
    h("p", { class: "hint", id: "token-hint" }, "Made on the server: ", h("code", null, "esper token add NAME --role operator")),
    h("button", { class: "primary" }, "Sign in")))));
  document.getElementById("token").focus();
}

async function signOut() {
  try {
    await ask("DELETE", "/session");
  } finally {
    signIn();
  }
}

async function start() {
  try {
    me = await get("/session");
  } catch (error) {
    if (unknown(error)) return signIn(error.status === 429 && error.message);
    header();
    document.title = "Not open yet · ESPer";
    show(document.getElementById("main"), error.opening ? opening(error, start)
      : [h("h1", { class: "unseen" }, "ESPer"), empty("The dashboard cannot be used from here", h("p", null, error.message), button("Try again", start))]);
    return;
  }
  endLive?.();
  endLive = live(happened, (there) => {
    connected = there;
    header();
    if (!there) get("/session").catch((error) => unknown(error) && signIn());
  });
  arrive();
}

start();
