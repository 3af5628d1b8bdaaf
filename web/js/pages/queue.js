// The waiting room: a place, what is before it, and going in by itself. What everybody polls is one small public object; whether one's turn has come is worked out here.

import { Problem, call, get, once, watch } from "../api.js";
import { admission, keepPass } from "../admission.js";
import { h, icon, pause, say, set } from "../dom.js";
import { check, isServed } from "../draw.js";
import { countdown, number, t, when } from "../i18n.js";
import { failure, freshness, notice, poster, sentence } from "../parts.js";
import { session } from "../session.js";

const EVERY_MILLIS = 1500;
/** A position is asked for anew so often: it costs a call of one's own. */
const POSITION_MILLIS = 20_000;
/** Between two tries to exchange a place that is served: many are served at the same moment. */
const EXCHANGE_MILLIS = 1500;

/** @typedef {{phase: "PRE_SALE" | "OPEN" | "PAUSED" | "SOLD_OUT" | "CLOSED", serving: string, joined: number, perMinute: number, histogram: {opensAt: string, drawn: number, bucketSeconds: number, counts: number[]}, commitment: string, secret: string | null}} Room */
/** @typedef {{place: string, position: number | null, queueToken: string, estimatedWaitSeconds: number | null, phase: string}} Standing */

/** @type {import("../main.js").Page} */
export default async function queue({ params, signal, go, title }) {
  const { showId } = params;
  title(t("queue.title"));
  if (!session()) return failure({ slug: "unauthenticated" });
  const show = await get(`/v1/shows/${showId}`, signal);
  if (!show.waitingRoom.enabled || admission(showId)) {
    go(`/shows/${showId}`, true);
    return h("div");
  }
  const event = await once(`/v1/events/${show.eventId}`);
  return new Waiting(show, event, signal, go).node();
}

class Waiting {
  /** @param {Show} show @param {EventDetail} event @param {AbortSignal} signal @param {(path: string, replace?: boolean) => void} go */
  constructor(show, event, signal, go) {
    this.show = show; this.event = event; this.signal = signal; this.go = go;
    /** @type {Room | null} */
    this.room = null;
    /** @type {Standing | null} */
    this.standing = null;
    this.served = false;
    this.user = session()?.sub ?? "";
    /** How far one was from the front at first: what progress is measured by. */
    this.start = 0;
    this.key = `usher.queue.${show.showId}.${this.user}`;
    this.body = h("div", { class: "wait", "aria-busy": "true" });
    this.news = h("div", { "aria-live": "polite" });
    this.proof = h("details", { class: "proof" }, h("summary", null, icon("shield"), t("draw.title")), h("div"));
  }

  get path() { return `/v1/shows/${this.show.showId}/queue`; }

  node() {
    const { show, event, signal } = this;
    const { box, fresh } = freshness(signal);
    this.join();
    watch(this.path, { every: EVERY_MILLIS, signal, fresh, data: (room) => this.learn(room) });
    const clock = setInterval(() => this.tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(clock), { once: true });
    // Another tab of the same person went in: so does this one.
    addEventListener("storage", () => { if (admission(show.showId)) this.enter(); }, { signal });
    return h("article", null,
      h("header", { class: "billboard" }, poster(event), h("div", { class: "inside" }, h("p", { class: "kind" }, t("queue.title")), h("h1", null, event.title), h("p", null, when(show.startsAt, show.timeZone)))),
      h("div", { class: "page narrow" }, h("div", { class: "bar" }, h("p", { class: "dim small" }, t("queue.keeps")), box), this.news, this.body, this.proof, h("p", { class: "actions" }, h("a", { class: "small", href: `/shows/${show.showId}?look=1` }, t("queue.look")))));
  }

  /** The same place whenever it is asked for, from any tab. */
  async join() {
    while (!this.signal.aborted) {
      try {
        this.standing = await call("POST", this.path, { body: {}, repeatable: true, signal: this.signal });
        set(this.news);
        this.draw();
      } catch (why) {
        if (this.signal.aborted) return;
        const slug = why instanceof Problem ? why.slug : "";
        if (slug === "no-waiting-room") return this.go(`/shows/${this.show.showId}`, true);
        set(this.news, notice("bad", sentence(why)));
        if (slug === "unauthenticated" || slug === "not-on-sale") return;
      }
      await pause(POSITION_MILLIS * (0.8 + Math.random() * 0.4), this.signal);
    }
  }

  /** @param {Room} room */
  async learn(room) {
    this.room = room;
    // What was promised before the opening is kept, to hold it against what is told afterwards.
    if (room.secret === null) localStorage.setItem(`${this.key}.commitment`, room.commitment);
    if (this.standing && !this.served && (await isServed(this.standing.place, room.secret, room.serving))) this.exchange();
    this.draw();
  }

  /** The turn has come: in, as soon as there is room. */
  async exchange() {
    if (this.served || !this.standing) return;
    this.served = true;
    say(t("queue.turn"));
    while (!this.signal.aborted && !admission(this.show.showId)) {
      try {
        keepPass(this.show.showId, await call("POST", `${this.path}/admission`, { body: { queueToken: this.standing.queueToken }, repeatable: true, signal: this.signal }));
        break;
      } catch (why) {
        if (this.signal.aborted) return;
        const slug = why instanceof Problem ? why.slug : "";
        if (slug === "turn-over") {
          this.served = false;
          this.standing = await call("POST", this.path, { body: {}, repeatable: true, signal: this.signal }).catch(() => this.standing);
          return this.draw();
        }
        if (slug !== "not-yet-admitted") set(this.news, notice("info", sentence(why)));
        await pause(Math.max(EXCHANGE_MILLIS, (/** @type {any} */ (why).retryAfter ?? 0) * 1000) * (0.7 + Math.random() * 0.6), this.signal);
      }
    }
    this.enter();
  }

  enter() {
    if (this.signal.aborted || !admission(this.show.showId)) return;
    this.go(`/shows/${this.show.showId}`, true);
  }

  tick() {
    if (this.clock && this.room) this.clock.textContent = countdown(Date.parse(this.room.histogram.opensAt) - Date.now());
  }

  draw() {
    const { room, standing } = this;
    if (!room || !standing) return;
    this.body.setAttribute("aria-busy", "false");
    const inDraw = standing.place.startsWith("0-");
    const before = room.phase === "PRE_SALE" || (inDraw && room.secret === null);
    this.clock = null;
    if (this.served) set(this.body, h("span", { class: "spinner", "aria-hidden": "true" }), h("h2", null, t("queue.turn")), h("p", null, t("queue.entering")));
    else if (room.phase === "CLOSED") set(this.body, h("h2", null, t("queue.closed")), h("p", null, t("queue.closedWords")));
    else if (before) this.drawBefore(room, inDraw);
    else this.drawLine(room, standing);
    this.drawProof(room, standing);
  }

  /** @param {Room} room @param {boolean} inDraw */
  drawBefore(room, inDraw) {
    this.clock = h("b", { class: "big-number", role: "timer", "aria-live": "off" });
    const joined = room.histogram.drawn || room.joined;
    set(this.body, h("p", { class: "dim" }, t("queue.opensIn")), this.clock, h("h2", null, t(inDraw ? "queue.inDraw" : "queue.behindDraw")), h("p", null, t(inDraw ? "queue.inDrawWords" : "queue.behindDrawWords")), joined > 0 && h("p", { class: "dim" }, t("queue.joined", { n: joined })));
    this.tick();
  }

  /** @param {Room} room @param {Standing} standing */
  drawLine(room, standing) {
    const { position } = standing;
    if (position !== null) this.start = Math.max(this.start, Number(sessionStorage.getItem(this.key) ?? 0), position);
    if (this.start) sessionStorage.setItem(this.key, String(this.start));
    const ahead = position === null ? null : this.ahead(room, position);
    const done = ahead === null || !this.start ? 0 : Math.max(0, Math.min(1, 1 - ahead / this.start));
    const seconds = standing.estimatedWaitSeconds;
    const words = { PAUSED: "queue.paused", SOLD_OUT: "queue.soldOut" }[/** @type {string} */ (room.phase)];
    set(this.body,
      position === null ? h("h2", null, t("queue.counting")) : [h("p", { class: "dim" }, t("queue.number")), h("b", { class: "big-number" }, number(position)), ahead !== null && h("p", null, t("queue.ahead", { n: ahead }))],
      h("div", { class: "course", role: "progressbar", "aria-label": t("queue.progress"), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(done * 100) }, h("i", { style: { width: `${Math.max(2, done * 100)}%` } })),
      words ? notice("info", t(words)) : h("p", null, seconds === null ? t("queue.noPace") : seconds < 60 ? t("queue.soon") : t("queue.wait", { n: Math.ceil(seconds / 60) })),
      h("p", { class: "dim small" }, t("queue.stay")));
  }

  /** How many are before a position, by the wait and the pace that are told. @param {Room} room @param {number} position */
  ahead(room, position) {
    const { estimatedWaitSeconds } = this.standing ?? {};
    return estimatedWaitSeconds !== null && estimatedWaitSeconds !== undefined && room.perMinute ? Math.min(position, Math.round((estimatedWaitSeconds * room.perMinute) / 60)) : null;
  }

  /** @param {Room} room @param {Standing} standing */
  async drawProof(room, standing) {
    const promised = localStorage.getItem(`${this.key}.commitment`) ?? "";
    const found = await check(room, this.show.showId, this.user, standing.place, promised);
    const line = (/** @type {boolean | null} */ ok, /** @type {string} */ words) => h("li", { class: ok === null ? "open" : ok ? "good" : "bad" }, icon(ok === null ? "clock" : ok ? "check" : "warn"), h("span", null, words));
    set(/** @type {Element} */ (this.proof.lastElementChild),
      h("p", null, t("draw.how")),
      h("ul", { class: "checks" },
        line(found.own, t("draw.own")),
        line(found.kept, promised ? t("draw.kept") : t("draw.late")),
        line(found.secret, found.secret === null ? t("draw.secretLater") : t("draw.secret"))),
      h("dl", { class: "figures small-figures" }, h("div", null, h("dt", null, t("draw.commitment")), h("dd", null, h("code", null, room.commitment))), h("div", null, h("dt", null, t("draw.place")), h("dd", null, h("code", null, standing.place))), found.turn && h("div", null, h("dt", null, t("draw.turn")), h("dd", null, h("code", null, found.turn))), room.secret && h("div", null, h("dt", null, t("draw.secretIs")), h("dd", null, h("code", null, room.secret)))),
      h("p", { class: "dim small" }, t("draw.here")));
  }
}
