// From a file to a show on sale: the house with its plan, the event, the time and the prices.

import { Problem, call, get } from "../api.js";
import { h, icon, say, set } from "../dom.js";
import { number, t } from "../i18n.js";
import { MapView } from "../map/view.js";
import { houses, keepHouse } from "../houses.js";
import { failure, notice, sentence } from "../parts.js";
import { preview, spot } from "../pretix.js";
import { has, session } from "../session.js";
import { minor, moment } from "../times.js";
import { upload } from "../upload.js";

const CATEGORIES = ["theatre", "concerts", "movies", "sports"];
const CURRENCIES = ["INR", "EUR", "GBP", "USD", "CHF", "JPY"];
/** Refund policies to choose from; the first is the platform's own. */
const POLICIES = { usual: undefined, never: [], week: [{ hoursBefore: 168, percent: 100 }, { hoursBefore: 24, percent: 50 }] };

/** What a command may have besides its plan; the API takes a megabyte in all. */
const INLINE_BYTES_MAX = 1024 * 1024 - 8192;

/** @typedef {import("../houses.js").House} House */

/** @type {import("../main.js").Page} */
export default async function publish({ query, signal, go, title }) {
  title(t("publish.title"));
  if (!session()) return failure({ slug: "unauthenticated" });
  if (!has("organiser")) return failure({ slug: "forbidden" });
  const [event, earlier] = await Promise.all([query.get("event") ? get(`/v1/events/${query.get("event")}`, signal) : null, houses(signal)]);
  return new Publisher(signal, go, event, earlier).node();
}

class Publisher {
  /** @param {AbortSignal} signal @param {(path: string) => void} go @param {EventDetail | null} event @param {House[]} houses */
  constructor(signal, go, event, houses) {
    this.signal = signal; this.go = go; this.houses = houses;
    /** @type {House | null} */
    this.venue = null;
    /** @type {{eventId: string, title: string} | null} */
    this.event = event;
    /** @type {any} */
    this.plan = null;
    /** Where faults are. @type {import("../map/hall.js").Place[]} */
    this.marked = [];
    /** One key a thing: a lost answer makes no second house. */
    this.keys = { venue: crypto.randomUUID(), event: crypto.randomUUID(), show: crypto.randomUUID() };
    this.house = h("div");
    this.what = h("div");
    this.sale = h("div");
  }

  node() {
    this.chooseHouse();
    if (this.event) set(this.what, notice("good", this.event.title));
    else this.describeEvent();
    this.chooseSale();
    const step = (/** @type {string} */ n, /** @type {string} */ words, /** @type {Element} */ body) => h("section", { class: "step" }, h("h2", null, h("span", { class: "count", "aria-hidden": "true" }, n), words), body);
    return h("div", { class: "page" }, h("h1", null, t("publish.title")), step("1", t("publish.house"), this.house), step("2", t("publish.event"), this.what), step("3", t("publish.sale"), this.sale));
  }

  chooseHouse() {
    const zones = h("datalist", { id: "zones" }, Intl.supportedValuesOf("timeZone").map((zone) => h("option", { value: zone })));
    const input = (/** @type {string} */ name, /** @type {Record<string, any>} */ more = {}) => h("input", { name, required: true, "data-pointer": `/${name}`, ...more });
    this.file = h("input", { type: "file", accept: ".json,application/json", class: "unseen", id: "plan-file", onchange: () => this.file.files[0] && this.read(this.file.files[0]) });
    const drop = h("label", { class: "drop", for: "plan-file" }, icon("map"), h("b", null, t("publish.drop")), h("span", null, t("publish.dropHelp")), this.file);
    drop.addEventListener("dragover", (/** @type {DragEvent} */ event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.read(file);
    });
    this.shown = h("div", { class: "preview" });
    this.faults = h("div", { "aria-live": "polite" });
    const form = h("form", { class: "grid", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.build(form); } },
      labelled(t("publish.name"), input("name", { maxlength: 200 })), labelled(t("home.city"), input("city", { maxlength: 100, autocomplete: "off" })), labelled(t("publish.zone"), input("timeZone", { list: "zones", value: Intl.DateTimeFormat().resolvedOptions().timeZone })), zones,
      h("div", { class: "all" }, drop, this.faults, this.shown), h("div", { class: "all" }, h("button", { class: "primary" }, t("publish.build"))));
    const earlier = this.houses.length > 0 && [h("p", { class: "dim" }, t("publish.earlier")), h("div", { class: "chips" }, this.houses.map((house) => h("button", { type: "button", onclick: () => this.built(house) }, `${house.name}, ${house.city}`)))];
    set(this.house, earlier, form);
  }

  /** @param {File} file */
  async read(file) {
    set(this.faults);
    set(this.shown);
    try {
      this.plan = JSON.parse(await file.text());
    } catch (why) {
      this.plan = null;
      return set(this.faults, notice("bad", t("publish.notJson", { file: file.name, detail: String(/** @type {Error} */ (why).message) })));
    }
    const { hall, count, categories } = preview(this.plan, this.signal);
    this.hall = hall;
    this.map = new MapView(hall, { label: t("publish.preview"), signal: this.signal, pick: () => {}, chosen: () => this.marked ?? [] });
    set(this.shown, h("p", null, h("b", null, file.name), ` · ${t("publish.counts", { n: count, sections: number(hall.sections.length) })} · ${categories.join(", ")}`), this.map.box);
    say(t("publish.counts", { n: count, sections: number(hall.sections.length) }));
  }

  /** @param {HTMLFormElement} form */
  async build(form) {
    if (!this.plan) return set(this.faults, notice("bad", t("publish.noPlan")));
    const data = Object.fromEntries(new FormData(form));
    const button = form.querySelector("button.primary");
    await busy(button, async () => {
      try {
        const body = { name: data.name, city: data.city, timeZone: data.timeZone, ...await this.carried() };
        const made = await call("POST", "/v1/venues", { body, key: this.keys.venue, signal: this.signal });
        const venue = { venueId: made.venueId, name: String(data.name), city: String(data.city), timeZone: String(data.timeZone), categories: made.categories };
        keepHouse(venue);
        this.built(venue);
      } catch (why) {
        this.keys.venue = crypto.randomUUID();
        if (why instanceof Problem && why.slug === "invalid-plan") return this.showFaults(why.document.faults ?? []);
        if (why instanceof Problem && why.slug === "invalid") return atFields(form, why.document.faults ?? []);
        set(this.faults, notice("bad", sentence(why)));
      }
    });
  }

  /** The plan as the command has it: in it, or, where it is too large for that, put beside the API. */
  async carried() {
    const file = new Blob([JSON.stringify(this.plan)]);
    if (file.size <= INLINE_BYTES_MAX) return { plan: this.plan };
    return { planUpload: await upload("/v1/plan-uploads", file, this.signal) };
  }

  /** Each fault at its place: in words, in the document, and, where it is a seat's, on the preview. @param {{pointer: string, detail: string}[]} faults */
  showFaults(faults) {
    this.marked = [];
    const lines = faults.map((fault) => {
      const pointer = fault.pointer.replace(/^\/plan/, "");
      const { words, excerpt } = spot(this.plan, pointer);
      const name = [words.zone !== undefined && t("publish.zoneAt", { at: number(words.zone + 1) }), words.row !== undefined && t("publish.rowAt", { at: number(words.row + 1) }), words.seat !== undefined && t("publish.seatAt", { at: number(words.seat + 1) })].filter(Boolean).join(" · ");
      const place = this.hall?.find(`${words.zone}:${words.row ?? 0}:${words.seat ?? 0}`);
      if (place && words.seat !== undefined) this.marked?.push(place);
      const show = () => { if (place) this.map?.approach(place.section, { x: place.section.x[place.at], y: place.section.y[place.at] }); this.map?.box.scrollIntoView({ block: "nearest" }); };
      return h("li", null, h("b", null, name || t("publish.whole")), h("p", null, fault.detail), h("code", null, `${pointer || "/"}  ${excerpt}`), place && h("button", { type: "button", class: "link", onclick: show }, t("publish.look")));
    });
    set(this.faults, notice("bad", h("b", null, t("publish.faults", { n: faults.length })), h("ol", { class: "faults" }, lines)));
    this.map?.redraw();
    this.faults.scrollIntoView({ block: "nearest" });
  }

  /** @param {House} venue */
  built(venue) {
    this.venue = venue;
    set(this.house, notice("good", h("b", null, `${venue.name}, ${venue.city}`), h("p", null, venue.categories.map((it) => it.name).join(", ")), h("button", { type: "button", class: "link", onclick: () => { this.venue = null; this.keys.venue = crypto.randomUUID(); this.chooseHouse(); this.chooseSale(); } }, t("publish.other"))));
    this.chooseSale();
    const city = /** @type {HTMLInputElement | null} */ (this.what.querySelector("[name=city]"));
    if (city && !city.value) city.value = venue.city;
  }

  describeEvent() {
    const form = h("form", { class: "grid", id: "event-form" },
      labelled(t("publish.eventTitle"), h("input", { name: "title", required: true, maxlength: 200, "data-pointer": "/title" })),
      labelled(t("home.kind"), h("select", { name: "category" }, CATEGORIES.map((it) => h("option", { value: it }, t(`category.${it}`))))),
      labelled(t("home.city"), h("input", { name: "city", required: true, maxlength: 100, "data-pointer": "/city" })),
      labelled(t("publish.artists"), h("input", { name: "artists", "data-pointer": "/artists", placeholder: t("publish.artistsHelp") })),
      h("div", { class: "all" }, labelled(t("publish.description"), h("textarea", { name: "description", maxlength: 5000, "data-pointer": "/description" }))));
    set(this.what, form);
  }

  chooseSale() {
    const { venue } = this;
    if (!venue) return set(this.sale, h("p", { class: "dim" }, t("publish.houseFirst")));
    const price = (/** @type {{categoryId: string, name: string}} */ it) => labelled(it.name, h("input", { name: `price:${it.categoryId}`, required: true, inputmode: "decimal", placeholder: "0.00", "data-pointer": `/prices/${it.categoryId}` }));
    const number_ = (/** @type {string} */ name, /** @type {number} */ value, /** @type {number} */ min, /** @type {number} */ max) => h("input", { type: "number", name, value, min, max, required: true, "data-pointer": `/${name}` });
    const opens = labelled(t("publish.opensAt"), h("input", { type: "datetime-local", name: "opensAt", "data-pointer": "/waitingRoom/opensAt" }));
    opens.hidden = true;
    const room = h("input", { type: "checkbox", name: "waitingRoom", onchange: () => { opens.hidden = !room.checked; } });
    this.trouble = h("div", { class: "all", "aria-live": "polite" });
    const form = h("form", { class: "grid", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.publish(form); } },
      labelled(t("publish.startsAt", { zone: venue.timeZone }), h("input", { type: "datetime-local", name: "startsAt", required: true, "data-pointer": "/startsAt" })),
      labelled(t("publish.onSaleAt"), h("input", { type: "datetime-local", name: "onSaleAt", "data-pointer": "/onSaleAt" })),
      labelled(t("publish.currency"), h("select", { name: "currency", "data-pointer": "/currency" }, CURRENCIES.map((it) => h("option", null, it)))),
      venue.categories.map(price),
      labelled(t("publish.limit"), number_("maxSeatsPerBuyer", 6, 1, 100)), labelled(t("publish.hold"), number_("holdMinutes", 10, 1, 14)),
      labelled(t("publish.policy"), h("select", { name: "policy" }, Object.keys(POLICIES).map((it) => h("option", { value: it }, t(`publish.policy.${it}`))))),
      h("label", { class: "check all" }, room, h("span", null, t("publish.room"))), opens, this.trouble, h("div", { class: "all" }, h("button", { class: "primary big" }, t("publish.go"))));
    set(this.sale, form);
  }

  /** @param {HTMLFormElement} form */
  async publish(form) {
    const { venue } = this;
    const eventForm = /** @type {HTMLFormElement | null} */ (this.what.querySelector("form"));
    if (!venue || (eventForm && !eventForm.reportValidity())) return;
    const data = Object.fromEntries(new FormData(form));
    const currency = String(data.currency);
    /** @type {Record<string, number>} */
    const prices = {};
    /** @type {{pointer: string, detail: string}[]} */
    const wrong = [];
    for (const { categoryId } of venue.categories) {
      const amount = minor(String(data[`price:${categoryId}`] ?? ""), currency);
      if (amount === null) wrong.push({ pointer: `/prices/${categoryId}`, detail: t("publish.badPrice") });
      else prices[categoryId] = amount;
    }
    set(this.trouble);
    if (wrong.length) return atFields(form, wrong);
    await busy(form.querySelector("button.primary"), async () => {
      try {
        this.event ??= await this.announce(/** @type {HTMLFormElement} */ (eventForm));
        const policy = POLICIES[/** @type {keyof typeof POLICIES} */ (data.policy)];
        const body = {
          venueId: venue.venueId, startsAt: moment(String(data.startsAt), venue.timeZone), onSaleAt: data.onSaleAt ? moment(String(data.onSaleAt), venue.timeZone) : new Date(Date.now() - 1000).toISOString(),
          currency, prices, maxSeatsPerBuyer: Number(data.maxSeatsPerBuyer), holdTtlSeconds: Number(data.holdMinutes) * 60, ...(policy ? { refundPolicy: policy } : {}),
          ...(data.waitingRoom ? { waitingRoom: { enabled: true, ...(data.opensAt ? { opensAt: moment(String(data.opensAt), venue.timeZone) } : {}) } } : {}),
        };
        const show = await call("POST", `/v1/events/${this.event?.eventId}/shows`, { body, key: this.keys.show, signal: this.signal });
        this.go(`/organise/shows/${show.showId}?new=1`);
      } catch (why) {
        if (this.signal.aborted) return;
        this.keys.show = crypto.randomUUID();
        if (why instanceof Problem && why.slug === "invalid" && atFields(this.event ? form : /** @type {HTMLFormElement} */ (eventForm), why.document.faults ?? [])) return;
        set(this.trouble, notice("bad", sentence(why)));
      }
    });
  }

  /** @param {HTMLFormElement} form */
  async announce(form) {
    const data = Object.fromEntries(new FormData(form));
    const artists = String(data.artists ?? "").split(",").map((it) => it.trim()).filter(Boolean);
    try {
      const event = await call("POST", "/v1/events", { body: { title: data.title, category: data.category, city: data.city, ...(data.description ? { description: data.description } : {}), artists }, key: this.keys.event, signal: this.signal });
      return event;
    } catch (why) {
      this.keys.event = crypto.randomUUID();
      throw why;
    }
  }
}

/** @param {string} words @param {Element} field */
export const labelled = (words, field) => h("label", null, h("span", null, words), field);

/** @param {any} button @param {() => Promise<unknown>} work */
export async function busy(button, work) {
  button.disabled = true;
  try {
    await work();
  } finally {
    button.disabled = false;
  }
}

/** Faults beside the fields that they are about. Answers whether there was a field for any. @param {HTMLFormElement} form @param {{pointer: string, detail: string}[]} faults */
export function atFields(form, faults) {
  for (const old of form.querySelectorAll(".fault")) old.remove();
  /** @type {HTMLElement | null} */
  let first = null;
  for (const { pointer, detail } of faults) {
    const field = /** @type {HTMLElement | null} */ ([...form.querySelectorAll("[data-pointer]")].find((it) => pointer === /** @type {HTMLElement} */ (it).dataset.pointer || pointer.startsWith(`${/** @type {HTMLElement} */ (it).dataset.pointer}/`)) ?? null);
    if (!field) continue;
    const id = `fault-${Math.random().toString(36).slice(2)}`;
    field.setAttribute("aria-describedby", id);
    field.after(h("p", { class: "fault", id, role: "alert" }, detail));
    first ??= field;
  }
  first?.focus();
  return first !== null;
}
