// Making elements, and telling people what happened. No framework: a page is a function that returns an element.

/** @typedef {Node | string | number | false | null | undefined | Child[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `on…` is a listener, `class` its classes, `style` an object (set through the CSSOM: our policy forbids inline styles),
 * a name that begins with a dot a property; false, null and undefined leave an attribute out.
 * @param {string} tag @param {Record<string, any> | null} [attributes] @param {...Child} children
 * @returns {any}
 */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. @param {string} tag @param {Record<string, any> | null} [attributes] @param {...Child} children @returns {any} */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** @param {any} element @param {Record<string, any> | null | undefined} attributes @param {Child[]} children */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else if (name === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** @param {Node} parent @param {Child[]} children */
function append(parent, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(parent, child);
    else if (child !== false && child !== null && child !== undefined) parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces what is inside. @param {Element} parent @param {...Child} children */
export function set(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/** Says it to screen readers, once. @param {string} text */
export function say(text) {
  const place = document.getElementById("said");
  if (!place) return;
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
}

/** A note at the edge that goes by itself. @param {string} text @param {"good" | "bad" | "plain"} [kind] */
export function toast(text, kind = "plain") {
  const note = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), 6000);
}

/**
 * A modal dialog; closes with Escape. Resolves with what `close` was called with, or undefined.
 * @template T @param {string} title @param {(close: (value?: T) => void) => Child} content @returns {Promise<T | undefined>}
 */
export function dialog(title, content) {
  return new Promise((resolve) => {
    /** @type {T | undefined} */
    let outcome;
    const box = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => { box.remove(); resolve(outcome); } });
    const close = (/** @type {T | undefined} */ value) => { outcome = value; box.close(); };
    append(box, [h("h2", { id: "dialog-title" }, title), content(close)]);
    box.addEventListener("click", (/** @type {MouseEvent} */ event) => { if (event.target === box) close(undefined); });
    document.body.append(box);
    box.showModal();
  });
}

/** After `milliseconds`, or at once when the page is left. @param {number} milliseconds @param {AbortSignal} [signal] @returns {Promise<void>} */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/** Whether motion should be left out. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Drawn for this app, 24 by 24. @type {Record<string, string>} */
const ICONS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm4.8 11.3L21 21",
  close: "M5 5l14 14M19 5 5 19",
  plus: "M12 4v16M4 12h16",
  minus: "M4 12h16",
  check: "M4 12.5 9.5 18 20 6.5",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17ZM12 7v5.5l3.5 2",
  pin: "M12 21s-7-6.2-7-11.2A7 7 0 0 1 19 9.8C19 14.8 12 21 12 21Zm0-8.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4Z",
  calendar: "M4.5 6h15v14h-15zM4.5 10.5h15M8.5 3.5v4M15.5 3.5v4",
  ticket: "M3.5 7.5h17v3.2a1.8 1.8 0 0 0 0 3.6v3.2h-17v-3.2a1.8 1.8 0 0 0 0-3.6zM14 8v2m0 2v2m0 2v1.5",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  wheelchair: "M10.5 5.2a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2ZM10.5 7v6h5.5l2.5 6M11 9.5h4.5M8 11.5a5 5 0 1 0 6.5 6.3",
  spark: "M12 3l2 6.5L20.5 12 14 14l-2 7-2-7-6.5-2L10 9.5z",
  list: "M8.5 6.5H20M8.5 12H20M8.5 17.5H20M4 6.5h.01M4 12h.01M4 17.5h.01",
  map: "M9 4.5 3.5 7v12.5L9 17l6 2.5 5.5-2.5V4.5L15 7zM9 4.5V17m6-10v12.5",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7.5 8.5c.8-4 3.7-6 7.5-6s6.7 2 7.5 6",
  back: "M19 12H5m6-6-6 6 6 6",
  download: "M12 4v11m-5-4.5 5 5 5-5M5 20h14",
  warn: "M12 4 2.8 20h18.4zM12 10v4.5m0 2.6v.4",
  shield: "M12 3.5 5 6v5.5c0 4.6 3 7.7 7 9 4-1.3 7-4.4 7-9V6zM9 12l2.2 2.2L15.2 10",
  scan: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M4 12h16",
  gauge: "M4 18a8.5 8.5 0 1 1 16 0M12 14l4-5",
};

/** @param {string} name @param {string} [label] said by screen readers; without one the icon is only seen */
export function icon(name, label) {
  const attributes = { viewBox: "0 0 24 24", class: "icon", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) };
  return svg("svg", attributes, svg("path", { d: ICONS[name] ?? "" }));
}
