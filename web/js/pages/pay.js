// From a hold to a sale: the time that is left, what it costs, and the payment in all its turns.

import { Problem, call, get } from "../api.js";
import { config } from "../config.js";
import { dialog, h, icon, pause, say, set, still } from "../dom.js";
import { money, number, t, when } from "../i18n.js";
import { areaNames, deadline, notice, plansOf, seatName, sentence, showAndEvent, timer } from "../parts.js";
import { cards, elements } from "../payment.js";
import { spend } from "../admission.js";

/** Failures after which a hold ends. */
const ATTEMPTS_MAX = 3;
/** How often a booking is looked at while its payment is under way. */
const QUICK_MILLIS = 700;
const CALM_MILLIS = 4000;
/** After so long without news of a payment that looked done, people are told that it takes its time. */
const PATIENCE_MILLIS = 20_000;

/** @type {import("../main.js").Page} */
export default async function pay({ params, query, signal, go, title }) {
  /** @type {Booking} */
  const booking = await get(`/v1/bookings/${params.bookingId}`, signal);
  if (booking.status === "CONFIRMED") {
    go(`/bookings/${booking.bookingId}${query.has("redirect_status") ? "?paid=1" : ""}`, true);
    return h("div");
  }
  const { show, event } = await showAndEvent(booking.showId);
  title(t("pay.title"));
  const plans = await plansOf(booking, show);
  return new Checkout(booking, show, event, plans, await areaNames(booking, show), signal, go).node(query);
}

class Checkout {
  /** @param {Booking} booking @param {Show} show @param {EventDetail} event @param {Record<string, SectionPlan>} plans @param {Record<string, string>} areas @param {AbortSignal} signal @param {(path: string, replace?: boolean) => void} go */
  constructor(booking, show, event, plans, areas, signal, go) {
    this.areas = areas;
    this.booking = booking; this.show = show; this.event = event; this.plans = plans; this.signal = signal; this.go = go;
    this.end = deadline(booking);
    this.news = h("div", { class: "news", "aria-live": "polite" });
    this.form = h("div", { class: "payform" });
    this.attempts = 0;
    this.substitutes = h("input", { type: "checkbox" });
    /** Whether the provider may be at work: then nothing is over yet. */
    this.waiting = false;
  }

  /** @param {URLSearchParams} query */
  node(query) {
    const { booking, show, event, signal } = this;
    const whole = Math.max(show.holdTtlSeconds * 1000, this.end - performance.now());
    this.clock = timer(() => this.end, whole, signal, () => this.over());
    const lines = booking.seats.map((seat) => h("li", null, h("span", { class: "grow" }, seatName(seat, this.plans)), h("b", null, money(seat.price))));
    for (const area of booking.areas) lines.push(h("li", null, h("span", { class: "grow" }, `${this.areas[area.areaId] ?? area.areaId} × ${number(area.quantity)}`), h("b", null, money({ ...area.price, amountMinor: area.price.amountMinor * area.quantity }))));
    this.side = h("div", null, this.form);
    const page = h("div", { class: "page checkout" },
      h("section", { class: "order" },
        h("h1", null, t("pay.title")),
        h("div", { class: "until" }, this.clock, h("div", null, h("b", null, t("pay.held", { n: booking.seats.length + booking.areas.reduce((sum, it) => sum + it.quantity, 0) })), h("p", { class: "dim" }, t("pay.honest")))),
        this.news, this.side),
      h("aside", { class: "receipt" },
        h("h2", null, event.title), h("p", null, when(show.startsAt, show.timeZone), event.venueName ? h("span", null, h("br"), event.venueName) : null),
        h("ul", null, lines), h("div", { class: "sum" }, h("span", null, t("pay.total")), h("b", null, money(booking.total))),
        h("p", { class: "dim small" }, policyWords(show)),
        h("button", { type: "button", class: "link", onclick: () => this.release() }, t("pay.release"))));
    if (booking.status === "CANCELLED") this.ended(booking);
    else {
      this.start();
      this.returned(query);
      this.follow();
    }
    return page;
  }

  /** The way to pay that this deployment has. */
  async start() {
    const { payment } = config();
    try {
      this.method = payment.kind === "stripe" ? await elements(payment, this.booking) : cards(payment);
      const places = this.booking.seats.length;
      this.button = h("button", { class: "primary big" }, t("pay.pay", { price: money(this.booking.total) }));
      set(this.form, h("h2", null, t("pay.how")), h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.pay(); } }, this.method.node, places > 0 && h("label", { class: "check" }, this.substitutes, h("span", null, t("pay.substitutes"))), this.button,
        h("p", { class: "dim small" }, icon("shield"), " ", t("pay.safe"))));
    } catch {
      set(this.form, notice("bad", t("pay.noProvider"), h("button", { type: "button", onclick: () => this.start() }, t("again"))));
    }
  }

  /** Back from the bank's page. @param {URLSearchParams} query */
  returned(query) {
    const outcome = query.get("redirect_status");
    if (!outcome) return;
    history.replaceState(null, "", location.pathname);
    if (outcome === "succeeded") this.wait(t("pay.finishing"));
    else this.declined();
  }

  async pay() {
    this.busy(true);
    set(this.news);
    try {
      /** @type {Booking} */
      const started = await call("POST", `/v1/bookings/${this.booking.bookingId}/confirm`, { body: this.substitutes.checked ? { acceptSubstitutes: true } : {}, repeatable: true, signal: this.signal });
      this.learn(started);
      if (this.finished(started)) return;
      const back = `${location.origin}${location.pathname}`;
      const outcome = await /** @type {any} */ (this.method).pay(started.payment, back);
      if (outcome.go) return location.assign(outcome.go);
      if (outcome.declined) return await this.declined(outcome.words);
      await this.wait(outcome.processing ? t("pay.processing") : t("pay.finishing"));
    } catch (why) {
      if (this.signal.aborted) return;
      if (why instanceof Problem && why.slug === "hold-expired") return this.look();
      set(this.news, notice("bad", sentence(why)));
    } finally {
      if (!this.waiting) this.busy(false);
    }
  }

  /** @param {boolean} is */
  busy(is) {
    if (this.button) this.button.disabled = is;
    this.form.setAttribute("aria-busy", String(is));
    if (this.button) this.button.textContent = is ? t("pay.paying") : this.attempts ? t("pay.payAgain") : t("pay.pay", { price: money(this.booking.total) });
  }

  /** The bank said no: how many tries are left, and that there is more time. @param {string} [words] the provider's own */
  async declined(words) {
    for (let tries = 0; tries < 6 && !this.signal.aborted; tries++) {
      // The platform learns of it from the provider: a moment later.
      await pause(QUICK_MILLIS, this.signal);
      const now = await call("POST", `/v1/bookings/${this.booking.bookingId}/confirm`, { body: {}, repeatable: true, signal: this.signal }).catch((why) => why);
      if (now instanceof Problem) return this.look();
      const before = this.attempts;
      this.learn(now);
      if (this.finished(now)) return;
      if (this.attempts > before) break;
    }
    const left = Math.max(0, ATTEMPTS_MAX - this.attempts);
    set(this.news, notice("bad", h("b", null, t("pay.declined")), h("p", null, words ? `“${words}” ` : "", t("pay.left", { n: left }), " ", t("pay.moreTime"))));
    this.busy(false);
    this.button?.focus({ preventScroll: true });
    // What went wrong comes first, and it stands above the cards.
    this.news.scrollIntoView({ block: "center", behavior: still() ? "auto" : "smooth" });
  }

  /** The bank has said yes or thinks about it: until the platform says the same. @param {string} words */
  async wait(words) {
    this.waiting = true;
    this.busy(true);
    const began = performance.now();
    set(this.form, h("div", { class: "waiting", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), h("h2", null, words), h("p", { class: "dim" }, t("pay.stay"))));
    let told = false;
    while (!this.signal.aborted && this.waiting) {
      await this.look();
      if (!told && performance.now() - began > PATIENCE_MILLIS) {
        told = true;
        set(this.news, notice("info", t("pay.slow")));
      }
      await pause(performance.now() - began > PATIENCE_MILLIS ? CALM_MILLIS : QUICK_MILLIS, this.signal);
    }
  }

  /** @param {Booking} booking */
  learn(booking) {
    if (booking.version >= this.booking.version) {
      this.booking = { ...booking };
      this.end = deadline(booking);
    }
    this.attempts = booking.payment?.attempts ?? this.attempts;
  }

  /** Looks at the booking. */
  async look() {
    const booking = await get(`/v1/bookings/${this.booking.bookingId}`, this.signal).catch(() => null);
    if (booking && !this.signal.aborted) {
      this.learn(booking);
      this.finished(booking);
    }
    return booking;
  }

  /** @param {Booking} booking */
  finished(booking) {
    if (booking.status === "CONFIRMED") {
      this.waiting = false;
      spend(booking.showId);
      this.go(`/bookings/${booking.bookingId}?paid=1`, true);
      return true;
    }
    if (booking.status === "CANCELLED") {
      this.ended(booking);
      return true;
    }
    return false;
  }

  /** Another tab may have paid or released it; a payment may have given it more time. */
  async follow() {
    while (!this.signal.aborted) {
      await pause(CALM_MILLIS, this.signal);
      if (this.signal.aborted || this.isOver) return;
      if (!document.hidden && !this.waiting) await this.look();
    }
  }

  /** The clock ran out. The platform decides whether the hold has: a payment that is under way keeps it. */
  async over() {
    const booking = await this.look();
    if (this.isOver || this.signal.aborted) return;
    if (this.waiting) return void set(this.news, notice("info", t("pay.keeps")));
    if (booking && this.end > performance.now()) return;
    this.ended({ ...this.booking, reason: "expired" });
  }

  /** @param {Booking} booking */
  ended(booking) {
    if (this.isOver) return;
    this.isOver = true;
    this.waiting = false;
    const reason = booking.reason ?? "expired";
    this.clock?.classList.add("over");
    set(this.news);
    set(this.side, h("div", { class: "ended" }, h("h2", null, t(`ended.${reason}.title`)), h("p", null, t(`ended.${reason}.words`)),
      h("div", { class: "actions" }, h("a", { class: "button primary", href: `/shows/${booking.showId}` }, t("ended.again")), h("a", { class: "button", href: `/events/${this.event.eventId}` }, t("ended.times")))));
    say(t(`ended.${reason}.title`));
  }

  async release() {
    const sure = await dialog(t("release.title"), (close) => [h("p", null, t("release.words")), h("div", { class: "actions" }, h("button", { type: "button", class: "danger", onclick: () => close(true) }, t("release.yes")), h("button", { type: "button", onclick: () => close(false) }, t("release.no")))]);
    if (!sure) return;
    try {
      const booking = await call("DELETE", `/v1/bookings/${this.booking.bookingId}`, { signal: this.signal });
      if (booking.status === "CONFIRMED") return this.finished(booking);
      this.ended(booking);
    } catch (why) {
      set(this.news, notice("bad", sentence(why)));
    }
  }
}

/** What is given back to who cancels. @param {Show} show */
export function policyWords(show) {
  const steps = show.refundPolicy.map((step) => t("policy.step", { percent: number(step.percent), hours: number(step.hoursBefore) }));
  return steps.length ? `${t("policy.title")} ${steps.join(", ")}.` : t("policy.none");
}
