// The server's API, and what it tells by itself.

import { told } from "./words.js";

export class Problem extends Error {
  // opening is what is missing for the server to answer from here, if that is the problem.
  constructor(status, detail, opening) {
    super(detail);
    this.status = status;
    this.opening = opening;
  }
}

// ask asks the API, and returns the answer decoded; total is X-Total-Count, if it is there.
export async function ask(method, path, body, signal) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer. Is it running, and the network there?");
  }
  told(answer.headers.get("Date"));
  const type = answer.headers.get("Content-Type") ?? "";
  if (!answer.ok) {
    const problem = type.includes("json") ? await answer.json() : {};
    throw new Problem(answer.status, problem.detail ?? answer.statusText, problem.opening);
  }
  const value = answer.status === 204 ? null : type.includes("json") ? await answer.json() : await answer.text();
  const total = answer.headers.get("X-Total-Count");
  return total === null ? value : { items: value, total: Number(total) };
}

export const get = (path, signal) => ask("GET", path, undefined, signal);
export const post = (path, body) => ask("POST", path, body);

// query is the end of a URL with what of it is not empty.
export function query(parameters) {
  const text = new URLSearchParams(Object.entries(parameters).filter(([, v]) => v !== "" && v !== undefined && v !== null)).toString();
  return text && "?" + text;
}

const kinds = ["hello", "device", "device-removed", "rollout", "release", "feature", "setting", "build"];

// live calls happened for each event, and changed with whether there is a connection. After a gap
// there is a hello, upon which everything is to be read again. It returns how to end it.
//
// A page that nobody sees has no connection: a browser makes only six to a server (with HTTP/1.1),
// and the seventh tab would wait for ever.
export function live(happened, changed) {
  let source;
  let timer;
  let wait = 500;
  let ended = false;
  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource("/api/events");
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        let data = null;
        try {
          data = JSON.parse(event.data);
        } catch {
          return;
        }
        if (kind === "hello") {
          wait = 500;
          changed(true);
        }
        happened(kind, data);
      });
    }
    source.onerror = () => {
      source.close();
      changed(false);
      if (!ended) timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, 10000);
    };
  };
  const seen = () => {
    if (document.hidden) {
      clearTimeout(timer);
      source.close();
    } else open();
  };
  const leave = () => source.close();
  const again = (event) => event.persisted && open(); // back from the browser's cache of pages
  document.addEventListener("visibilitychange", seen);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", again);
  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    source.close();
    document.removeEventListener("visibilitychange", seen);
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", again);
  };
}
