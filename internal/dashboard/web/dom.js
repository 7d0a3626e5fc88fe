// Elements, and how a page that is drawn anew changes the one that is there.
//
// Text only ever becomes text nodes and attributes: nothing that a device publishes can become
// markup, whatever is in it.

const svgTags = new Set(["svg", "path", "line", "text", "rect"]);

// h makes an element. Properties are attributes; on… are listeners; false and null leave out.
export function h(tag, properties, ...children) {
  const svg = svgTags.has(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  element.handlers = {};
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) listen(element, name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child === false || child === null || child === undefined || child === "") continue;
    else element.append(child instanceof Node ? child : String(child));
  }
}

// listen calls a handler that can be exchanged while the listener stays.
function listen(element, type, handler) {
  if (!element.handlers[type]) element.addEventListener(type, (event) => element.handlers[type]?.(event));
  element.handlers[type] = handler;
}

// show makes an element's children be these, and keeps of the present ones what it can: focus,
// scroll position, what a person has typed or opened.
export function show(element, ...children) {
  const fresh = document.createElement("div");
  append(fresh, children);
  const focused = document.activeElement;
  patchChildren(element, fresh);
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true }); // it was moved
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function patchChildren(element, fresh) {
  const kept = new Set([...fresh.childNodes].map(keyOf));
  const keyed = new Map();
  for (const node of [...element.childNodes]) {
    if (!kept.has(keyOf(node)) && keyOf(node) !== null) node.remove();
    else if (keyOf(node) !== null) keyed.set(keyOf(node), node);
  }
  let at = element.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    let have = key !== null ? keyed.get(key) : at;
    if (have && alike(have, wanted)) {
      if (have === at) at = at.nextSibling;
      else element.insertBefore(have, at);
      patch(have, wanted);
    } else {
      element.insertBefore(wanted, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// What a person changes, and the page does not; an element whose property "theirs" is true also keeps
// its value.
const theirs = new Set(["open"]);

function patch(have, wanted) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== wanted.data) have.data = wanted.data;
    return;
  }
  for (const { name } of [...have.attributes]) {
    if (!wanted.hasAttribute(name) && !theirs.has(name)) have.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (have.getAttribute(name) !== value && !theirs.has(name)) have.setAttribute(name, value);
  }
  have.handlers ??= {};
  for (const [type, handler] of Object.entries(wanted.handlers ?? {})) listen(have, type, handler);
  const value = wanted.value; // of a select, as long as its options are there
  patchChildren(have, wanted);
  if (value !== undefined && have !== document.activeElement && !have.theirs && have.value !== value) have.value = value;
}
