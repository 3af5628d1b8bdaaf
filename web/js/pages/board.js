// A show as its organiser sees it: the house filling up, the money, and every switch.

import { Problem, call, get, once, watch } from "../api.js";
import { dialog, h, icon, pause, set, svg, toast } from "../dom.js";
import { exponent, money, number, t, when } from "../i18n.js";
import { BLOCKED, FREE, Hall } from "../map/hall.js";
import { MapView } from "../map/view.js";
import { failure, freshness, notice, sentence, showAndEvent } from "../parts.js";
import { has, session } from "../session.js";
import { minor, moment, typed } from "../times.js";
import { atFields, busy, labelled } from "./publish.js";

const SALES_MILLIS = 2000;
const MONEY_MILLIS = 5000;
/** Pages of the ledger that the chart and the export read. */
const LEDGER_PAGES_MAX = 200;
/** Seats of one block, at most. */
const BLOCK_SEATS_MAX = 100;

/** @typedef {import("../map/hall.js").Place} Place */

/** @type {import("../main.js").Page} */
export default async function board({ params, query, signal, title }) {
  if (!session()) return failure({ slug: "unauthenticated" });
  if (!has("organiser")) return failure({ slug: "forbidden" });
  const { showId } = params;
  const [show, { event }] = await Promise.all([get(`/v1/shows/${showId}`, signal), showAndEvent(showId)]);
  // Not theirs: 404, before anything is drawn.
  const sales = await get(`/v1/shows/${showId}/sales`, signal);
  /** @type {Plan} */
  const plan = await once(`/v1/shows/${showId}/plan?v=${show.planVersion}`);
  title(event.title);
  return new Board(show, event, new Hall(show, plan, signal), sales, signal).node(query.has("new"));
}

class Board {
  /** @param {Show} show @param {EventDetail} event @param {Hall} hall @param {any} sales @param {AbortSignal} signal */
  constructor(show, event, hall, sales, signal) {
    this.show = show; this.event = event; this.hall = hall; this.sales = sales; this.signal = signal;
    /** @type {Place[]} */
    this.chosen = [];
    /** Money taken so far, over time. @type {{at: number, amount: number}[]} */
    this.course = [];
    this.figures = h("dl", { class: "figures" });
    this.switches = h("div", { class: "actions" });
    this.news = h("div", { "aria-live": "polite" });
    this.chart = h("figure", { class: "chart" });
    this.blocks = h("div", { class: "actions", hidden: true });
    this.calledOff = h("div", { "aria-live": "polite" });
    /** @type {any} */
    this.money = null;
  }

  get path() { return `/v1/shows/${this.show.showId}`; }

  /** @param {boolean} isNew */
  node(isNew) {
    const { show, event, hall, signal } = this;
    const { box, fresh } = freshness(signal);
    this.map = new MapView(hall, { label: t("map.label"), signal, sales: true, chosen: () => this.chosen, pick: (place) => this.pick(place) });
    hall.follow(fresh);
    watch(`${this.path}/sales`, { every: SALES_MILLIS, signal, data: (sales) => { this.sales = sales; this.drawFigures(); } });
    watch(`${this.path}/money`, { every: MONEY_MILLIS, signal, data: (sums) => this.learnMoney(sums) });
    this.history();
    const resized = new ResizeObserver(() => this.drawChart());
    resized.observe(this.chart);
    signal.addEventListener("abort", () => resized.disconnect(), { once: true });
    this.drawFigures();
    this.drawSwitches();
    const zone = when(show.startsAt, show.timeZone, { dateStyle: "full", timeStyle: "short" });
    return h("div", { class: "page wide board" },
      isNew && notice("good", h("b", null, t("board.published")), " ", h("a", { href: `/events/${event.eventId}` }, t("board.asBuyer"))),
      h("div", { class: "bar" }, h("div", null, h("a", { class: "back", href: "/organise" }, icon("back"), t("nav.organise")), h("h1", null, event.title), h("p", { class: "dim" }, zone, event.venueName ? ` · ${event.venueName}` : "")), box),
      this.news, this.calledOff, this.switches, this.figures,
      h("div", { class: "two" },
        h("section", null, h("h2", null, t("board.house")), this.map.box, h("p", { class: "keys" }, h("span", { class: "key free-s" }, t("board.free")), h("span", { class: "key held-s" }, t("seat.held")), h("span", { class: "key sold-s" }, t("seat.sold")), h("span", { class: "key blocked-s" }, t("seat.blocked"))), this.blocks, h("p", { class: "dim small" }, t("board.blockHelp"))),
        h("section", null, h("h2", null, t("board.over")), this.chart,
          h("div", { class: "actions" }, h("button", { type: "button", onclick: () => this.exportSections() }, icon("download"), t("board.csvSections")), h("button", { type: "button", onclick: (/** @type {any} */ event) => busy(event.currentTarget, () => this.exportLedger()) }, icon("download"), t("board.csvMoney"))), this.settings())));
  }

  drawFigures() {
    const { seats, areas, channels } = this.sales;
    const given = channels.filter((/** @type {any} */ it) => it.seats).map((/** @type {any} */ it) => `${t(`board.${it.channel}`)} ${number(it.seats)}`).join(", ");
    const places = areas.reduce((/** @type {number} */ sum, /** @type {any} */ it) => sum + it.taken, 0);
    const figure = (/** @type {string} */ name, /** @type {string} */ value, more = "") => h("div", null, h("dt", null, name), h("dd", null, value, h("small", null, more || "\u00a0")));
    const share = seats.total ? `${Math.round((100 * seats.sold) / seats.total)} %` : "";
    set(this.figures,
      figure(t("board.sold"), number(seats.sold), share), figure(t("board.held"), number(seats.held)), figure(t("board.free"), number(seats.available)), figure(t("board.blocked"), number(seats.blocked), given),
      areas.length ? figure(t("board.areas"), number(places)) : null,
      figure(t("board.taken"), this.money ? money(this.money.captured) : "…", this.money?.refunded.amountMinor ? t("board.refunded", { price: money(this.money.refunded) }) : ""));
  }

  /** @param {any} sums */
  learnMoney(sums) {
    this.money = sums;
    this.drawFigures();
    const last = this.course.at(-1);
    const amount = sums.captured.amountMinor;
    if (!last || last.amount !== amount) this.course.push({ at: Date.now(), amount });
    this.drawChart();
  }

  /** What happened before somebody looked. */
  async history() {
    try {
      const entries = await this.ledger(20);
      const captured = entries.filter((it) => it.kind === "captured").map((it) => ({ at: Date.parse(it.at), amount: it.amount.amountMinor })).sort((a, b) => a.at - b.at);
      let sum = 0;
      const before = captured.map((it) => ({ at: it.at, amount: (sum += it.amount) }));
      const last = before.at(-1)?.at ?? 0;
      this.course = [...before, ...this.course.filter((it) => it.at > last)];
      this.drawChart();
    } catch {
      // The chart begins now.
    }
  }

  /** @param {number} pages @returns {Promise<any[]>} */
  async ledger(pages) {
    const entries = [];
    let cursor = "";
    for (let page = 0; page < pages; page++) {
      const answer = await get(`${this.path}/ledger?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, this.signal);
      entries.push(...answer.entries);
      if (!answer.nextCursor) break;
      cursor = answer.nextCursor;
    }
    return entries;
  }

  drawChart() {
    // As wide as it is shown: its words are as large as all others.
    const [width, height, left, bottom] = [Math.max(240, this.chart.clientWidth - 28), 220, 8, 26];
    const now = Date.now();
    const points = this.course.filter((it) => it.amount >= 0);
    if (!points.length || !points.at(-1)?.amount) return set(this.chart, h("p", { class: "dim nothing" }, t("board.nothing")));
    const start = Math.min(points[0].at, now - 60_000);
    const most = Math.max(...points.map((it) => it.amount));
    const x = (/** @type {number} */ at) => left + ((width - 2 * left) * (at - start)) / Math.max(1, now - start);
    const y = (/** @type {number} */ amount) => height - bottom - ((height - bottom - 18) * amount) / most;
    // Money comes in steps: between two sales nothing rises.
    let line = `M${x(start)} ${y(0)}`;
    for (const point of points) line += `H${x(point.at).toFixed(1)}V${y(point.amount).toFixed(1)}`;
    line += `H${x(now)}`;
    const currency = this.show.prices[0].price.currency;
    const label = (/** @type {number} */ at) => when(new Date(at).toISOString(), this.show.timeZone, now - start > 86_400_000 ? { day: "numeric", month: "short" } : { hour: "numeric", minute: "2-digit", ...(now - start < 600_000 ? { second: "2-digit" } : {}) });
    set(this.chart,
      svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("board.chartLabel", { price: money({ amountMinor: most, currency }) }) },
        [0, 0.5, 1].map((part) => svg("path", { class: "rule", d: `M${left} ${y(most * part)}H${width - left}` })),
        svg("path", { class: "area", d: `${line}V${y(0)}Z` }), svg("path", { class: "line", d: line }),
        [0.5, 1].map((part) => svg("text", { x: left, y: y(most * part) - 6 }, money({ amountMinor: Math.round(most * part), currency }))),
        svg("text", { x: left, y: height - 6 }, label(start)), svg("text", { x: width - left, y: height - 6, "text-anchor": "end" }, label(now))));
  }

  drawSwitches() {
    const { status } = this.show;
    const change = (/** @type {string} */ to, /** @type {string} */ words, kind = "") => h("button", { type: "button", class: kind, onclick: () => this.change({ status: to }) }, words);
    set(this.switches, h("span", { class: `state ${status === "ON_SALE" ? "paid" : status === "PAUSED" ? "held" : ""}` }, t(`board.status.${status}`)),
      status !== "ON_SALE" && status !== "CANCELLED" && change("OPEN", t("board.open"), "primary"), status === "ON_SALE" && change("PAUSED", t("board.pause")), (status === "ON_SALE" || status === "PAUSED") && change("CLOSED", t("board.close")),
      status !== "CANCELLED" && h("button", { type: "button", class: "link", onclick: () => this.callOff() }, t("board.cancel")));
    if (status === "CANCELLED") this.watchCallingOff();
  }

  /** @param {Record<string, unknown>} what */
  async change(what) {
    try {
      this.show = await call("PATCH", this.path, { body: what, repeatable: true, signal: this.signal });
      set(this.news);
      this.drawSwitches();
      toast(t("board.saved"), "good");
      return true;
    } catch (why) {
      if (why instanceof Problem && why.slug === "invalid") throw why;
      set(this.news, notice("bad", sentence(why)));
      return false;
    }
  }

  /** Everything that follows is said, with its figures, before anything happens. */
  async callOff() {
    const sums = await get(`${this.path}/money`, this.signal).catch(() => null);
    const { seats } = this.sales;
    const word = this.event.title;
    const field = h("input", { autocomplete: "off", "aria-label": t("off.type", { word }) });
    const button = h("button", { type: "submit", class: "danger", disabled: true }, t("off.yes"));
    field.addEventListener("input", () => { button.disabled = field.value.trim() !== word; });
    const sure = await dialog(t("off.title"), (close) => h("form", { method: "dialog", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); if (!button.disabled) close(true); } },
      h("ul", { class: "consequences" }, h("li", null, t("off.sold", { n: seats.sold + seats.held })), sums && h("li", null, t("off.money", { price: money(sums.standing), n: sums.bookings.paid })), h("li", null, t("off.mail")), h("li", null, t("off.never"))),
      h("label", null, h("span", null, t("off.type", { word })), field), h("div", { class: "actions" }, button, h("button", { type: "button", onclick: () => close(false) }, t("off.no")))));
    if (sure) await this.change({ status: "CANCELLED" });
  }

  async watchCallingOff() {
    if (this.watching) return;
    this.watching = true;
    while (!this.signal.aborted) {
      const progress = await get(`${this.path}/cancellation`, this.signal).catch(() => null);
      if (progress) set(this.calledOff, notice(progress.bookingsLeft ? "warn" : "good", progress.bookingsLeft ? t("off.running", { n: progress.bookingsLeft }) : t("off.done")));
      await pause(SALES_MILLIS, this.signal);
    }
  }

  /** @param {Place} place */
  pick(place) {
    const at = this.chosen.findIndex((it) => it.section === place.section && it.at === place.at);
    const state = this.hall.state(place);
    if (at >= 0) this.chosen.splice(at, 1);
    else if (state !== FREE && state !== BLOCKED) return toast(this.map?.describe(place) ?? "");
    else if (this.chosen.length >= BLOCK_SEATS_MAX) return toast(t("board.blockMost", { n: BLOCK_SEATS_MAX }), "bad");
    else this.chosen.push(place);
    this.drawBlocks();
    this.map?.redraw();
  }

  drawBlocks() {
    const free = this.chosen.filter((place) => this.hall.state(place) === FREE);
    const blocked = this.chosen.filter((place) => this.hall.state(place) === BLOCKED);
    this.blocks.hidden = !this.chosen.length;
    set(this.blocks,
      free.length > 0 && h("button", { type: "button", class: "primary", onclick: () => this.block(free, "block") }, t("board.block", { n: free.length })),
      blocked.length > 0 && h("button", { type: "button", class: "primary", onclick: () => this.block(blocked, "release") }, t("board.release", { n: blocked.length })),
      h("button", { type: "button", class: "link", onclick: () => { this.chosen = []; this.drawBlocks(); this.map?.redraw(); } }, t("board.unchoose")));
  }

  /** @param {Place[]} places @param {"block" | "release"} action */
  async block(places, action) {
    try {
      await call("POST", `${this.path}/blocks`, { body: { seatIds: places.map((place) => this.hall.seat(place).seatId), action }, repeatable: true, signal: this.signal });
      this.chosen = [];
      this.drawBlocks();
      toast(t("board.saved"), "good");
    } catch (why) {
      set(this.news, notice("bad", sentence(why)));
    }
    this.map?.redraw();
  }

  settings() {
    const { show } = this;
    const { currency } = show.prices[0].price;
    const name = new Map(this.hall.categories.map((it) => [it.id, it.name]));
    const opens = h("input", { type: "datetime-local", name: "opensAt", "data-pointer": "/waitingRoom/opensAt" });
    const room = h("input", { type: "checkbox", name: "room", checked: show.waitingRoom.enabled });
    const form = h("form", { class: "grid", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); busy(form.querySelector("button"), () => this.save(form, currency)); } },
      show.prices.map(({ category, price }) => labelled(name.get(category) ?? category, h("input", { name: `price:${category}`, required: true, inputmode: "decimal", value: typed(price.amountMinor, currency), "data-pointer": `/prices/${category}` }))),
      labelled(t("publish.limit"), h("input", { type: "number", name: "limit", min: 1, max: 100, value: show.maxSeatsPerBuyer, "data-pointer": "/maxSeatsPerBuyer" })),
      labelled(t("publish.hold"), h("input", { type: "number", name: "hold", min: 1, max: 14, value: Math.round(show.holdTtlSeconds / 60), "data-pointer": "/holdTtlSeconds" })),
      h("label", { class: "check all" }, room, h("span", null, t("publish.room"))), labelled(t("publish.opensAt"), opens), h("div", { class: "all" }, h("button", null, t("board.save"))));
    return h("details", { class: "settings" }, h("summary", null, t("board.settings")), h("p", { class: "dim small" }, t("board.frozen")), form);
  }

  /** @param {HTMLFormElement} form @param {string} currency */
  async save(form, currency) {
    const data = Object.fromEntries(new FormData(form));
    /** @type {Record<string, number>} */
    const prices = {};
    for (const { category } of this.show.prices) {
      const amount = minor(String(data[`price:${category}`]), currency);
      if (amount === null) return atFields(form, [{ pointer: `/prices/${category}`, detail: t("publish.badPrice") }]);
      prices[category] = amount;
    }
    const waitingRoom = { enabled: Boolean(data.room), ...(data.opensAt ? { opensAt: moment(String(data.opensAt), this.show.timeZone) } : this.show.waitingRoom.opensAt ? { opensAt: this.show.waitingRoom.opensAt } : {}) };
    try {
      await this.change({ prices, maxSeatsPerBuyer: Number(data.limit), ...(Number(data.hold) * 60 !== this.show.holdTtlSeconds ? { holdTtlSeconds: Number(data.hold) * 60 } : {}), waitingRoom });
    } catch (why) {
      atFields(form, /** @type {Problem} */ (why).document.faults ?? []);
    }
  }

  exportSections() {
    const rows = [["section", "total", "sold", "held", "free", "blocked"], ...this.sales.sections.map((/** @type {any} */ it) => [it.name, it.total, it.sold, it.held, it.available, it.blocked]), ...this.sales.areas.map((/** @type {any} */ it) => [it.name, it.capacity, it.taken, "", it.remaining, ""])];
    save(rows, `sales-${this.show.showId}.csv`);
  }

  async exportLedger() {
    try {
      const entries = await this.ledger(LEDGER_PAGES_MAX);
      const places = exponent(this.show.prices[0].price.currency);
      save([["at", "booking", "kind", "amountMinor", "minorDigits", "currency", "intent", "who", "reason"], ...entries.map((it) => [it.at, it.bookingId, it.kind, it.amount.amountMinor, places, it.amount.currency, it.intentId ?? "", typeof it.who === "string" ? it.who : JSON.stringify(it.who), it.reason ?? ""])], `ledger-${this.show.showId}.csv`);
    } catch (why) {
      set(this.news, notice("bad", sentence(why)));
    }
  }
}

/** A table as spreadsheets read it (RFC 4180); nothing in it is taken for a formula. @param {(string | number)[][]} rows @param {string} name */
function save(rows, name) {
  const cell = (/** @type {string | number} */ value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const url = URL.createObjectURL(new Blob(["\ufeff", rows.map((row) => row.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
