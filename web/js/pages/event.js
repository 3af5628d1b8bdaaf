// One event and when it plays, by the clock of its venue.

import { get } from "../api.js";
import { h, icon } from "../dom.js";
import { away, elsewhere, leaf, money, number, t, when } from "../i18n.js";
import { empty, poster } from "../parts.js";
import { has } from "../session.js";

/** Shows whose counts are asked for. */
const COUNTED_MAX = 12;

/** @type {import("../main.js").Page} */
export default async function eventPage({ params, signal, title }) {
  const [event, { shows }] = await Promise.all([get(`/v1/events/${params.eventId}`, signal), get(`/v1/events/${params.eventId}/shows`, signal)]);
  title(event.title);
  const now = Date.now();
  /** @type {Show[]} */
  const ahead = shows.filter((/** @type {Show} */ show) => Date.parse(show.startsAt) > now);
  /** @type {Map<string, Show[]>} */
  const days = new Map();
  for (const show of ahead) {
    const day = when(show.startsAt, show.timeZone, { year: "numeric", month: "2-digit", day: "2-digit" });
    days.set(day, [...(days.get(day) ?? []), show]);
  }
  let counted = 0;
  const list = [...days.values()].map((shows) => {
    const { day, month, weekday } = leaf(shows[0].startsAt, shows[0].timeZone);
    return h("li", { class: "day" },
      h("div", { class: "leaf" }, h("span", null, month), h("b", null, day), h("span", null, weekday)),
      h("ul", { class: "times" }, shows.map((show) => showing(show, counted++ < COUNTED_MAX, signal))));
  });
  const artists = event.artists.length ? h("p", { class: "artists" }, event.artists.join(" · ")) : null;
  return h("article", null,
    h("header", { class: "billboard" }, poster(event), h("div", { class: "inside" },
      h("p", { class: "kind" }, t(`category.${event.category}`)), h("h1", null, event.title), artists,
      h("p", { class: "place" }, icon("pin"), [event.venueName, event.city].filter(Boolean).join(", ")))),
    h("div", { class: "page two" },
      h("section", null, h("h2", null, t("event.times")),
        list.length ? h("ol", { class: "days" }, list) : empty(t("event.none"), t("event.noneHelp"), h("a", { class: "button", href: "/" }, t("failure.home")))),
      h("aside", null, event.description && h("p", { class: "lead" }, event.description),
        event.fromPrice && h("p", { class: "price" }, t("from", { price: money(event.fromPrice) })),
        h("p", { class: "dim" }, icon("shield"), " ", t("event.promise")))));
}

/** @param {Show} show @param {boolean} counted @param {AbortSignal} signal */
function showing(show, counted, signal) {
  const { time } = leaf(show.startsAt, show.timeZone);
  const here = elsewhere(show.startsAt, show.timeZone);
  const cheapest = show.prices.reduce((/** @type {Money | null} */ least, { price }) => (least && least.amountMinor <= price.amountMinor ? least : price), null);
  const opens = Date.parse(show.onSaleAt) - Date.now();
  const state = show.status !== "ON_SALE" ? t(`show.status.${show.status}`) : opens > 0 ? t("show.opens", { when: when(show.onSaleAt, show.timeZone, { dateStyle: "medium", timeStyle: "short" }), away: away(opens) }) : "";
  const left = h("span", { class: "left" }, state || (show.waitingRoom.enabled ? t("show.waitingRoom") : " "));
  if (counted && !state) count(show, left, signal);
  const open = show.status === "ON_SALE" || show.status === "PAUSED";
  return h("li", null,
    h("a", { class: "showing", href: open ? `/shows/${show.showId}` : null, "aria-disabled": open ? null : "true" },
      h("b", { class: "time" }, time), h("span", { class: "grow" }, left, here && h("small", null, t("show.here", { time: here }))),
      h("span", { class: "price" }, cheapest ? t("from", { price: money(cheapest) }) : ""), open && h("span", { class: "go", "aria-hidden": "true" }, "→")),
    has("organiser") && h("a", { class: "small", href: `/organise/shows/${show.showId}` }, t("event.manage")));
}

/** @param {Show} show @param {Element} place @param {AbortSignal} signal */
async function count(show, place, signal) {
  try {
    /** @type {Availability} */
    const { sections, areas } = await get(`/v1/shows/${show.showId}/availability`, signal);
    const free = sections.reduce((sum, it) => sum + it.available, 0) + areas.reduce((sum, it) => sum + it.remaining, 0);
    const all = sections.reduce((sum, it) => sum + it.total, 0);
    place.textContent = free === 0 ? t("show.soldOut") : all && free / all < 0.15 ? t("show.few", { n: free }) : t("show.left", { n: free, text: number(free) });
    place.classList.toggle("few", all > 0 && free / all < 0.15);
  } catch {
    // Nothing is lost: the map says it too.
  }
}
