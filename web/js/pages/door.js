// At the door: a ticket is shown to the camera or read by a hand scanner, and the answer fills the screen. Without a network the gate decides by itself and tells the platform later.

import { Problem, call, get } from "../api.js";
import { config } from "../config.js";
import { h, icon, pause, say, set } from "../dom.js";
import { number, t, when } from "../i18n.js";
import { fact, keepFact, keepScan, scanned, untold } from "../gate.js";
import { empty, failure, notice, sentence } from "../parts.js";
import { has, session } from "../session.js";
import { canVerify, verify } from "../ticket.js";

/** A code is looked for in a picture so often. */
const LOOK_MILLIS = 220;
/** The longer side of a picture that we read ourselves. */
const PICTURE_PIXELS = 800;
/** A code that was not away from the camera for so long is the same scan. */
const AGAIN_MILLIS = 3500;
/** How long the platform may take before the gate decides by itself. */
const PATIENCE_MILLIS = 2500;
const SYNC_MILLIS = 10_000;
/** Answers listed. */
const RECENT_MAX = 12;
/** Pages of the revocation list that are read in one go. */
const REVOCATION_PAGES_MAX = 200;

/** @typedef {{result: string, words?: string, at?: string, seat?: string, offline?: boolean, [more: string]: any}} Verdict */

/** @type {import("../main.js").Page} */
export default async function door({ params, signal, title }) {
  title(t("nav.door"));
  navigator.serviceWorker?.register("/sw.js").catch(() => {});
  if (!session()) return failure({ slug: "unauthenticated" });
  if (!has("door")) return failure({ slug: "forbidden" });
  if (!params.showId) return choose(signal);
  const known = await fact(`show ${params.showId}`).catch(() => undefined);
  // Whoever knows the show already does not wait long for news of it.
  const patience = known ? { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MILLIS)]), repeatable: false } : { signal };
  const asked = (async () => {
    const show = await call("GET", `/v1/shows/${params.showId}`, patience);
    return { show, event: await call("GET", `/v1/events/${show.eventId}`, patience), isNews: true };
  })();
  const { show, event, isNews } = await asked.catch((why) => { if (known && !(why instanceof Problem && why.status === 404)) return { ...known, isNews: false }; throw why; });
  if (isNews) keepFact(`show ${params.showId}`, { show, event }).catch(() => {});
  return new Gate(show, event, isNews, signal).node();
}

/** Shows that begin soon first. @param {AbortSignal} signal */
async function choose(signal) {
  const { events } = await get("/v1/events?limit=40", signal);
  const lists = await Promise.all(events.map(async (/** @type {EventSummary} */ event) => {
    const { shows } = await get(`/v1/events/${event.eventId}/shows`, signal);
    return shows.map((/** @type {Show} */ show) => ({ event, show }));
  }));
  const ahead = lists.flat().filter(({ show }) => Date.parse(show.startsAt) > Date.now() - 12 * 3_600_000).sort((a, b) => a.show.startsAt.localeCompare(b.show.startsAt)).slice(0, 60);
  return h("section", { class: "page narrow" }, h("h1", null, t("door.which")),
    ahead.length ? h("ul", { class: "bookings" }, ahead.map(({ event, show }) => h("li", null, h("a", { href: `/door/${show.showId}` }, h("div", { class: "grow" }, h("b", null, event.title), h("p", { class: "dim" }, `${when(show.startsAt, show.timeZone, { dateStyle: "medium", timeStyle: "short" })} · ${event.venueName ?? ""}`)))))) : empty(t("event.none"), t("door.none")));
}

/** Reads the codes that a camera sees: as the browser can, or else by ourselves. @param {HTMLVideoElement} video @returns {Promise<() => Promise<string[]>>} */
async function reader(video) {
  const Detector = /** @type {any} */ (globalThis).BarcodeDetector;
  if (Detector && (await Detector.getSupportedFormats().catch(() => [])).includes("qr_code")) {
    const detector = new Detector({ formats: ["qr_code"] });
    return () => detector.detect(video).then((/** @type {{rawValue: string}[]} */ codes) => codes.map((it) => it.rawValue)).catch(() => []);
  }
  const { read } = await import("../qr/find.js");
  const canvas = document.createElement("canvas");
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  return async () => {
    const scale = Math.min(1, PICTURE_PIXELS / Math.max(video.videoWidth, video.videoHeight, 1));
    canvas.width = video.videoWidth * scale;
    canvas.height = video.videoHeight * scale;
    if (!canvas.width || !canvas.height) return [];
    g.drawImage(video, 0, 0, canvas.width, canvas.height);
    const found = read(g.getImageData(0, 0, canvas.width, canvas.height));
    return found === null ? [] : [found];
  };
}

/** Whether nobody answered, in time or at all. @param {any} why */
const isSilence = (why) => !(why instanceof Problem) || why.status === 0;

class Gate {
  /** @param {Show} show @param {EventDetail} event @param {boolean} online whether the platform answered just now @param {AbortSignal} signal */
  constructor(show, event, online, signal) {
    this.show = show; this.event = event; this.signal = signal;
    this.admitted = 0;
    this.waiting = 0;
    /** Bookings whose tickets are void. @type {Set<string>} */
    this.revoked = new Set();
    /** @type {string[]} */
    this.keys = [];
    /** Came in at all gates, where the platform says so. @type {number | undefined} */
    this.all = undefined;
    /** @type {Verdict[]} */
    this.recent = [];
    /** Codes that were just seen. @type {Map<string, number>} */
    this.seen = new Map();
    this.online = online;
    this.verdict = h("div", { class: "verdict", role: "status", "aria-live": "assertive" }, h("p", null, t("door.ready")));
    this.state = h("p", { class: "fresh" });
    this.counts = h("dl", { class: "figures" });
    this.list = h("ol", { class: "recent" });
    this.video = h("video", { hidden: true, playsinline: true, muted: true, "aria-label": t("door.camera") });
    this.name = localStorage.getItem("usher.gate") ?? "";
  }

  node() {
    const { show, event, signal } = this;
    const field = h("input", { name: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", placeholder: "USHER1.…", "aria-label": t("door.code") });
    const form = h("form", { class: "inline", onsubmit: (/** @type {Event} */ submit) => { submit.preventDefault(); const code = field.value.trim(); field.value = ""; field.focus(); if (code) this.scan(code, true); } }, h("label", { class: "grow" }, h("span", null, t("door.code")), field), h("button", { class: "primary" }, t("door.check")));
    const gate = h("input", { value: this.name, maxlength: 40, placeholder: t("door.gateHelp"), onchange: () => { this.name = gate.value.trim(); localStorage.setItem("usher.gate", this.name); } });
    const camera = h("button", { type: "button", onclick: () => { camera.hidden = true; this.look(camera); } }, icon("scan"), t("door.useCamera"));
    this.cameraNews = h("div");
    addEventListener("online", () => { this.reached(true); this.sync(); }, { signal });
    addEventListener("offline", () => this.reached(false), { signal });
    signal.addEventListener("abort", () => this.stop?.(), { once: true });
    this.drawState();
    this.drawCounts();
    this.begin();
    return h("div", { class: "page door" },
      h("div", { class: "bar" }, h("div", null, h("a", { class: "back", href: "/door" }, icon("back"), t("door.which")), h("h1", null, event.title), h("p", { class: "dim" }, when(show.startsAt, show.timeZone))), this.state),
      this.verdict, form, h("div", { class: "eye" }, this.video, camera, this.cameraNews),
      this.counts, this.list, h("label", { class: "gate" }, h("span", null, t("door.gate")), gate));
  }

  async begin() {
    this.able = await canVerify();
    this.keys = await this.learnKeys();
    this.waiting = (await untold(this.show.showId).catch(() => [])).length;
    this.drawState();
    this.drawCounts();
    while (!this.signal.aborted) {
      if (navigator.onLine) await this.learnRevocations().then(() => this.reached(true), (why) => this.reached(!isSilence(why)));
      await this.sync();
      this.drawCounts();
      await pause(SYNC_MILLIS, this.signal);
    }
  }

  /** The keys that tickets are signed with, as they were last known. @returns {Promise<string[]>} */
  async learnKeys() {
    return [...new Set([...(config().ticketKeys ?? []), ...((await fact("keys").catch(() => undefined)) ?? [])])];
  }

  /** Takes along what is needed without a network: the key, and the bookings whose tickets are void. Goes on where it stopped. */
  async learnRevocations() {
    const name = `revoked ${this.show.showId}`;
    const known = (await fact(name).catch(() => undefined)) ?? { bookings: [], resume: "" };
    this.revoked = new Set(known.bookings);
    let cursor = known.resume;
    const read = (/** @type {string} */ path) => call("GET", path, { signal: AbortSignal.any([this.signal, AbortSignal.timeout(PATIENCE_MILLIS)]), repeatable: false });
    for (let page = 0; page < REVOCATION_PAGES_MAX; page++) {
      const answer = await read(`/v1/shows/${this.show.showId}/revocations?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      for (const it of answer.revocations) this.revoked.add(it.bookingId);
      const key = Array.from(atob(answer.key.publicKey), (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
      if (!this.keys.includes(key)) {
        this.keys = [...this.keys, key];
        keepFact("keys", this.keys).catch(() => {});
      }
      cursor = answer.nextCursor ?? answer.resume ?? cursor;
      if (!answer.nextCursor) break;
    }
    await keepFact(name, { bookings: [...this.revoked], resume: cursor });
    const { admitted } = await read(`/v1/shows/${this.show.showId}/scans`);
    this.all = admitted;
  }

  /** Whether the platform answers: that a network is there says little. @param {boolean} is */
  reached(is) {
    this.online = is && navigator.onLine;
    this.drawState();
  }

  drawState() {
    this.state.classList.toggle("stale", !this.online);
    set(this.state, h("i", { "aria-hidden": "true" }), h("span", null, this.online ? (this.waiting ? t("door.telling", { n: this.waiting }) : t("door.online")) : this.able ? t("door.offline", { n: this.waiting }) : t("door.blind")));
  }

  drawCounts() {
    const figure = (/** @type {string} */ name, /** @type {number | undefined} */ value) => h("div", null, h("dt", null, name), h("dd", null, value === undefined ? "…" : number(value)));
    set(this.counts, figure(t("door.here"), this.admitted), figure(t("door.untold"), this.waiting), figure(t("door.all"), this.all));
    set(this.list, this.recent.map((it) => h("li", { class: it.result }, h("b", null, t(`door.${it.result}`)), " ", it.seat ?? "", it.offline ? h("small", null, ` ${t("door.byItself")}`) : "")));
  }

  /** The camera, where the browser can read codes from it. @param {HTMLElement} button */
  async look(button) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.stop = () => stream.getTracks().forEach((track) => track.stop());
      this.video.srcObject = stream;
      this.video.hidden = false;
      await this.video.play();
    } catch {
      button.hidden = false;
      return set(this.cameraNews, notice("warn", t("door.noCamera")));
    }
    const codes = await reader(this.video);
    while (!this.signal.aborted) {
      for (const code of await codes()) await this.scan(code, false);
      await pause(LOOK_MILLIS, this.signal);
    }
  }

  /** @param {string} code @param {boolean} byHand */
  async scan(code, byHand) {
    const text = code.trim().toUpperCase();
    const now = Date.now();
    const before = this.seen.get(text) ?? 0;
    this.seen.set(text, now);
    if (!byHand && now - before < AGAIN_MILLIS) return;
    this.tell(await this.judge(text));
  }

  /** @param {string} code @returns {Promise<Verdict>} */
  async judge(code) {
    const local = this.able && this.keys?.length ? await verify(code, this.keys) : null;
    const claim = local && "claim" in local ? local.claim : null;
    // A forged code needs no network to be refused. An unknown key may be a new one: the platform knows.
    if (local && "bad" in local && local.bad !== "other-key") return { result: "invalid", words: t(`door.bad.${local.bad}`) };
    if (claim && claim.show !== this.show.showId) return { result: "invalid", words: t("door.bad.show") };
    const key = claim ? `${claim.booking} ${claim.seatId ?? `${claim.areaId} ${claim.number}`} ${claim.issue}` : code;
    const seat = claim ? claim.seatId?.replaceAll(":", " · ") ?? claim.areaId : undefined;
    const at = new Date().toISOString();
    if (this.online) {
      try {
        const answer = await this.ask(code, crypto.randomUUID());
        if (answer.result === "admitted") await keepScan({ key, show: this.show.showId, code, at, told: true, name: "" });
        return { seat, at: answer.result === "already-scanned" ? answer.scannedAt : undefined, words: answer.fault ? t("door.bad.other") : undefined, ...answer };
      } catch (why) {
        if (why instanceof Problem && why.status >= 400 && why.status < 500 && why.status !== 429) return { result: "invalid", words: sentence(why), seat };
        // Nobody answered in time: the gate decides, this time and until somebody answers.
        if (isSilence(why)) this.reached(false);
      }
    }
    if (!claim) return { result: "unknown", words: t("door.blind") };
    const before = await scanned(key).catch(() => undefined);
    if (before) return { result: "already-scanned", at: before.at, seat, offline: true };
    if (this.revoked.has(claim.booking)) return { result: "revoked", seat, offline: true };
    await keepScan({ key, show: this.show.showId, code, at, told: false, name: crypto.randomUUID() });
    this.waiting += 1;
    return { result: "admitted", seat, offline: true };
  }

  /** A scan under its own name: asked again it is the same scan. @param {string} code @param {string} key @param {string} [scannedAt] when it was, if that is over @returns {Promise<any>} */
  ask(code, key, scannedAt) {
    const late = AbortSignal.any([this.signal, AbortSignal.timeout(PATIENCE_MILLIS)]);
    const gate = this.name.normalize("NFKD").replace(/[^\w.~-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
    return call("POST", `/v1/shows/${this.show.showId}/scans`, { body: { code, ...(gate ? { gate } : {}), ...(scannedAt ? { scannedAt } : {}) }, key, signal: late, repeatable: false });
  }

  /** Tells the platform who came in while it could not be asked. */
  async sync() {
    if (!this.online || this.signal.aborted) return;
    for (const scan of await untold(this.show.showId).catch(() => [])) {
      try {
        const answer = await this.ask(scan.code, scan.name, scan.at);
        await keepScan({ ...scan, told: true });
        this.waiting = Math.max(0, this.waiting - 1);
        // Somebody came in at another gate with the same ticket: that is told, because nobody can be asked any more.
        if (answer.result !== "admitted") this.remember({ result: "clash", seat: scan.key.split(" ")[1]?.replaceAll(":", " · ") });
      } catch {
        break;
      }
    }
    this.drawState();
    this.drawCounts();
  }

  /** @param {Verdict} verdict */
  remember(verdict) {
    this.recent.unshift(verdict);
    this.recent.length = Math.min(this.recent.length, RECENT_MAX);
  }

  /** @param {Verdict} verdict */
  tell(verdict) {
    this.remember(verdict);
    if (verdict.result === "admitted") this.admitted += 1;
    const detail = verdict.words ?? (verdict.at ? t("door.since", { when: when(verdict.at, this.show.timeZone, { hour: "numeric", minute: "2-digit", second: "2-digit" }) }) : "");
    this.verdict.className = `verdict ${verdict.result}`;
    set(this.verdict, icon({ admitted: "check", "already-scanned": "warn", revoked: "close", invalid: "close" }[verdict.result] ?? "warn"), h("p", null, t(`door.${verdict.result}`)), h("small", null, [verdict.seat, detail, verdict.offline ? t("door.byItself") : ""].filter(Boolean).join(" · ")));
    navigator.vibrate?.(verdict.result === "admitted" ? 60 : [120, 60, 120]);
    say(t(`door.${verdict.result}`));
    this.drawState();
    this.drawCounts();
  }
}
