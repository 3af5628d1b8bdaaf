// What somebody has bought and holds, newest first.

import { get } from "../api.js";
import { h, set } from "../dom.js";
import { money, t, when } from "../i18n.js";
import { empty, failure, notice, poster, sentence, showAndEvent } from "../parts.js";
import { session } from "../session.js";

/** @type {import("../main.js").Page} */
export default async function bookings({ signal, title }) {
  title(t("nav.bookings"));
  if (!session()) return failure({ slug: "unauthenticated" });
  const list = h("ul", { class: "bookings" });
  const more = h("div", { class: "actions centred" });
  /** @param {string} [cursor] */
  const ask = async (cursor) => {
    const answer = await get(`/v1/bookings?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, signal);
    const lines = await Promise.all(answer.bookings.map(line));
    list.append(...lines);
    set(more, answer.nextCursor && h("button", { type: "button", onclick: () => ask(answer.nextCursor).catch((why) => set(more, notice("bad", sentence(why)))) }, t("home.more")));
  };
  await ask();
  return h("section", { class: "page" }, h("h1", null, t("nav.bookings")), list.children.length ? [list, more] : empty(t("bookings.none"), t("bookings.noneWords"), h("a", { class: "button primary", href: "/" }, t("bookings.browse"))));
}

/** @param {Booking} booking */
async function line(booking) {
  const found = await showAndEvent(booking.showId).catch(() => null);
  const places = booking.seats.length + booking.areas.reduce((sum, it) => sum + it.quantity, 0);
  const held = booking.status === "PENDING" && Date.parse(booking.expiresAt) > Date.parse(booking.serverTime);
  const state = booking.status === "CONFIRMED" ? "paid" : held ? "held" : "over";
  const words = state === "over" ? t(`ended.${booking.reason ?? "expired"}.short`) : t(`booking.state.${state}`);
  return h("li", null, h("a", { href: held ? `/bookings/${booking.bookingId}/pay` : `/bookings/${booking.bookingId}` },
    h("div", { class: "thumb" }, found && poster(found.event)),
    h("div", { class: "grow" }, h("b", null, found?.event.title ?? booking.showId), h("p", null, found ? when(found.show.startsAt, found.show.timeZone, { dateStyle: "medium", timeStyle: "short" }) : ""), h("p", { class: "dim" }, `${t("tray.count", { n: places })} · ${money(booking.total)}`)),
    h("span", { class: `state ${state}` }, words)));
}
