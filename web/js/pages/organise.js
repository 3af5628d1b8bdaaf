// An organiser's shows, newest events first.

import { call, get } from "../api.js";
import { h } from "../dom.js";
import { number, t, when } from "../i18n.js";
import { empty, failure, poster } from "../parts.js";
import { has, session } from "../session.js";

/** Events of a page of the list. */
const PAGE_EVENTS = 12;
/** Shows of an event whose sales are asked for. */
const COUNTED_MAX = 8;

/** @type {import("../main.js").Page} */
export default async function organise({ signal, title }) {
  title(t("nav.organise"));
  if (!session()) return failure({ slug: "unauthenticated" });
  if (!has("organiser")) return failure({ slug: "forbidden" });
  const list = h("div", { class: "owned" });
  const more = h("button", { type: "button", hidden: true, onclick: () => load(more.dataset.cursor) }, t("home.more"));
  const load = async (/** @type {string | undefined} */ cursor) => {
    more.disabled = true;
    const { events, nextCursor } = await get(`/v1/organiser/events?limit=${PAGE_EVENTS}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, signal);
    list.append(...await Promise.all(events.map(async (/** @type {EventDetail} */ event) => card(event, (await get(`/v1/events/${event.eventId}/shows`, signal)).shows, signal))));
    more.dataset.cursor = nextCursor ?? "";
    more.hidden = !nextCursor;
    more.disabled = false;
  };
  await load(undefined);
  const create = () => h("a", { class: "button primary", href: "/organise/new" }, t("organise.new"));
  return h("section", { class: "page" },
    h("div", { class: "bar" }, h("h1", null, t("organise.title")), list.children.length > 0 && create()),
    list.children.length ? [list, more] : empty(t("organise.none"), t("organise.noneWords"), create()));
}

/** @param {EventDetail} event @param {Show[]} shows @param {AbortSignal} signal */
function card(event, shows, signal) {
  return h("article", { class: "own" },
    h("div", { class: "thumb" }, poster(event)),
    h("div", { class: "grow" }, h("h2", null, event.title), h("ul", null, shows.map((show, at) => h("li", null,
      h("a", { href: `/organise/shows/${show.showId}` }, when(show.startsAt, show.timeZone, { dateStyle: "medium", timeStyle: "short" })), h("span", { class: "dim" }, ` ${t(`board.status.${show.status}`)} `), at < COUNTED_MAX && meter(show, signal)))),
    h("a", { class: "small", href: `/organise/new?event=${event.eventId}` }, t("organise.addShow"))));
}

/** How much of a show is sold, once that is known. @param {Show} show @param {AbortSignal} signal */
function meter(show, signal) {
  const [bar, words] = [h("i"), h("span", { class: "dim small" }, "\u00a0")];
  call("GET", `/v1/shows/${show.showId}/sales`, { signal }).then(({ seats }) => {
    bar.style.width = `${seats.total ? (100 * seats.sold) / seats.total : 0}%`;
    words.textContent = `${number(seats.sold)} / ${number(seats.total)}`;
  }, () => {});
  return [h("span", { class: "meter" }, bar), words];
}
