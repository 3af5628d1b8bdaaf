// Choosing seats: the map, a list that says the same in words, the best there is, and the hold.

import { Problem, call, get, once } from "../api.js";
import { h, icon, say, set, toast } from "../dom.js";
import { money, number, t, when } from "../i18n.js";
import { FREE, Hall } from "../map/hall.js";
import { swatch, theme } from "../map/glyphs.js";
import { seatList } from "../map/list.js";
import { MapView } from "../map/view.js";
import { freshness, notice, sentence, showAndEvent } from "../parts.js";
import { session } from "../session.js";
import { admission, spend } from "../admission.js";
import { waitlist } from "../waitlist.js";

/** Places of one hold, at most. */
const PLACES_MAX = 10;
/** What somebody chose survives going to sign in. */
const KEPT = "usher.chosen.";

/** @typedef {import("../map/hall.js").Place} Place */

/** @type {import("../main.js").Page} */
export default async function showPage({ params, query, signal, go, title }) {
  const { showId } = params;
  const [show, first] = await Promise.all([/** @type {Promise<Show>} */ (get(`/v1/shows/${showId}`, signal)), showAndEvent(showId)]);
  const { event } = first;
  if (show.waitingRoom.enabled && session() && !admission(showId)) {
    // Whoever has to wait waits there; the room sends people on at once when there is nothing to wait for.
    if (!query.has("look")) {
      go(`/shows/${showId}/queue`, true);
      return h("div");
    }
  }
  title(event.title);
  /** @type {Plan} */
  const plan = await once(`/v1/shows/${showId}/plan?v=${show.planVersion}`);
  const hall = new Hall(show, plan, signal);
  const page = new Picker(show, event, hall, signal, go);
  return page.node();
}

/** Lets the machine work, beside the page. @param {{challenge: string, bits: number}} asked @param {AbortSignal} signal @returns {Promise<string>} */
function worked(asked, signal) {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/js/work.js", { type: "module" });
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.onerror = reject;
    signal.addEventListener("abort", () => worker.terminate(), { once: true });
    worker.postMessage(asked);
  });
}

class Picker {
  /** @param {Show} show @param {EventDetail} event @param {Hall} hall @param {AbortSignal} signal @param {(path: string) => void} go */
  constructor(show, event, hall, signal, go) {
    this.show = show; this.event = event; this.hall = hall; this.signal = signal; this.go = go;
    /** @type {Place[]} */
    this.chosen = [];
    /** Seats that somebody else was quicker to take. @type {Place[]} */
    this.lost = [];
    /** @type {Map<string, number>} */
    this.places = new Map();
    /** The key of the hold that is being tried: the same choice tried again is the same request. */
    this.key = "";
    this.holding = false;
    /** @type {any} */
    this.bestButton = null;
    /** @type {any} */
    this.bestBox = null;
    /** @type {any} */
    this.code = null;
    this.left = h("span");
    this.limit = Math.min(PLACES_MAX, show.maxSeatsPerBuyer);
    this.map = new MapView(hall, {
      label: t("map.label"), signal, chosen: () => this.chosen, lost: () => this.lost, pick: (place) => this.toggle(place), pickArea: (id) => this.addPlaces(id, 1),
    });
    this.news = h("div", { class: "news" });
    this.tray = h("section", { class: "tray", "aria-label": t("tray.label") });
    this.areas = h("div", { class: "areas" });
    this.list = h("div", { class: "seatlist", hidden: true });
    /** Where a name can be put down, once there is a reason. */
    this.names = h("div");
  }

  node() {
    const { show, event, hall, signal } = this;
    const { box, fresh } = freshness(signal);
    hall.follow(fresh);
    hall.listeners.add(() => this.update());
    const tabs = h("div", { class: "tabs", role: "group", "aria-label": t("map.views") },
      h("button", { type: "button", "aria-pressed": "true", onclick: () => this.view(false) }, icon("map"), t("map.map")), h("button", { type: "button", "aria-pressed": "false", onclick: () => this.view(true) }, icon("list"), t("map.list")));
    this.tabs = tabs;
    this.update();
    this.restore();
    return h("div", { class: "picker" },
      h("div", { class: "stage" }, h("div", { class: "stage-bar" }, tabs, box), this.map.box, this.list),
      h("div", { class: "side" },
        h("header", null, h("a", { class: "back", href: `/events/${event.eventId}` }, icon("back"), event.title),
          h("h1", null, when(show.startsAt, show.timeZone, { weekday: "long", day: "numeric", month: "long" })),
          h("p", null, when(show.startsAt, show.timeZone, { hour: "numeric", minute: "2-digit", timeZoneName: "short" }), event.venueName ? ` · ${event.venueName}` : "", h("br"), this.left)),
        this.status(), this.news, this.legend(), this.presale(), this.areas, this.names, this.best(), this.tray));
  }

  status() {
    const { show } = this;
    const opens = Date.parse(show.onSaleAt) - Date.now();
    if (show.status !== "ON_SALE") return notice("warn", t(`show.status.${show.status}`));
    if (opens > 0) return notice("info", t("show.opensAt", { when: when(show.onSaleAt, show.timeZone, { dateStyle: "medium", timeStyle: "short" }) }));
    return null;
  }

  /** Before the sale a code lets some people in. */
  presale() {
    if (Date.parse(this.show.onSaleAt) <= Date.now()) return null;
    this.code = h("input", { name: "code", autocomplete: "off", maxlength: 64, autocapitalize: "characters" });
    return h("label", null, h("span", null, t("show.code")), this.code);
  }

  /** Somebody who finds nothing can wait for what comes back. */
  offerToWait() {
    if (this.names.children.length || this.show.status !== "ON_SALE") return;
    set(this.names, waitlist({ show: this.show, categories: this.hall.categories, limit: this.limit, signal: this.signal, go: this.go }));
  }

  /** Prices, the cheapest first; each can be left out of the map. */
  legend() {
    const colours = theme();
    const used = new Set(this.hall.sections.flatMap((section) => section.categories));
    const sorted = this.hall.categories.map((it, at) => ({ ...it, at })).filter((it) => it.price && (used.has(it.at) || !used.size)).sort((a, b) => a.rank - b.rank);
    const toggle = (/** @type {any} */ event, /** @type {number} */ at) => {
      const on = event.currentTarget.getAttribute("aria-pressed") !== "true";
      event.currentTarget.setAttribute("aria-pressed", String(on));
      if (on) this.map.hidden.delete(at);
      else this.map.hidden.add(at);
      this.map.filtered();
    };
    const accessible = h("button", { type: "button", "aria-pressed": "false", onclick: (/** @type {any} */ event) => {
      this.map.onlyAccessible = event.currentTarget.getAttribute("aria-pressed") !== "true";
      event.currentTarget.setAttribute("aria-pressed", String(this.map.onlyAccessible));
      this.map.filtered();
    } }, icon("wheelchair"), h("span", null, t("legend.accessible")));
    return h("section", { class: "legend", "aria-label": t("legend.label") },
      h("div", { class: "prices" }, sorted.map((it) => h("button", { type: "button", "aria-pressed": "true", onclick: (/** @type {any} */ event) => toggle(event, it.at) },
        swatch(it.rank, colours.prices[it.rank % colours.prices.length]), h("span", null, it.name), h("b", null, it.price ? money(it.price) : ""))), accessible),
      h("p", { class: "keys" }, h("span", { class: "key held" }, t("seat.held")), h("span", { class: "key sold" }, t("seat.sold")), h("span", { class: "key chosen" }, t("seat.chosen"))));
  }

  /** "The best two": one call that chooses and holds. */
  best() {
    let quantity = Math.min(2, this.limit);
    const count = h("output", { "aria-live": "polite" }, number(quantity));
    const step = (/** @type {number} */ by) => { quantity = Math.max(1, Math.min(this.limit, quantity + by)); count.textContent = number(quantity); button.textContent = t("best.hold", { n: quantity }); };
    const sorted = [...this.hall.categories].filter((it) => it.price).sort((a, b) => a.rank - b.rank);
    const category = h("select", { "aria-label": t("best.category") }, h("option", { value: "" }, t("best.any")), sorted.map((it) => h("option", { value: it.id }, `${it.name} · ${it.price ? money(it.price) : ""}`)));
    const accessible = h("input", { type: "checkbox" });
    const button = h("button", { type: "button", class: "best", onclick: () => this.holdBest({ quantity, ...(category.value ? { category: category.value } : {}), ...(accessible.checked ? { accessible: true } : {}) }) }, t("best.hold", { n: quantity }));
    this.bestButton = button;
    if (!this.hall.sections.length) return null;
    this.bestBox = h("section", { class: "bestof" }, h("h2", null, icon("spark"), t("best.title")),
      h("div", { class: "row" }, h("div", { class: "stepper" }, h("button", { type: "button", "aria-label": t("fewer"), onclick: () => step(-1) }, icon("minus")), count, h("button", { type: "button", "aria-label": t("more"), onclick: () => step(1) }, icon("plus"))), category),
      h("label", { class: "check" }, accessible, t("best.accessible")), button);
    return this.bestBox;
  }

  /** @param {boolean} listed */
  view(listed) {
    this.map.box.hidden = listed;
    this.list.hidden = !listed;
    [...this.tabs.children].forEach((tab, at) => tab.setAttribute("aria-pressed", String((at === 1) === listed)));
    if (listed && !this.list.children.length) set(this.list, seatList(this.hall, { pick: (place) => this.toggle(place), chosen: () => this.chosen, signal: this.signal }));
    if (!listed) this.map.resize();
  }

  /** What came in may have taken something that was chosen. */
  update() {
    const free = this.hall.sections.reduce((sum, it) => sum + it.counts.available, 0) + this.hall.areas.reduce((sum, it) => sum + it.remaining, 0);
    if (this.left) this.left.textContent = free ? t("show.left", { n: free, text: number(free) }) : t("show.soldOut");
    const isSoldOut = !free && Boolean(this.hall.asOf);
    if (isSoldOut) this.offerToWait();
    // What cannot be had is not offered.
    if (this.bestBox) this.bestBox.hidden = isSoldOut;
    this.tray.hidden = isSoldOut && !this.count;
    const gone = this.chosen.filter((place) => this.hall.state(place) !== FREE);
    if (gone.length && !this.holding) this.lose(gone);
    this.drawAreas();
    this.drawTray();
  }

  /** @param {Place} place */
  name(place) {
    const seat = this.hall.seat(place);
    return t("seat.name", { section: place.section.name, row: this.hall.row(place).label, seat: seat.label ?? seat.seat });
  }

  get count() { return this.chosen.length + [...this.places.values()].reduce((sum, n) => sum + n, 0); }

  /** @param {Place} place */
  toggle(place) {
    const at = this.chosen.findIndex((it) => it.section === place.section && it.at === place.at);
    if (at >= 0) this.chosen.splice(at, 1);
    else if (this.hall.state(place) !== FREE) return this.explain(place);
    else if (this.count >= this.limit) return toast(t("tray.full", { n: this.limit }), "bad");
    else this.chosen.push(place);
    this.lost = this.lost.filter((it) => it.section !== place.section || it.at !== place.at);
    set(this.news);
    this.changed();
    say(`${this.map.describe(place)}. ${t("tray.count", { n: this.count })}`);
  }

  /** @param {Place} place */
  explain(place) {
    const words = `${this.name(place)}: ${[, t("seat.heldLong"), t("seat.soldLong"), t("seat.blockedLong")][this.hall.state(place)]}`;
    say(words);
    toast(words);
  }

  /** @param {string} id @param {number} by */
  addPlaces(id, by) {
    const area = this.hall.areas.find((it) => it.areaId === id);
    const now = this.places.get(id) ?? 0;
    if (by > 0 && this.count >= this.limit) return toast(t("tray.full", { n: this.limit }), "bad");
    const next = Math.max(0, Math.min(area?.remaining ?? 0, now + by));
    if (next) this.places.set(id, next);
    else this.places.delete(id);
    this.changed();
  }

  changed() {
    this.key = "";
    sessionStorage.setItem(KEPT + this.show.showId, JSON.stringify({ seats: this.chosen.map((it) => this.hall.seat(it).seatId), areas: [...this.places] }));
    this.drawAreas();
    this.drawTray();
    this.map.redraw();
    dispatchEvent(new Event("usher:chosen"));
  }

  async restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT + this.show.showId) ?? "null");
      if (!kept) return;
      const sections = new Set(kept.seats.map((/** @type {string} */ id) => this.hall.byId.get(id.split(":")[0])).filter(Boolean));
      await Promise.all([...sections].map((section) => this.hall.load(section)));
      this.chosen = kept.seats.map((/** @type {string} */ id) => this.hall.find(id)).filter((/** @type {Place | null} */ place) => place && this.hall.state(place) === FREE);
      this.places = new Map(kept.areas);
      this.changed();
      if (this.chosen.length) this.map.approach(this.chosen[0].section, { x: this.chosen[0].section.x[this.chosen[0].at], y: this.chosen[0].section.y[this.chosen[0].at] });
    } catch {
      sessionStorage.removeItem(KEPT + this.show.showId);
    }
  }

  drawAreas() {
    if (!this.hall.areas.length) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.step;
    set(this.areas, h("h2", null, t("areas.title")), this.hall.areas.map((area) => {
      const n = this.places.get(area.areaId) ?? 0;
      const step = (/** @type {number} */ by, /** @type {string} */ name, /** @type {string} */ words) => h("button", { type: "button", "data-step": `${area.areaId}${by}`, "aria-label": `${words}: ${area.name}`, disabled: by < 0 ? n === 0 : !area.remaining, onclick: () => this.addPlaces(area.areaId, by) }, icon(name));
      return h("div", { class: "area" }, h("div", { class: "grow" }, h("b", null, area.name), h("span", null, [area.price ? money(area.price) : "", area.remaining ? t("map.free", { n: area.remaining }) : t("map.none")].filter(Boolean).join(" · "))),
        h("div", { class: "stepper" }, step(-1, "minus", t("fewer")), h("output", null, number(n)), step(1, "plus", t("more"))));
    }));
    if (focused) /** @type {HTMLElement | null} */ (this.areas.querySelector(`[data-step="${CSS.escape(focused)}"]`))?.focus();
  }

  drawTray() {
    const rows = this.chosen.map((place) => {
      const price = this.hall.category(place).price;
      return h("li", null, h("span", { class: "grow" }, this.name(place), h("small", null, this.hall.category(place).name)), h("b", null, price ? money(price) : ""),
        h("button", { type: "button", class: "bare", "aria-label": t("tray.remove", { seat: this.name(place) }), onclick: () => this.toggle(place) }, icon("close")));
    });
    for (const [id, n] of this.places) {
      const area = this.hall.areas.find((it) => it.areaId === id);
      rows.push(h("li", null, h("span", { class: "grow" }, `${area?.name} × ${number(n)}`), h("b", null, area?.price ? money({ amountMinor: area.price.amountMinor * n, currency: area.price.currency }) : ""),
        h("button", { type: "button", class: "bare", "aria-label": t("tray.remove", { seat: area?.name ?? "" }), onclick: () => this.addPlaces(id, -n) }, icon("close"))));
    }
    const total = this.total();
    this.holdButton = h("button", { type: "button", class: "primary big", disabled: !this.count || this.holding, onclick: () => this.hold() }, this.holding ? t("tray.holding") : t("tray.hold", { n: this.count }));
    const focused = this.tray.contains(document.activeElement);
    this.tray.classList.toggle("none", !this.count);
    set(this.tray,
      this.count ? h("ul", null, rows) : h("p", { class: "dim" }, t("tray.empty", { n: this.limit })),
      this.count > 0 && [h("div", { class: "sum" }, h("span", null, t("tray.count", { n: this.count })), h("b", null, total ? money(total) : "")), this.holdButton],
      h("p", { class: "dim small" }, icon("clock"), " ", t("tray.time", { n: Math.round(this.show.holdTtlSeconds / 60) })));
    if (focused) this.holdButton.focus();
  }

  /** @returns {Money | null} */
  total() {
    const prices = this.chosen.map((place) => this.hall.category(place).price).concat([...this.places].map(([id, n]) => {
      const price = this.hall.areas.find((it) => it.areaId === id)?.price;
      return price ? { amountMinor: price.amountMinor * n, currency: price.currency } : null;
    })).filter((it) => it !== null);
    return prices.length ? { amountMinor: prices.reduce((sum, it) => sum + it.amountMinor, 0), currency: prices[0].currency } : null;
  }

  /** @param {Place[]} gone @param {string} [more] */
  lose(gone, more) {
    this.chosen = this.chosen.filter((place) => !gone.includes(place));
    this.lost = gone;
    const names = gone.map((place) => this.name(place)).join(", ");
    const left = this.chosen.length + this.places.size;
    const category = this.hall.category(gone[0]).id;
    const n = gone.length + this.chosen.length;
    set(this.news, notice("bad", h("b", null, t("lost.title", { n: gone.length })), h("p", null, t("lost.names", { n: gone.length, names }), " ", more ?? t("lost.nothing")),
      h("div", { class: "actions" },
        left > 0 && h("button", { type: "button", onclick: () => this.hold() }, t("lost.rest", { n: this.count })),
        h("button", { type: "button", class: "primary", onclick: () => this.holdBest({ quantity: Math.min(this.limit, n), category }) }, t("lost.similar", { n: Math.min(this.limit, n) })))));
    this.changed();
  }

  hold() {
    const seatIds = this.chosen.map((place) => this.hall.seat(place).seatId);
    const areas = [...this.places].map(([areaId, quantity]) => ({ areaId, quantity }));
    return this.claim("holds", { ...(seatIds.length ? { seatIds } : {}), ...(areas.length ? { areas } : {}) });
  }

  /** @param {{quantity: number, category?: string, accessible?: boolean}} ask */
  holdBest(ask) {
    this.key = "";
    return this.claim("best-available", ask);
  }

  /** @param {"holds" | "best-available"} way @param {object} wish */
  async claim(way, wish) {
    if (this.holding) return;
    const code = this.code?.value.trim();
    const body = { ...wish, ...(code ? { code } : {}) };
    if (!session()) return this.go(`/signin?next=${encodeURIComponent(location.pathname)}`);
    this.holding = true;
    this.bestButton && (this.bestButton.disabled = true);
    this.drawTray();
    this.key ||= crypto.randomUUID();
    try {
      const token = admission(this.show.showId);
      const send = (/** @type {string} */ proof) => call("POST", `/v1/shows/${this.show.showId}/${way}`, {
        body, key: this.key, signal: this.signal, headers: { ...(token ? { "usher-admission": token } : {}), ...(proof ? { "usher-proof": proof } : {}) }, onretry: () => set(this.news, notice("info", t("busy.trying"))),
      });
      const booking = await send("").catch(async (why) => {
        const asked = why instanceof Problem && why.slug === "challenge-required" ? why.document.challenge : null;
        if (asked?.kind !== "proof-of-work") throw why;
        set(this.news, notice("info", sentence(why)));
        return send(await worked(asked, this.signal));
      });
      sessionStorage.removeItem(KEPT + this.show.showId);
      this.go(`/bookings/${booking.bookingId}/pay`);
    } catch (why) {
      if (!this.signal.aborted) this.refused(why, way);
    } finally {
      this.holding = false;
      this.bestButton && (this.bestButton.disabled = false);
      if (!this.signal.aborted) this.drawTray();
    }
  }

  /** What a refusal means, and what to do now. @param {any} why @param {string} way */
  refused(why, way) {
    const slug = why instanceof Problem ? why.slug : "internal";
    if (slug === "unauthenticated") return this.go(`/signin?next=${encodeURIComponent(location.pathname)}`);
    if (slug === "admission-required") {
      spend(this.show.showId);
      return this.go(`/shows/${this.show.showId}/queue`);
    }
    if (slug === "seat-unavailable" && way === "holds") {
      const names = new Set(why.document.unavailable ?? []);
      const gone = this.chosen.filter((place) => names.has(this.hall.seat(place).seatId));
      for (const id of names) this.places.delete(id);
      for (const place of gone) if (place.section.states[place.at] === FREE) place.section.states[place.at] = 1;
      for (const place of gone) place.section.revision += 1;
      if (gone.length) return this.lose(gone);
    }
    if (slug === "waitlisted" || slug === "no-block") this.offerToWait();
    const help = slug === "buyer-limit" ? h("a", { class: "button", href: "/bookings" }, t("nav.bookings")) : null;
    set(this.news, notice("bad", sentence(why), help && h("div", { class: "actions" }, help)));
    say(sentence(why));
  }
}
