// Shows for tests to play with: each test has one of its own.

import { URL_BASE, api, token } from "./browser.mjs";

/** A small theatre in the open format: rows A to N of fifteen seats, a balcony. */
export function plan() {
  const rows = (names, count, category, top) => names.map((name, at) => ({
    row_number: name, position: { x: 0, y: top + at * 36 },
    seats: Array.from({ length: count }, (_, seat) => ({ seat_guid: `${category}-${name}-${seat}`, seat_number: String(seat + 1), position: { x: seat * 25, y: 0 }, category, ...(name === "N" && seat < 2 ? { accessible: seat === 0, companion: seat === 1 } : {}) })),
  }));
  return {
    name: "Test house", size: { width: 500, height: 900 }, categories: [{ name: "Stalls", color: "#0a8a66" }, { name: "Balcony", color: "#c4501c" }],
    zones: [
      { name: "Stalls", position: { x: 60, y: 120 }, rows: rows([..."ABCDEFGHKLMN"], 15, "Stalls", 0), areas: [{ shape: "rectangle", rectangle: { width: 350, height: 60 }, position: { x: 0, y: -100 }, rotation: 0, color: "#ccc", text: { text: "Stage", position: { x: 175, y: 30 } } }] },
      { name: "Balcony", position: { x: 60, y: 640 }, rows: rows([..."AB"], 15, "Balcony", 0), areas: [] },
    ],
  };
}

let venue;
let event;

/** A new show at the test house (or at one that is built otherwise), on sale, as its id. */
export async function theatre(more = {}, rebuild = undefined) {
  const organiser = await token("demo-organiser", ["organiser"]);
  const build = (house) => api("POST", "/v1/venues", { token: organiser, body: { name: "Test house", city: "Pune", timeZone: "Asia/Kolkata", plan: house } });
  if (!rebuild) venue ??= build(plan());
  event ??= api("POST", "/v1/events", { token: organiser, body: { title: "A test of patience", category: "theatre", city: "Pune", description: "Played once a test." } });
  const house = plan();
  rebuild?.(house);
  const [{ venueId, categories }, { eventId }] = await Promise.all([rebuild ? build(house) : venue, event]);
  const day = 86_400_000;
  const show = await api("POST", `/v1/events/${eventId}/shows`, {
    token: organiser,
    body: { venueId, startsAt: new Date(Date.now() + 30 * day).toISOString(), onSaleAt: new Date(Date.now() - day).toISOString(), currency: "INR", prices: Object.fromEntries(categories.map(({ categoryId }, at) => [categoryId, 90_000 - at * 40_000])), ...more },
  });
  return show.showId;
}

/** Pays for a hold with a card that pays at once. @param {{bookingId: string}} booking @param {string} buyer their token */
export async function settle({ bookingId }, buyer) {
  const { payment } = await api("POST", `/v1/bookings/${bookingId}/confirm`, { token: buyer, body: {} });
  await fetch(`${URL_BASE}/sandbox/stripe/v1/payment_intents/${payment.intentId}/confirm`, { method: "POST", body: new URLSearchParams({ payment_method: "pm_card_visa", client_secret: payment.clientSecret }) });
}

/** Buys these seats, as the tickets and a way to give them back. */
export async function buy(show, sub, seatIds) {
  const buyer = await token(sub);
  const booking = await api("POST", `/v1/shows/${show}/holds`, { token: buyer, key: crypto.randomUUID(), body: { seatIds } });
  await settle(booking, buyer);
  for (let tries = 0; tries < 100; tries++) {
    const answer = await api("GET", `/v1/bookings/${booking.bookingId}/tickets`, { token: buyer }).catch(() => null);
    if (answer) return { tickets: answer.tickets, giveBack: () => api("DELETE", `/v1/bookings/${booking.bookingId}`, { token: buyer }) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no tickets of ${booking.bookingId}`);
}

/** What the demo has of a kind, as its event and first show. */
export async function demo(category) {
  const { events } = await api("GET", `/v1/events?category=${category}`);
  const { shows } = await api("GET", `/v1/events/${events[0].eventId}/shows`);
  return { event: events[0].eventId, show: shows[0].showId };
}

/** Sells a part of a show to many; every so many of them do not pay. */
export async function crowd(show, people, unpaid) {
  for (let n = 0; n < people; n++) {
    const buyer = await token(`crowd-${n}-${process.pid}`);
    const booking = await api("POST", `/v1/shows/${show}/best-available`, { token: buyer, key: `c${n}`, body: { quantity: 1 + ((n * 7) % 5) } }).catch(() => null);
    if (booking && n % unpaid !== unpaid - 1) await settle(booking, buyer);
  }
}
