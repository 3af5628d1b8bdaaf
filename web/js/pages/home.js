// What is on: search, filters, and pages of results that follow each other.

import { get } from "../api.js";
import { h, icon, set } from "../dom.js";
import { t, when } from "../i18n.js";
import { empty, fromPrice, notice, poster, sentence } from "../parts.js";

const CATEGORIES = ["theatre", "concerts", "movies", "sports"];
const PAGE = 12;
/** While somebody types, nothing is asked for. */
const TYPING_MILLIS = 280;

/** @type {import("../main.js").Page} */
export default async function home({ query, signal, title }) {
  title(t("home.title"));
  const filters = { q: "", city: "", category: "", from: "", to: "", ...Object.fromEntries(query) };
  const results = h("div", { class: "posters", "aria-live": "polite", "aria-busy": "true" });
  const more = h("div", { class: "actions centred" });
  const cities = h("datalist", { id: "cities" });
  /** @type {AbortController} */
  let asking = new AbortController();

  /** @param {string} [cursor] */
  async function ask(cursor) {
    asking.abort();
    asking = new AbortController();
    const mine = AbortSignal.any([asking.signal, signal]);
    const path = new URLSearchParams({ limit: String(PAGE) });
    for (const [name, value] of Object.entries(filters)) if (value && ["q", "city", "category", "from", "to"].includes(name)) path.set(name, value);
    if (cursor) path.set("cursor", cursor);
    results.setAttribute("aria-busy", "true");
    if (!cursor) set(results, Array.from({ length: 6 }, () => h("div", { class: "event bone" })));
    set(more);
    try {
      const answer = await get(`/v1/events?${path}`, mine);
      if (!cursor) set(results);
      results.append(...answer.events.map(card));
      for (const event of answer.events) if (![...cities.children].some((it) => /** @type {any} */ (it).value === event.city)) cities.append(h("option", { value: event.city }));
      if (!results.children.length) set(results, empty(t("home.none"), t("home.noneHelp"), h("button", { type: "button", onclick: clear }, t("home.clear"))));
      if (answer.nextCursor) set(more, h("button", { type: "button", onclick: () => ask(answer.nextCursor) }, t("home.more")));
    } catch (why) {
      if (mine.aborted) return;
      if (!cursor) set(results);
      set(more, notice("bad", sentence(why), " ", h("button", { type: "button", class: "link", onclick: () => ask(cursor) }, t("again"))));
    } finally {
      if (!mine.aborted) results.setAttribute("aria-busy", "false");
    }
  }

  function changed() {
    const kept = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
    history.replaceState(null, "", kept.size ? `/?${kept}` : "/");
    for (const chip of chips.querySelectorAll("button")) chip.setAttribute("aria-pressed", String(chip.value === filters.category));
    ask();
  }

  function clear() {
    Object.assign(filters, { q: "", city: "", category: "", from: "", to: "" });
    form.reset();
    for (const input of form.querySelectorAll("input")) input.value = "";
    changed();
  }

  /** @type {ReturnType<typeof setTimeout>} */
  let typing;
  const field = (/** @type {"q" | "city" | "from" | "to"} */ name, /** @type {Record<string, any>} */ more) => h("input", {
    name, ...more, ".value": filters[name],
    oninput: (/** @type {any} */ event) => { filters[name] = event.target.value.trim(); clearTimeout(typing); typing = setTimeout(changed, TYPING_MILLIS); },
  });
  const chips = h("div", { class: "chips", role: "group", "aria-label": t("home.kind") },
    ["", ...CATEGORIES].map((name) => h("button", { type: "button", value: name, "aria-pressed": String(name === filters.category), onclick: () => { filters.category = name; changed(); } }, t(`category.${name || "all"}`))));
  const form = h("form", { class: "search", role: "search", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); clearTimeout(typing); changed(); } },
    h("label", { class: "grow" }, h("span", { class: "unseen" }, t("home.search")), icon("search"), field("q", { type: "search", placeholder: t("home.search"), autocomplete: "off" })),
    h("label", null, h("span", null, t("home.city")), field("city", { list: "cities", placeholder: t("home.anyCity"), autocomplete: "off" })),
    h("label", null, h("span", null, t("home.from")), field("from", { type: "date" })),
    h("label", null, h("span", null, t("home.to")), field("to", { type: "date" })), cities);
  ask();
  return h("div", null,
    h("section", { class: "hero" }, h("div", { class: "beam", "aria-hidden": "true" }), h("div", { class: "inside" }, h("h1", null, t("home.headline")), h("p", null, t("home.promise")), form)),
    h("section", { class: "page wide" }, h("div", { class: "bar" }, h("h2", null, t("home.onNow")), chips), results, more));
}

/** @param {EventSummary} event */
function card(event) {
  const day = event.firstShowAt ? when(event.firstShowAt, undefined, { weekday: "short", day: "numeric", month: "short" }) : "";
  const several = event.lastShowAt && event.firstShowAt && event.lastShowAt.slice(0, 10) !== event.firstShowAt.slice(0, 10);
  return h("a", { class: "event", href: `/events/${event.eventId}` },
    h("div", { class: "picture" }, poster(event), h("span", { class: "kind" }, t(`category.${event.category}`))),
    h("div", { class: "stub" },
      h("h3", null, event.title),
      h("p", { class: "where" }, [event.venueName, event.city].filter(Boolean).join(", ")),
      h("p", { class: "facts" }, h("span", null, day ? (several ? t("home.fromDay", { day }) : day) : t("home.soon")), h("b", null, fromPrice(event)))));
}
