// One booking: its tickets, and giving it back.

import { Problem, call, get } from "../api.js";
import { dialog, h, icon, pause, set } from "../dom.js";
import { away, money, number, t, when } from "../i18n.js";
import { areaNames, notice, plansOf, poster, seatName, sentence, showAndEvent } from "../parts.js";
import { policyWords } from "./pay.js";

/** How often tickets and refunds that are on their way are asked for, and how long. */
const EVERY_MILLIS = 900;
const TRIES_MAX = 60;

/** @type {import("../main.js").Page} */
export default async function bookingPage({ params, query, signal, title }) {
  /** @type {Booking} */
  let booking = await get(`/v1/bookings/${params.bookingId}`, signal);
  const { show, event } = await showAndEvent(booking.showId);
  const plans = await plansOf(booking, show);
  const areas = await areaNames(booking, show);
  title(event.title);
  const body = h("div");
  const draw = () => set(body, booking.status === "CONFIRMED" ? standing() : booking.status === "CANCELLED" ? over() : held());
  const time = when(show.startsAt, show.timeZone);

  function held() {
    return h("section", { class: "empty" }, h("h2", null, t("booking.held")), h("p", null, t("booking.heldWords")), h("a", { class: "button primary", href: `/bookings/${booking.bookingId}/pay` }, t("booking.pay")));
  }

  function over() {
    const reason = booking.reason ?? "expired";
    const { refund } = booking;
    if (refund && refund.amount.amountMinor > 0 && refund.status !== "done") refundArrives();
    return h("section", { class: "ended" }, h("h2", null, t(`ended.${reason}.title`)), h("p", null, t(`ended.${reason}.words`)),
      refund && notice(refund.status === "done" ? "good" : "info", t(refund.amount.amountMinor ? `refund.${refund.status === "done" ? "done" : "pending"}` : "refund.nothing", { price: money(refund.amount), percent: number(refund.percent) })),
      h("div", { class: "actions" }, h("a", { class: "button", href: `/events/${event.eventId}` }, t("ended.times"))));
  }

  let watching = false;
  async function refundArrives() {
    if (watching) return;
    watching = true;
    for (let tries = 0; tries < TRIES_MAX && !signal.aborted; tries++) {
      await pause(EVERY_MILLIS * 2, signal);
      const now = await get(`/v1/bookings/${booking.bookingId}`, signal).catch(() => null);
      if (now?.refund && now.refund.status !== booking.refund?.status) { booking = now; break; }
    }
    watching = false;
    if (!signal.aborted) draw();
  }

  function standing() {
    const stubs = h("div", { class: "stubs", "aria-busy": "true" }, booking.seats.map(() => h("div", { class: "stub-card bone" })));
    const pdf = h("button", { type: "button", class: "primary", disabled: true, onclick: openPdf }, icon("download"), t("ticket.pdf"));
    tickets(stubs, pdf);
    const ahead = Date.parse(show.startsAt) > Date.now();
    return h("section", null, booking.substituted && notice("warn", t("booking.substituted")), stubs,
      h("div", { class: "actions" }, pdf, h("button", { type: "button", onclick: () => calendar(event, show, booking) }, icon("calendar"), t("ticket.calendar")), ahead && h("button", { type: "button", class: "link", onclick: cancel }, t("cancel.open"))),
      h("p", { class: "dim small" }, policyWords(show)));
  }

  /** Codes are there once the capture is recorded, the file some seconds later. @param {Element} stubs @param {any} pdf */
  async function tickets(stubs, pdf) {
    for (let tries = 0; tries < TRIES_MAX && !signal.aborted; tries++) {
      try {
        const answer = await get(`/v1/bookings/${booking.bookingId}/tickets`, signal);
        if (stubs.getAttribute("aria-busy") === "true") {
          stubs.setAttribute("aria-busy", "false");
          set(stubs, answer.tickets.map((/** @type {Ticket} */ ticket) => stub(ticket)));
        }
        if (answer.pdfUrl) {
          pdf.disabled = false;
          return;
        }
      } catch (why) {
        if (signal.aborted) return;
        if (!(why instanceof Problem) || why.slug !== "not-paid") return set(stubs, notice("bad", sentence(why)));
      }
      await pause(EVERY_MILLIS, signal);
    }
  }

  /** @param {Ticket} ticket */
  function stub(ticket) {
    const seat = booking.seats.find((it) => it.seatId === ticket.seatId);
    const area = booking.areas.find((it) => it.areaId === ticket.areaId);
    const name = seat ? seatName(seat, plans) : areas[ticket.areaId ?? ""] ?? ticket.areaId ?? "";
    const price = seat?.price ?? area?.price;
    return h("article", { class: "stub-card" },
      h("div", { class: "who" }, h("p", { class: "kind" }, event.venueName), h("h3", null, event.title), h("p", null, time), h("p", { class: "seat" }, name), price && h("p", { class: "dim" }, money(price))),
      h("div", { class: "code" }, h("img", { src: `data:image/svg+xml,${encodeURIComponent(ticket.svg)}`, alt: t("ticket.qr", { seat: name }), width: 190, height: 190 })));
  }

  /** The link lives for minutes: a new one each time. */
  async function openPdf() {
    const { pdfUrl } = await get(`/v1/bookings/${booking.bookingId}/tickets`, signal);
    if (pdfUrl) window.open(pdfUrl, "_blank", "noopener");
  }

  async function cancel() {
    const { percent, amount, until } = refundNow(booking, show);
    const sure = await dialog(t("cancel.title"), (close) => [
      h("p", { class: "refund" }, amount.amountMinor ? t("cancel.back", { price: money(amount), percent: number(percent) }) : t("cancel.nothing")),
      h("p", null, t("cancel.seats")), until && h("p", { class: "dim" }, t("cancel.until", { when: when(until, show.timeZone, { dateStyle: "medium", timeStyle: "short" }), away: away(Date.parse(until) - Date.now()) })),
      h("div", { class: "actions" }, h("button", { type: "button", class: "danger", onclick: () => close(true) }, t("cancel.yes")), h("button", { type: "button", onclick: () => close(false) }, t("cancel.no")))]);
    if (!sure) return;
    try {
      booking = await call("DELETE", `/v1/bookings/${booking.bookingId}`, { signal });
      draw();
    } catch (why) {
      body.prepend(notice("bad", sentence(why)));
    }
  }

  draw();
  const paid = query.has("paid") && booking.status === "CONFIRMED";
  return h("article", null,
    h("header", { class: "billboard" }, poster(event), h("div", { class: "inside" }, paid && h("p", { class: "kind" }, t("booking.thanks")), h("h1", null, paid ? t("booking.going") : event.title), h("p", null, paid ? `${event.title} · ` : "", time), h("p", { class: "place" }, icon("pin"), [event.venueName, event.city].filter(Boolean).join(", ")))),
    h("div", { class: "page" }, body, h("p", { class: "dim small number" }, t("booking.number", { id: booking.bookingId }))));
}

/**
 * What a cancellation would give back now: the policy's share of what is left of the price, rounded as the platform does. The
 * platform's clock decides; it said what it is when it sent the booking.
 * @param {Booking} booking @param {Show} show
 */
export function refundNow(booking, show) {
  const now = Date.parse(booking.serverTime) + (performance.now() - (booking.asked ?? performance.now()));
  const notice = Date.parse(show.startsAt) - now;
  const step = show.refundPolicy.find((it) => notice >= it.hoursBefore * 3_600_000);
  const percent = step?.percent ?? 0;
  const left = booking.total.amountMinor - (booking.refund?.amount.amountMinor ?? 0);
  const amountMinor = Math.floor((left * percent + 50) / 100);
  const until = step ? new Date(Date.parse(show.startsAt) - step.hoursBefore * 3_600_000).toISOString() : "";
  return { percent, amount: { amountMinor, currency: booking.total.currency }, until };
}

/** The show for a calendar (RFC 5545). @param {EventDetail} event @param {Show} show @param {Booking} booking */
function calendar(event, show, booking) {
  const stamp = (/** @type {string | number} */ at) => new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const plain = (/** @type {string} */ text) => text.replace(/[\\;,]/g, "\\$&").replace(/\n/g, "\\n");
  const lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Usher//EN", "BEGIN:VEVENT", `UID:${booking.bookingId}@usher`, `DTSTAMP:${stamp(Date.now())}`, `DTSTART:${stamp(show.startsAt)}`, `SUMMARY:${plain(event.title)}`,
    `LOCATION:${plain([event.venueName, event.city].filter(Boolean).join(", "))}`, `URL:${location.origin}/bookings/${booking.bookingId}`, "END:VEVENT", "END:VCALENDAR"];
  const url = URL.createObjectURL(new Blob([lines.join("\r\n")], { type: "text/calendar" }));
  h("a", { href: url, download: "usher.ics" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
