// Reads a plan in pretix's open format just far enough to show it before it is sent: the platform is who judges it.

import { Hall } from "./map/hall.js";

/** Where a fault is, in words, and the seat nearest to it. @typedef {{words: {zone?: number, row?: number, seat?: number}, excerpt: string}} Spot */

/** @param {any} position */
const at = (position) => ({ x: Number(position?.x) || 0, y: Number(position?.y) || 0 });

/** A hall of a document's seats, all free. @param {any} document @param {AbortSignal} signal */
export function preview(document, signal) {
  const declared = (document.categories ?? []).map((/** @type {any} */ it) => String(it?.name ?? ""));
  const names = declared.length ? declared : ["Standard"];
  /** @type {SectionPlan[]} */
  const sections = [];
  /** @type {Decoration[]} */
  const decorations = [];
  (Array.isArray(document.zones) ? document.zones : []).forEach((/** @type {any} */ zone, /** @type {number} */ z) => {
    const origin = at(zone?.position);
    const rows = (Array.isArray(zone?.rows) ? zone.rows : []).map((/** @type {any} */ row, /** @type {number} */ r) => {
      const start = at(row?.position);
      const seats = (Array.isArray(row?.seats) ? row.seats : []).map((/** @type {any} */ seat, /** @type {number} */ s) => {
        const place = at(seat?.position);
        return {
          seatId: `${z}:${r}:${s}`, seat: String(seat?.seat_number ?? s + 1), x: origin.x + start.x + place.x, y: origin.y + start.y + place.y,
          category: names.includes(seat?.category) ? seat.category : names[0], accessible: Boolean(seat?.accessible), companion: Boolean(seat?.companion), obstructedView: Boolean(seat?.obstructed_view ?? seat?.obstructedView),
        };
      });
      return { row: String(r), label: String(row?.row_number ?? r + 1), seats };
    });
    if (rows.some((/** @type {any} */ row) => row.seats.length)) sections.push({ sectionId: String(z), name: String(zone?.name ?? zone?.zone_id ?? z + 1), rows });
    for (const area of zone?.areas ?? []) {
      const place = at(area?.position);
      const [width, height] = [area?.rectangle?.width ?? area?.width, area?.rectangle?.height ?? area?.height];
      if (width > 0 && height > 0) decorations.push({ shape: "rectangle", x: origin.x + place.x, y: origin.y + place.y, width, height, text: area?.text?.text ?? (typeof area?.text === "string" ? area.text : undefined) });
    }
  });
  const count = sections.reduce((sum, section) => sum + section.rows.reduce((inner, row) => inner + row.seats.length, 0), 0);
  const show = /** @type {any} */ ({ showId: "preview", prices: [], planVersion: 1 });
  /** @type {Plan} */
  const plan = {
    planId: "", version: 1, name: String(document.name ?? ""), categories: names.map((/** @type {string} */ name) => ({ categoryId: name, name, color: "" })), areas: [], decorations,
    sections: sections.map((section) => ({ sectionId: section.sectionId, name: section.name, seatCount: section.rows.reduce((sum, row) => sum + row.seats.length, 0), categories: [], outline: [] })),
  };
  const hall = new Hall(show, plan, signal);
  hall.categories.forEach((category, rank) => { category.rank = rank; });
  for (const section of sections) {
    const made = hall.byId.get(section.sectionId);
    if (!made) continue;
    hall.place(made, section);
    made.ready = made.asked = true;
  }
  return { hall, count, categories: names };
}

/** What a JSON pointer means in such a document. @param {any} document @param {string} pointer within the document @returns {Spot} */
export function spot(document, pointer) {
  const parts = pointer.split("/").slice(1).map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  /** @type {any} */
  let node = document;
  /** @type {any} */
  let seen = document;
  for (const part of parts) {
    node = node?.[part];
    if (node !== undefined) seen = node;
  }
  /** @type {Record<string, number>} */
  const words = {};
  parts.forEach((part, index) => {
    const name = { zones: "zone", rows: "row", seats: "seat" }[part];
    if (name && parts[index + 1] !== undefined) words[name] = Number(parts[index + 1]);
  });
  const text = JSON.stringify(node === undefined ? seen : node) ?? "";
  return { words, excerpt: text.length > 140 ? `${text.slice(0, 140)}…` : text };
}
