// Parts that several pages are made of.

import { h, icon, svg } from "./dom.js";
import { away, countdown, knows, money, t } from "./i18n.js";
import { once } from "./api.js";

/** What stands while a page is on its way: as high as most pages, so that nothing jumps. */
export const frame = () => h("div", { class: "page frame", role: "status", "aria-busy": "true", "aria-label": t("loading") }, h("div", { class: "bone tall" }), h("div", { class: "bone" }), h("div", { class: "bone" }));

/**
 * A sentence a person can act on, for every problem the API knows.
 * @param {any} problem
 */
export function sentence(problem) {
  const slug = problem?.slug ?? "internal";
  const extras = problem?.document ?? {};
  const name = knows(`problem.${slug}`) ? `problem.${slug}` : "problem.other";
  const wait = problem?.retryAfter ? t("problem.wait", { n: problem.retryAfter }) : "";
  return [t(name, { limit: extras.limit, held: extras.held, detail: problem?.message ?? "", n: extras.limit ?? 0 }), wait].filter(Boolean).join(" ");
}

/** A page for when there is none. @param {any} problem @param {() => void} [again] */
export function failure(problem, again) {
  const gone = problem?.slug === "not-found" || problem?.slug === "no-page";
  return h("section", { class: "page empty" },
    h("div", { class: "beam", "aria-hidden": "true" }),
    h("h1", null, gone ? t("failure.gone") : t("failure.title")),
    h("p", null, sentence(problem)),
    h("div", { class: "actions" },
      again && !gone && h("button", { class: "primary", type: "button", onclick: again }, t("again")),
      problem?.slug === "unauthenticated" && h("a", { class: "button primary", href: `/signin?next=${encodeURIComponent(location.pathname)}` }, t("nav.signIn")),
      h("a", { class: "button", href: "/" }, t("failure.home"))));
}

/** @param {string} title @param {string} words @param {...any} more */
export const empty = (title, words, ...more) => h("section", { class: "empty" }, h("div", { class: "beam", "aria-hidden": "true" }), h("h2", null, title), h("p", null, words), more);

/** A notice inside a page. @param {"info" | "good" | "bad" | "warn"} kind @param {...any} words */
export const notice = (kind, ...words) => h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, icon({ info: "clock", good: "check", bad: "warn", warn: "warn" }[kind]), h("div", null, words));

/** The show of an id with its event; both rarely change. @param {string} showId @returns {Promise<{show: Show, event: EventDetail}>} */
export async function showAndEvent(showId) {
  const show = await once(`/v1/shows/${showId}`);
  const event = await once(`/v1/events/${show.eventId}`);
  return { show, event };
}

/** @param {{fromPrice?: Money | null}} it */
export const fromPrice = (it) => it.fromPrice ? t("from", { price: money(it.fromPrice) }) : "";

/** A number of 0 to 1 from text, always the same. @param {string} text @param {number} salt */
function chance(text, salt) {
  let mixed = 2166136261 ^ salt;
  for (let at = 0; at < text.length; at++) mixed = Math.imul(mixed ^ text.charCodeAt(at), 16777619);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 2246822519);
  return ((mixed ^ (mixed >>> 13)) >>> 0) / 4294967296;
}

/** Ground, two figures, light. */
const INKS = [
  ["#2a1533", "#8c2f5e", "#d9575a", "#f7c35f"], ["#0f2a3a", "#1d6276", "#5fb0a5", "#f5dfa2"], ["#33130f", "#a33a24", "#e58a3c", "#fbe3b1"],
  ["#16203f", "#3b4b9a", "#8b7bd8", "#ffd9a0"], ["#11291f", "#2c6b4a", "#9db658", "#f9e9a6"], ["#2c1020", "#6d1f45", "#c25b7c", "#f3c9b0"],
];

/**
 * A poster for an event that has no picture: composed from its id, in the manner of its kind, and the same everywhere.
 * @param {{eventId: string, category: string, title: string}} event
 */
export function poster(event) {
  const roll = (/** @type {number} */ salt) => chance(event.eventId, salt);
  const [ground, one, two, light] = INKS[Math.floor(roll(1) * INKS.length)];
  const draw = { theatre: curtains, concerts: waves, sports: lanes, movies: reels }[event.category] ?? waves;
  return svg("svg", { class: "poster", viewBox: "0 0 300 200", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: 300, height: 200, fill: ground }), draw(roll, one, two, light));
}

/** @typedef {(salt: number) => number} Roll */

/** @param {Roll} roll @param {string} one @param {string} two @param {string} light */
function curtains(roll, one, two, light) {
  const lean = 110 + roll(2) * 80;
  const folds = (/** @type {boolean} */ right) => [0, 1, 2, 3, 4].map((n) => {
    const width = 13 + roll(10 + n) * 9;
    const x = right ? 300 - n * 19 - width : n * 19;
    const sway = (right ? -1 : 1) * (26 - n * 4);
    return svg("path", { d: `M${x} 0h${width}q${sway} 110 0 200h${-width}q${sway * 0.7} -90 0 -200z`, fill: n % 2 ? two : one, opacity: 0.96 - n * 0.06 });
  });
  return [
    svg("path", { d: `M150 -10 L${lean + 70} 200 L${lean - 70} 200Z`, fill: light, opacity: 0.3 }),
    svg("ellipse", { cx: lean, cy: 182, rx: 66, ry: 15, fill: light, opacity: 0.75 }),
    folds(false), folds(true),
    svg("path", { d: "M0 0h300v14q-25 18-50 0t-50 0t-50 0t-50 0t-50 0t-50 0z", fill: one }),
  ];
}

/** @param {Roll} roll @param {string} one @param {string} two @param {string} light */
function waves(roll, one, two, light) {
  const x = 60 + roll(2) * 180;
  const rings = [150, 122, 96, 72, 50, 30].map((radius, n) => svg("circle", { cx: x, cy: 200, r: radius * (0.9 + roll(4) * 0.3), fill: "none", stroke: n % 2 ? two : one, "stroke-width": 13 - n, opacity: 0.95 }));
  const strings = [0, 1, 2, 3, 4, 5].map((n) => {
    const y = 34 + n * 13;
    return svg("path", { d: `M0 ${y}q75 ${-24 + roll(20 + n) * 48} 150 0t150 0`, fill: "none", stroke: light, "stroke-width": 1.6, opacity: 0.75 });
  });
  return [rings, strings, svg("circle", { cx: x, cy: 200, r: 17, fill: light })];
}

/** @param {Roll} roll @param {string} one @param {string} two @param {string} light */
function lanes(roll, one, two, light) {
  const bands = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => svg("path", { d: `M${-90 + n * 52} 200 L${40 + n * 52} 0h26L${-64 + n * 52} 200Z`, fill: n % 2 ? one : two, opacity: n % 2 ? 0.9 : 0.55 }));
  const x = 90 + roll(2) * 120;
  return [
    bands,
    svg("circle", { cx: x, cy: 100, r: 46, fill: "none", stroke: light, "stroke-width": 4 }),
    svg("path", { d: `M${x} -5V205`, stroke: light, "stroke-width": 4 }),
    svg("circle", { cx: x + 80 * (roll(5) > 0.5 ? 1 : -1), cy: 62 + roll(3) * 60, r: 13, fill: light }),
  ];
}

/** @param {Roll} roll @param {string} one @param {string} two @param {string} light */
function reels(roll, one, two, light) {
  const y = 60 + roll(2) * 70;
  const holes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [svg("rect", { x: 9 + n * 30, y: 9, width: 14, height: 10, rx: 2, fill: light, opacity: 0.8 }), svg("rect", { x: 9 + n * 30, y: 181, width: 14, height: 10, rx: 2, fill: light, opacity: 0.8 })]);
  return [
    svg("path", { d: `M-10 ${y} L310 ${y - 70} V${y + 90}Z`, fill: light, opacity: 0.28 }),
    svg("circle", { cx: 210, cy: y + 10, r: 62, fill: one }), svg("circle", { cx: 92 + roll(4) * 40, cy: y + 28, r: 40, fill: two, opacity: 0.9 }),
    svg("rect", { width: 300, height: 28, fill: "#000", opacity: 0.5 }), svg("rect", { y: 172, width: 300, height: 28, fill: "#000", opacity: 0.5 }), holes,
  ];
}

/**
 * A countdown that is honest: the time left by the server's clock when it answered, less the time the answer took, and from then on by a clock that nobody can set.
 * @param {any} booking @returns {number} the moment, by performance.now(), at which it is over
 */
export const deadline = (booking) => (booking.asked ?? performance.now()) + (Date.parse(booking.expiresAt) - Date.parse(booking.serverTime));

/**
 * Shows the time that is left until `end()` and calls `over` once it is gone.
 * @param {() => number} end @param {number} whole milliseconds that the full ring means @param {AbortSignal} signal @param {() => void} over
 */
export function timer(end, whole, signal, over) {
  const ring = svg("circle", { class: "left", cx: 22, cy: 22, r: 19, pathLength: 100, "stroke-dasharray": "100 100" });
  const digits = h("span", { class: "digits", role: "timer", "aria-live": "off" });
  const box = h("div", { class: "timer" }, svg("svg", { viewBox: "0 0 44 44", "aria-hidden": "true" }, svg("circle", { cx: 22, cy: 22, r: 19 }), ring), digits);
  let done = false;
  const tick = () => {
    const left = end() - performance.now();
    digits.textContent = countdown(left);
    ring.setAttribute("stroke-dasharray", `${Math.max(0, Math.min(100, (100 * left) / whole))} 100`);
    box.classList.toggle("short", left < 60_000);
    if (left > 0) done = false;
    else if (!done) { done = true; over(); }
  };
  tick();
  const interval = setInterval(tick, 250);
  signal.addEventListener("abort", () => clearInterval(interval), { once: true });
  return box;
}

/** "as of": how old what is shown can be. @param {AbortSignal} signal */
export function freshness(signal) {
  const words = h("span", null, t("fresh.waiting"));
  const box = h("p", { class: "fresh" }, h("i", { "aria-hidden": "true" }), words);
  let at = 0;
  const tick = () => {
    if (!at) return;
    const age = Math.round((performance.now() - at) / 1000);
    const stale = age > 6;
    box.classList.toggle("stale", stale);
    words.textContent = stale ? t("fresh.stale", { ago: away(-age * 1000) }) : t("fresh.live");
  };
  const interval = setInterval(tick, 1000);
  signal.addEventListener("abort", () => clearInterval(interval), { once: true });
  return { box, fresh: (/** @type {boolean} */ ok) => { if (ok) at = performance.now(); tick(); } };
}

/** "Stalls · Row C · Seat 12", in the plan's own labels where `plans` has them. @param {BookedSeat} seat @param {Record<string, SectionPlan>} [plans] */
export function seatName(seat, plans = {}) {
  const section = plans[seat.section];
  const row = section?.rows.find((it) => it.row === seat.row);
  const place = row?.seats.find((it) => it.seat === seat.seat);
  return t("seat.name", { section: section?.name ?? seat.section, row: row?.label ?? seat.row, seat: place?.label ?? seat.seat });
}

/** What the areas of a booking are called. @param {Booking} booking @param {Show} show @returns {Promise<Record<string, string>>} */
export async function areaNames(booking, show) {
  if (!booking.areas.length) return {};
  /** @type {Plan | null} */
  const plan = await once(`/v1/shows/${show.showId}/plan?v=${show.planVersion}`).catch(() => null);
  return Object.fromEntries((plan?.areas ?? []).map((area) => [area.areaId, area.name]));
}

/** The seats of a booking by their labels. @param {Booking} booking @param {Show} show @returns {Promise<Record<string, SectionPlan>>} */
export async function plansOf(booking, show) {
  const ids = [...new Set(booking.seats.map((seat) => seat.section))];
  const plans = await Promise.all(ids.map((id) => once(`/v1/shows/${show.showId}/sections/${id}/plan?v=${show.planVersion}`).catch(() => null)));
  return Object.fromEntries(ids.map((id, at) => [id, plans[at]]).filter(([, plan]) => plan));
}
