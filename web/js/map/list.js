// The same hall in words: sections, rows and seats as lists and buttons, for who does not see or use the map.

import { h, set } from "../dom.js";
import { money, t } from "../i18n.js";
import { FREE } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall @typedef {import("./hall.js").Section} Section @typedef {import("./hall.js").Place} Place */

/**
 * @param {Hall} hall @param {{pick: (place: Place) => void, chosen: () => Place[], signal: AbortSignal}} options
 */
export function seatList(hall, { pick, chosen, signal }) {
  /** @type {(() => void)[]} */
  const updates = [];
  const list = hall.sections.map((section) => {
    const summary = h("span");
    const body = h("div", { class: "rows" });
    const headline = () => {
      const price = hall.from(section);
      summary.textContent = [section.counts.available ? t("map.free", { n: section.counts.available }) : t("map.none"), price ? t("from", { price: money(price) }) : ""].filter(Boolean).join(" · ");
    };
    let drawn = -1;
    const rows = () => {
      if (!details.open || !section.ready || drawn === section.revision) return;
      drawn = section.revision;
      set(body, section.rows.map((row) => rowOf(hall, section, row, pick, chosen)));
    };
    const details = h("details", { ontoggle: async () => {
      if (!details.open) return;
      if (!section.ready) set(body, h("p", { class: "dim" }, t("loading")));
      await hall.load(section).catch(() => set(body, h("p", null, t("problem.unreachable"))));
      hall.watched.add(section);
      rows();
    } }, h("summary", null, h("b", null, section.name), summary), body);
    updates.push(() => { headline(); rows(); });
    headline();
    return details;
  });
  const listener = () => updates.forEach((update) => update());
  hall.listeners.add(listener);
  const rechosen = () => { for (const button of box.querySelectorAll("button[data-at]")) mark(/** @type {HTMLButtonElement} */ (button), hall, chosen); };
  addEventListener("usher:chosen", rechosen, { signal });
  const box = h("div", null, h("p", { class: "dim" }, t("list.help")), list);
  return box;
}

/** @param {Hall} hall @param {Section} section @param {import("./hall.js").HallRow} row @param {(place: Place) => void} pick @param {() => Place[]} chosen */
function rowOf(hall, section, row, pick, chosen) {
  /** @type {any[]} */
  const free = [];
  /** What the seats from here on cost is said wherever it changes, if a section has several prices. */
  let said = section.categories.length > 1 ? -1 : section.category[row.start];
  for (let at = row.start; at < row.start + row.count; at++) {
    if (section.states[at] !== FREE && !chosen().some((it) => it.section === section && it.at === at)) continue;
    const seat = section.seats[at];
    const price = hall.categories[section.category[at]].price;
    const flags = [seat.accessible && t("seat.accessible"), seat.companion && t("seat.companion"), seat.obstructedView && t("seat.obstructed")].filter(Boolean);
    const words = [t("list.seat", { seat: seat.label ?? seat.seat }), price ? money(price) : "", ...flags].filter(Boolean).join(", ");
    const button = h("button", { type: "button", "data-at": `${section.id}:${at}`, "aria-label": words, title: words, onclick: () => pick({ section, at }) }, seat.label ?? seat.seat, seat.accessible ? " ♿" : "");
    mark(button, hall, chosen);
    if (section.category[at] !== said) free.push(h("span", { class: "rowprice", "aria-hidden": "true" }, price ? money(price) : hall.categories[section.category[at]].name));
    said = section.category[at];
    free.push(button);
  }
  return h("div", { class: "rowline", role: "group", "aria-label": t("list.row", { row: row.label }) }, h("span", { class: "rowname" }, row.label), free.length ? free : h("span", { class: "dim" }, t("map.none")));
}

/** @param {HTMLButtonElement} button @param {Hall} hall @param {() => Place[]} chosen */
function mark(button, hall, chosen) {
  const [id, at] = (button.dataset.at ?? "").split(":");
  button.setAttribute("aria-pressed", String(chosen().some((it) => it.section.id === id && it.at === Number(at))));
}
