// An organiser's shows. The platform has no list by owner: it is made from what this browser published and from what is listed and answers to this person.

import { call, get } from "../api.js";
import { h } from "../dom.js";
import { number, t, when } from "../i18n.js";
import { empty, failure, poster } from "../parts.js";
import { has, session } from "../session.js";
import { published } from "../published.js";

/** Events that are looked through. */
const LISTED_MAX = 40;

/** @type {import("../main.js").Page} */
export default async function organise({ signal, title }) {
  title(t("nav.organise"));
  if (!session()) return failure({ slug: "unauthenticated" });
  if (!has("organiser")) return failure({ slug: "forbidden" });
  const { events } = await get(`/v1/events?limit=${LISTED_MAX}`, signal);
  const ids = [...new Set([...published().events, ...events.map((/** @type {EventSummary} */ it) => it.eventId)])];
  const found = await Promise.all(ids.map((id) => mine(id, signal)));
  const own = found.filter((it) => it !== null);
  return h("section", { class: "page" },
    h("div", { class: "bar" }, h("h1", null, t("organise.title")), h("a", { class: "button primary", href: "/organise/new" }, t("organise.new"))),
    own.length ? h("div", { class: "owned" }, own) : empty(t("organise.none"), t("organise.noneWords"), h("a", { class: "button primary", href: "/organise/new" }, t("organise.new"))));
}

/** The event with its shows, if it is this person's. @param {string} id @param {AbortSignal} signal */
async function mine(id, signal) {
  try {
    const [event, { shows }] = await Promise.all([get(`/v1/events/${id}`, signal), get(`/v1/events/${id}/shows`, signal)]);
    if (!shows.length) return published().events.includes(id) ? card(event, []) : null;
    // Somebody else's show answers 404 to whoever asks for its sales.
    const first = await call("GET", `/v1/shows/${shows[0].showId}/sales`, { signal });
    const rest = await Promise.all(shows.slice(1, 8).map((/** @type {Show} */ show) => call("GET", `/v1/shows/${show.showId}/sales`, { signal })));
    return card(event, shows.map((/** @type {Show} */ show, /** @type {number} */ at) => ({ show, sales: [first, ...rest][at] })));
  } catch {
    return null;
  }
}

/** @param {EventDetail} event @param {{show: Show, sales: any}[]} shows */
function card(event, shows) {
  return h("article", { class: "own" },
    h("div", { class: "thumb" }, poster(event)),
    h("div", { class: "grow" }, h("h2", null, event.title), h("ul", null, shows.map(({ show, sales }) => {
      const sold = sales?.seats.sold ?? 0;
      const total = sales?.seats.total ?? 0;
      return h("li", null, h("a", { href: `/organise/shows/${show.showId}` }, when(show.startsAt, show.timeZone, { dateStyle: "medium", timeStyle: "short" })),
        h("span", { class: "dim" }, ` ${t(`board.status.${show.status}`)} `), sales && h("span", { class: "meter" }, h("i", { style: { width: `${total ? (100 * sold) / total : 0}%` } })), sales && h("span", { class: "dim small" }, ` ${number(sold)} / ${number(total)}`));
    })), h("a", { class: "small", href: `/organise/new?event=${event.eventId}` }, t("organise.addShow"))));
}
