// Seat changes as they happen, over one WebSocket (docs/live.md). What it tells is what polling tells, sooner; while it is not there, polling goes on.

import { config } from "./config.js";

/** Silence longer than this ends a connection; we speak before that. */
const PING_MILLIS = 60_000;
/** A ping that is not answered within this means that the line is dead. */
const PONG_MILLIS = 15_000;
/** Between two tries to connect after one failed: at random, so that not everybody comes back at once. */
const AGAIN_MILLIS = [30_000, 60_000];
/** Sections that one connection follows. */
const SECTIONS_MAX = 64;

/**
 * @typedef {{
 *   show: string, signal: AbortSignal,
 *   versions: () => Record<string, number>, wanted: () => string[],
 *   section: (message: {sectionId: string, version: number, seats: string}) => void, counts: (message: Availability) => void,
 *   connected: (is: boolean) => void,
 * }} Listener
 */

/** Where the live map is; nowhere when the configuration names none. @param {string} show */
function address(show) {
  const { live } = config();
  if (!live) return null;
  const url = new URL(live, location.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.searchParams.set("show", show);
  return url.href;
}

export class Live {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Set<string>} */
    this.subscribed = new Set();
    this.failures = 0;
    /** The platform asked us to poll for so long. */
    this.pollFor = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.doubt = undefined;
    listener.signal.addEventListener("abort", () => this.end(), { once: true });
    this.connect();
  }

  get isOpen() { return this.socket?.readyState === WebSocket.OPEN; }

  connect() {
    const { listener } = this;
    const url = address(listener.show);
    if (!url || listener.signal.aborted) return;
    const socket = new WebSocket(url);
    this.socket = socket;
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      this.failures = 0;
      this.subscribed.clear();
      this.subscribe(listener.wanted(), true);
      listener.connected(true);
      this.beat();
    });
    socket.addEventListener("message", (event) => this.hear(event.data));
    socket.addEventListener("close", () => {
      if (this.socket !== socket) return;
      this.socket = null;
      clearTimeout(this.timer);
      listener.connected(false);
      if (listener.signal.aborted) return;
      const [least, most] = AGAIN_MILLIS;
      // A connection that ended is made again at once, one that never began after a while.
      const wait = Math.max(this.pollFor, opened && this.failures === 0 ? Math.random() * 1000 : least + Math.random() * (most - least));
      this.failures += 1;
      this.pollFor = 0;
      this.timer = setTimeout(() => this.connect(), wait);
    });
  }

  /** @param {string} text */
  hear(text) {
    /** @type {any} */
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    clearTimeout(this.doubt);
    if (message.type === "section") this.listener.section(message);
    else if (message.type === "counts") this.listener.counts(message);
    else if (message.type === "poll") this.pollFor = Number(message.retryAfterSeconds ?? 60) * 1000;
  }

  /** Follows these sections, and no others. @param {string[]} wanted @param {boolean} [counts] */
  subscribe(wanted, counts) {
    if (!this.isOpen) return;
    const sections = wanted.slice(0, SECTIONS_MAX);
    const added = sections.filter((id) => !this.subscribed.has(id));
    const gone = [...this.subscribed].filter((id) => !sections.includes(id));
    if (gone.length) this.send({ action: "unsubscribe", sections: gone });
    const known = this.listener.versions();
    const versions = Object.fromEntries(added.filter((id) => id in known).map((id) => [id, known[id]]));
    if (added.length || counts) this.send({ action: "subscribe", sections: added, versions, ...(counts ? { counts: true } : {}) });
    this.subscribed = new Set(sections);
  }

  /** Still here, and this is what we have. */
  beat() {
    this.timer = setTimeout(() => {
      const known = this.listener.versions();
      this.send({ action: "ping", versions: Object.fromEntries([...this.subscribed].filter((id) => id in known).map((id) => [id, known[id]])) });
      this.doubt = setTimeout(() => this.socket?.close(), PONG_MILLIS);
      this.beat();
    }, PING_MILLIS);
  }

  /** @param {unknown} message */
  send(message) {
    if (this.isOpen) this.socket?.send(JSON.stringify(message));
  }

  end() {
    clearTimeout(this.timer);
    clearTimeout(this.doubt);
    this.socket?.close();
    this.socket = null;
  }
}
