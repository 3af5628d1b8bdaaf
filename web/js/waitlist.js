// A name for a sold-out show: what comes back is offered in order, as a hold.

import { Problem, call, get } from "./api.js";
import { h, icon, pause, set } from "./dom.js";
import { money, number, t, when } from "./i18n.js";
import { notice, sentence } from "./parts.js";
import { session } from "./session.js";

const EVERY_MILLIS = 6000;

/**
 * @param {{show: Show, categories: {id: string, name: string, price: Money | null, rank: number}[], limit: number, signal: AbortSignal, go: (path: string) => void}} about
 */
export function waitlist({ show, categories, limit, signal, go }) {
  const path = `/v1/shows/${show.showId}/waitlist`;
  const box = h("section", { class: "bestof waitlist" });
  const news = h("div", { "aria-live": "polite" });

  const form = () => {
    const quantity = h("select", { "aria-label": t("waitlist.quantity") }, Array.from({ length: limit }, (_, at) => h("option", { value: at + 1, ".selected": at === 1 }, t("tray.count", { n: at + 1 }))));
    const category = h("select", { "aria-label": t("best.category") }, h("option", { value: "" }, t("best.any")), categories.filter((it) => it.price).sort((a, b) => a.rank - b.rank).map((it) => h("option", { value: it.id }, `${it.name} · ${it.price ? money(it.price) : ""}`)));
    const accessible = h("input", { type: "checkbox" });
    const button = h("button", { type: "button", class: "best", onclick: async () => {
      if (!session()) return go(`/signin?next=${encodeURIComponent(location.pathname)}`);
      button.disabled = true;
      try {
        tell(await call("POST", path, { body: { quantity: Number(quantity.value), ...(category.value ? { category: category.value } : {}), ...(accessible.checked ? { accessible: true } : {}) }, repeatable: true, signal }));
        follow();
      } catch (why) {
        set(news, notice(why instanceof Problem && why.slug === "not-sold-out" ? "info" : "bad", sentence(why)));
      }
      button.disabled = false;
    } }, t("waitlist.join"));
    set(box, h("h2", null, icon("clock"), t("waitlist.title")), h("p", { class: "dim" }, t("waitlist.words")), h("div", { class: "row" }, quantity, category), h("label", { class: "check" }, accessible, h("span", null, t("best.accessible"))), button, news);
  };

  const leave = async () => {
    try {
      tell(await call("DELETE", path, { signal }));
    } catch (why) {
      set(news, notice("bad", sentence(why)));
    }
  };

  let told = "";
  const tell = (/** @type {any} */ entry) => {
    const state = `${entry.state} ${entry.position} ${entry.bookingId}`;
    if (state === told) return;
    told = state;
    if (entry.state === "OFFERED" && entry.bookingId) {
      set(box, h("h2", null, icon("spark"), t("waitlist.offered")), h("p", null, t("waitlist.until", { when: when(entry.expiresAt, undefined, { hour: "numeric", minute: "2-digit" }) })), h("a", { class: "button primary", href: `/bookings/${entry.bookingId}/pay` }, t("booking.pay")));
    } else if (entry.state === "WAITING") {
      set(box, h("h2", null, icon("clock"), t("waitlist.on")), h("p", null, entry.position ? t("waitlist.position", { at: number(entry.position) }) : t("waitlist.far"), " ", t("waitlist.mail")), news, h("button", { type: "button", class: "link", onclick: leave }, t("waitlist.leave")));
    } else form();
  };

  let following = false;
  /** Until there is no name of theirs on the list. */
  const follow = async () => {
    if (following) return;
    following = true;
    while (following && !signal.aborted) {
      const entry = document.hidden ? null : await get(path, signal).catch((why) => why);
      if (signal.aborted) return;
      if (entry?.state) tell(entry);
      if (entry?.status === 404 || (entry?.state && !["WAITING", "OFFERED"].includes(entry.state))) following = false;
      else await pause(EVERY_MILLIS, signal);
    }
  };

  form();
  if (session()) follow();
  return box;
}
