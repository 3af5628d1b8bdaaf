// From a clock on a wall to a moment, and from typed money to minor units.

import { exponent } from "./i18n.js";

/**
 * The moment at which clocks of a zone show this (`2026-12-24T19:30`). Where an hour is left out in spring it is the later one; where one comes twice, the first.
 * @param {string} local @param {string} timeZone
 */
export function moment(local, timeZone) {
  const wanted = Date.parse(`${local}:00Z`.replace(/(:\d\d):00:00Z$/, "$1:00Z"));
  const format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  const shown = (/** @type {number} */ at) => {
    const part = Object.fromEntries(format.formatToParts(at).map((it) => [it.type, Number(it.value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  };
  let at = wanted;
  for (let tries = 0; tries < 3; tries++) at += wanted - shown(at);
  return new Date(at).toISOString();
}

/**
 * Minor units of an amount as people type it: `1,234.50`, `1.234,50`, `12`. Nothing passes through a fraction of a float.
 * @param {string} text @param {string} currency @returns {number | null}
 */
export function minor(text, currency) {
  const places = exponent(currency);
  const plain = text.trim().replace(/[\s'’]/g, "");
  const found = /^(\d+(?:[.,]\d{2,3})*?)(?:[.,](\d{1,2}))?$/.exec(plain);
  if (!found) return null;
  const [, whole, part = ""] = found;
  if (part.length > places && Number(part) !== 0) return null;
  const amount = Number(whole.replace(/[.,]/g, "")) * 10 ** places + Number(part.padEnd(places, "0").slice(0, places) || 0);
  return Number.isSafeInteger(amount) && amount > 0 ? amount : null;
}

/** Minor units as one types them. @param {number} amountMinor @param {string} currency */
export function typed(amountMinor, currency) {
  const places = exponent(currency);
  const text = String(amountMinor).padStart(places + 1, "0");
  return places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text;
}
