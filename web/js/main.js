// The shell: routes, the header and footer, and going from page to page without loading.

import { configure } from "./config.js";
import { h, say, set, svg, toast } from "./dom.js";
import { LANGUAGES, choose, speak, spoken, t } from "./i18n.js";
import { failure, frame } from "./parts.js";
import { forget, has, session } from "./session.js";

/**
 * A page: what is shown for an address. Everything it started ends with `signal`.
 * @typedef {{params: Record<string, string>, query: URLSearchParams, signal: AbortSignal, go: (path: string, replace?: boolean) => void, title: (text: string) => void}} Visit
 * @typedef {(visit: Visit) => Promise<Element> | Element} Page
 */

/** @type {[string, () => Promise<{default: Page}>][]} */
const ROUTES = [
  ["/", () => import("./pages/home.js")],
  ["/events/:eventId", () => import("./pages/event.js")],
  ["/shows/:showId", () => import("./pages/show.js")],
  ["/shows/:showId/queue", () => import("./pages/queue.js")],
  ["/bookings", () => import("./pages/bookings.js")],
  ["/bookings/:bookingId", () => import("./pages/booking.js")],
  ["/bookings/:bookingId/pay", () => import("./pages/pay.js")],
  ["/signin", () => import("./pages/signin.js")],
  ["/signin/callback", () => import("./pages/signin.js")],
  ["/organise", () => import("./pages/organise.js")],
  ["/organise/new", () => import("./pages/publish.js")],
  ["/organise/shows/:showId", () => import("./pages/board.js")],
  ["/door", () => import("./pages/door.js")],
  ["/door/:showId", () => import("./pages/door.js")],
];

/** @type {AbortController | undefined} */
let leaving;

/** @param {string} path */
function match(path) {
  const parts = path.replace(/\/+$/, "").split("/");
  for (const [pattern, load] of ROUTES) {
    const wanted = pattern.replace(/\/+$/, "").split("/");
    if (wanted.length !== parts.length) continue;
    /** @type {Record<string, string>} */
    const params = {};
    const fits = wanted.every((part, at) => part.startsWith(":") ? (params[part.slice(1)] = decodeURIComponent(parts[at])) : part === parts[at]);
    if (fits) return { load, params };
  }
  return null;
}

/** @param {string} path @param {boolean} [replace] */
export function go(path, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  show(true);
}

/** @param {boolean} moved whether a person went somewhere, rather than came */
async function show(moved) {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const found = match(location.pathname);
  header();
  const title = (/** @type {string} */ text) => { document.title = text ? `${text} · Usher` : "Usher"; };
  title("");
  if (moved) scrollTo(0, 0);
  const slow = setTimeout(() => { if (!signal.aborted) set(main, frame()); }, 120);
  try {
    if (!found) throw Object.assign(new Error("page"), { slug: "no-page" });
    const page = (await found.load()).default;
    const visit = { params: found.params, query: new URLSearchParams(location.search), signal, go, title };
    const node = await page(visit);
    if (signal.aborted) return;
    set(main, node);
    if (moved) {
      main.focus({ preventScroll: true });
      say(document.title);
    }
  } catch (why) {
    if (signal.aborted) return;
    if (!(/** @type {any} */ (why).slug)) console.error(why);
    set(main, failure(why, () => show(false)));
  } finally {
    clearTimeout(slow);
  }
}

function header() {
  const here = location.pathname;
  const link = (/** @type {string} */ path, /** @type {string} */ words) => h("a", { href: path, "aria-current": here === path ? "page" : null }, words);
  const who = session();
  const next = encodeURIComponent(here + location.search);
  set(/** @type {Element} */ (document.getElementById("top")),
    h("a", { class: "brand", href: "/", "aria-label": t("brand.home") }, mark(), "Usher"),
    h("nav", { "aria-label": t("nav.label") },
      link("/bookings", t("nav.bookings")),
      has("organiser") && link("/organise", t("nav.organise")),
      has("door") && link("/door", t("nav.door")),
      who
        ? h("details", { class: "who" },
          h("summary", { "aria-label": t("nav.account", { name: who.name }) }, h("span", { class: "initial", "aria-hidden": "true" }, [...who.name][0]?.toUpperCase() ?? "?")),
          h("div", { class: "menu" }, h("p", null, who.name), h("button", { type: "button", onclick: leave }, t("nav.signOut"))))
        : h("a", { class: "enter", href: `/signin?next=${next}` }, t("nav.signIn"))));
  const language = h("select", { "aria-label": t("nav.language"), onchange: changeLanguage },
    Object.entries(LANGUAGES).map(([tag, name]) => h("option", { value: tag, ".selected": tag === spoken() }, name)));
  set(/** @type {Element} */ (document.getElementById("foot")),
    h("p", null, t("foot.promise")),
    h("div", null, language, h("a", { href: "/signin?as=organiser" }, t("foot.organisers")), h("a", { href: "/door" }, t("foot.door"))));
}

/** Three rows of a house, and one seat in the light. */
function mark() {
  const row = (/** @type {number} */ r, /** @type {string} */ dash) => svg("path", { d: `M${16 - r} 27a${r} ${r} 0 0 1 ${2 * r} 0`, fill: "none", stroke: "#f5eee4", "stroke-width": 3.4, "stroke-dasharray": dash, "stroke-linecap": "round", opacity: 0.85 });
  return svg("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" }, row(7, "0.1 5.4"), row(13.2, "0.1 5.9"), svg("circle", { cx: 22.6, cy: 15.6, r: 3.6, fill: "#f4b942" }));
}

function leave() {
  forget();
  toast(t("signedOut"));
  go("/");
}

/** @param {{target: HTMLSelectElement}} event */
async function changeLanguage(event) {
  await choose(event.target.value);
  labels();
  show(false);
}

function labels() {
  const skip = document.querySelector(".skip");
  if (skip) skip.textContent = t("skip");
}

/** Links within the app are followed without loading. @param {MouseEvent} event */
function follow(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin || link.hasAttribute("download")) return;
  if (/^\/(v1|dev|sandbox|live)(\/|$)/.test(link.pathname)) return;
  if (link.hash && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

async function start() {
  const configured = configure().catch(() => {});
  await speak();
  await configured;
  labels();
  document.addEventListener("click", follow);
  addEventListener("popstate", () => show(false));
  addEventListener("usher:session", header);
  await show(false);
}

start();
