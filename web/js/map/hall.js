// What a map knows: sections with their outlines, seats once a section was looked at, and the state of each seat as of the last answer.

import { call, once, watch } from "../api.js";
import { Live } from "../live.js";

export const FREE = 0, HELD = 1, SOLD = 2, BLOCKED = 3;
export const ACCESSIBLE = 1, COMPANION = 2, OBSTRUCTED = 4;

/** Sections asked for at the same time. */
const AT_ONCE = 6;
/** How often the counts are asked for: while nothing pushes them, and, to be sure, while something does. */
const EVERY_MILLIS = 2000;
const PUSHED_MILLIS = 30_000;

/**
 * @typedef {{x: number, y: number, w: number, h: number}} Box
 * @typedef {{row: string, label: string, start: number, count: number}} HallRow
 * @typedef {{
 *   id: string, name: string, total: number, categories: number[], outline: Point[], box: Box, middle: Point,
 *   counts: {available: number, held: number, sold: number, blocked: number}, version: number, known: number,
 *   ready: boolean, asked: boolean, x: Float32Array, y: Float32Array, category: Uint8Array, flags: Uint8Array, states: Uint8Array,
 *   rows: HallRow[], seats: PlanSeat[], revision: number, bitmap: any, early: {sectionId: string, version: number, seats: string} | null,
 * }} Section
 * @typedef {{section: Section, at: number}} Place
 * @typedef {{id: string, name: string, price: Money | null, rank: number}} Category
 */

/** @param {Point[]} points @returns {Box} */
function around(points) {
  const [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
}

/** @param {Box[]} boxes @returns {Box} */
const union = (boxes) => around(boxes.flatMap((box) => /** @type {Point[]} */ ([[box.x, box.y], [box.x + box.w, box.y + box.h]])));

/** The middle of mass of an outline. @param {Point[]} outline @param {Box} box @returns {Point} */
function centre(outline, box) {
  let [x, y, area] = [0, 0, 0];
  outline.forEach(([x1, y1], at) => {
    const [x2, y2] = outline[(at + 1) % outline.length];
    const part = x1 * y2 - x2 * y1;
    area += part;
    x += (x1 + x2) * part;
    y += (y1 + y2) * part;
  });
  return Math.abs(area) < 1 ? [box.x + box.w / 2, box.y + box.h / 2] : [x / (3 * area), y / (3 * area)];
}

/** The convex outline of seats: for plans whose overview has none. @param {ArrayLike<number>} xs @param {ArrayLike<number>} ys @returns {Point[]} */
export function hull(xs, ys) {
  /** @type {Point[]} */
  const points = Array.from({ length: xs.length }, (_, at) => /** @type {Point} */ ([xs[at], ys[at]])).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (/** @type {Point[]} */ sorted) => {
    /** @type {Point[]} */
    const side = [];
    for (const c of sorted) {
      while (side.length > 1) {
        const [a, b] = side.slice(-2);
        if ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0) break;
        side.pop();
      }
      side.push(c);
    }
    side.pop();
    return side;
  };
  return points.length < 3 ? points : [...half(points), ...half([...points].reverse())];
}

/** Two bits a seat, most significant first. @param {string} text @param {Uint8Array} states */
export function unpack(text, states) {
  const bytes = atob(text);
  for (let at = 0; at < states.length; at++) states[at] = (bytes.charCodeAt(at >> 2) >> (6 - 2 * (at & 3))) & 3;
}

export class Hall {
  /** @param {Show} show @param {Plan} plan @param {AbortSignal} signal */
  constructor(show, plan, signal) {
    this.show = show;
    this.plan = plan;
    this.signal = signal;
    /** Called with what changed. @type {Set<() => void>} */
    this.listeners = new Set();
    const prices = new Map(show.prices.map((it) => [it.category, it.price]));
    /** Dearest first, as a plan lists them; ranks by price, the cheapest 0. @type {Category[]} */
    this.categories = plan.categories.map((it) => ({ id: it.categoryId, name: it.name, price: prices.get(it.categoryId) ?? null, rank: 0 }));
    [...this.categories].sort((a, b) => (a.price?.amountMinor ?? 0) - (b.price?.amountMinor ?? 0)).forEach((it, rank) => { it.rank = rank; });
    const number = new Map(this.categories.map((it, at) => [it.id, at]));
    /** @type {Section[]} */
    this.sections = plan.sections.map((it) => {
      const outline = it.outline ?? [];
      const box = outline.length ? around(outline) : { x: 0, y: 0, w: 0, h: 0 };
      return {
        id: it.sectionId, name: it.name, total: it.seatCount, categories: (it.categories ?? []).map((id) => number.get(id) ?? 0), outline, box, middle: centre(outline, box),
        counts: { available: it.seatCount, held: 0, sold: 0, blocked: 0 }, version: -1, known: -1, ready: false, asked: false,
        x: new Float32Array(), y: new Float32Array(), category: new Uint8Array(), flags: new Uint8Array(), states: new Uint8Array(),
        rows: [], seats: [], revision: 0, bitmap: null, early: null,
      };
    });
    this.byId = new Map(this.sections.map((section) => [section.id, section]));
    this.areas = plan.areas.map((area) => ({ ...area, remaining: area.capacity, price: prices.get(area.category) ?? null }));
    this.decorations = plan.decorations ?? [];
    this.asOf = "";
    /** Where everything is. @type {Box} */
    this.box = { x: 0, y: 0, w: 1000, h: 600 };
    /** Between two seats, in the plan's units; a guess until a section was read. */
    this.pitch = 0;
    this.measure();
    /** @type {Section[]} */
    this.waiting = [];
    this.running = 0;
    /** Sections whose seats are on show: only their changes are asked for. @type {Set<Section>} */
    this.watched = new Set();
    /** @type {Live | null} */
    this.live = null;
  }

  /** Where everything is. */
  measure() {
    const drawn = this.sections.filter((section) => section.outline.length);
    const boxes = drawn.map((section) => section.box).concat(this.decorations.filter((it) => !it.rotation).map((it) => ({ x: it.x, y: it.y, w: it.width, h: it.height })));
    this.box = boxes.length ? union(boxes) : { x: 0, y: 0, w: 1000, h: 600 };
    if (!this.pitch) {
      const area = drawn.reduce((sum, section) => sum + section.box.w * section.box.h * 0.8, 0);
      const seats = drawn.reduce((sum, section) => sum + section.total, 0);
      this.pitch = seats && area ? Math.sqrt(area / seats) : 25;
    }
  }

  /** How large a seat is drawn, in the plan's units. */
  get radius() { return this.pitch * 0.42; }

  changed() { for (const listener of this.listeners) listener(); }

  /** Begins to follow the counts. @param {(ok: boolean) => void} fresh */
  follow(fresh) {
    const data = (/** @type {Availability} */ answer) => this.count(answer);
    const polling = watch(`/v1/shows/${this.show.showId}/availability`, { every: () => (this.live?.isOpen ? PUSHED_MILLIS : EVERY_MILLIS), signal: this.signal, data, fresh });
    this.live = new Live({
      show: this.show.showId, signal: this.signal, wanted: () => [...this.watched].map((section) => section.id),
      versions: () => Object.fromEntries(this.sections.filter((section) => section.known >= 0).map((section) => [section.id, section.known])),
      section: (message) => this.pushed(message), counts: (message) => this.count(message),
      // What was missed meanwhile is asked for at once.
      connected: (is) => { if (!is) polling.now(); },
    });
    const alive = setInterval(() => { if (this.live?.isOpen && navigator.onLine) fresh(true); }, 1000);
    this.signal.addEventListener("abort", () => clearInterval(alive), { once: true });
    return polling;
  }

  /** The greater version is the newer: messages overtake one another and come twice. @param {{sectionId: string, version: number, seats: string}} message */
  pushed({ sectionId, version, seats }) {
    const section = this.byId.get(sectionId);
    if (!section || version <= section.known) return;
    if (!section.ready) {
      // Its seats are still on their way: kept until they are here.
      if (version > (section.early?.version ?? -1)) section.early = { sectionId, version, seats };
      return;
    }
    unpack(seats, section.states);
    section.known = version;
    section.version = Math.max(section.version, version);
    section.revision += 1;
    this.changed();
  }

  /** @param {Availability} answer */
  count(answer) {
    this.asOf = answer.asOf;
    for (const it of answer.sections) {
      const section = this.byId.get(it.sectionId);
      if (!section || it.version < section.version) continue;
      section.counts = it;
      section.version = it.version;
      const isPushed = this.live?.isOpen && this.live.subscribed.has(section.id);
      if (section.ready && section.known < it.version && this.watched.has(section) && !isPushed) this.refresh(section);
    }
    for (const it of answer.areas) {
      const area = this.areas.find((area) => area.areaId === it.areaId);
      if (area) area.remaining = it.remaining;
    }
    this.changed();
  }

  /** These sections are on show now, the most wanted first. @param {Section[]} sections */
  want(sections) {
    this.watched = new Set(sections);
    this.live?.subscribe(sections.map((section) => section.id));
    this.waiting = sections.filter((section) => !section.asked);
    this.next();
    for (const section of sections) if (section.ready && section.known < section.version && !this.live?.subscribed.has(section.id)) this.refresh(section);
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      const section = /** @type {Section} */ (this.waiting.shift());
      if (section.asked) continue;
      this.running += 1;
      this.load(section).catch(() => {}).finally(() => { this.running -= 1; if (!this.signal.aborted) this.next(); });
    }
  }

  /** A section's seats and their states. @param {Section} section @returns {Promise<void>} */
  async load(section) {
    if (section.ready) return;
    section.asked = true;
    const path = `/v1/shows/${this.show.showId}/sections/${encodeURIComponent(section.id)}`;
    try {
      const [plan, availability] = await Promise.all([once(`${path}/plan?v=${this.show.planVersion}`), call("GET", `${path}/availability`, { signal: this.signal })]);
      this.place(section, plan);
      unpack(availability.seats, section.states);
      section.known = availability.version;
      section.revision += 1;
      section.ready = true;
      if (section.early) this.pushed(section.early);
      section.early = null;
      this.changed();
    } catch (why) {
      section.asked = false;
      throw why;
    }
  }

  /** @param {Section} section @param {SectionPlan} plan */
  place(section, plan) {
    const number = new Map(this.categories.map((it, at) => [it.id, at]));
    section.seats = plan.rows.flatMap((row) => row.seats);
    const count = section.seats.length;
    section.x = Float32Array.from(section.seats, (seat) => seat.x);
    section.y = Float32Array.from(section.seats, (seat) => seat.y);
    section.category = Uint8Array.from(section.seats, (seat) => number.get(seat.category) ?? 0);
    section.flags = Uint8Array.from(section.seats, (seat) => (seat.accessible ? ACCESSIBLE : 0) | (seat.companion ? COMPANION : 0) | (seat.obstructedView ? OBSTRUCTED : 0));
    section.states = new Uint8Array(count);
    let start = 0;
    section.rows = plan.rows.map((row) => {
      const made = { row: row.row, label: row.label ?? row.row, start, count: row.seats.length };
      start += row.seats.length;
      return made;
    });
    if (!section.outline.length) {
      section.outline = hull(section.x, section.y);
      section.box = around(section.outline);
      section.middle = centre(section.outline, section.box);
      section.categories = [...new Set(section.category)];
    }
    this.learn(section);
    this.measure();
  }

  /** The distance between neighbours of a row: the median, so that an aisle does not count. @param {Section} section */
  learn(section) {
    const gaps = section.rows.flatMap((row) => Array.from({ length: Math.max(0, row.count - 1) }, (_, at) => Math.hypot(section.x[row.start + at + 1] - section.x[row.start + at], section.y[row.start + at + 1] - section.y[row.start + at])));
    gaps.sort((a, b) => a - b);
    const median = gaps[gaps.length >> 1];
    if (median > 0) this.pitch = median;
  }

  /** @param {Section} section */
  async refresh(section) {
    const before = section.known;
    section.known = section.version;
    try {
      const answer = await call("GET", `/v1/shows/${this.show.showId}/sections/${encodeURIComponent(section.id)}/availability`, { signal: this.signal });
      if (answer.version <= before) return void (section.known = before);
      unpack(answer.seats, section.states);
      section.known = answer.version;
      section.revision += 1;
      this.changed();
    } catch {
      section.known = before;
    }
  }

  /** The place of a seat id, in a section that was read. @param {string} seatId @returns {Place | null} */
  find(seatId) {
    const section = this.byId.get(seatId.split(":")[0]);
    const at = section?.seats.findIndex((seat) => seat.seatId === seatId) ?? -1;
    return section && at >= 0 ? { section, at } : null;
  }

  /** @param {Place} place */
  seat({ section, at }) { return section.seats[at]; }
  /** @param {Place} place */
  state({ section, at }) { return section.states[at]; }
  /** @param {Place} place @returns {Category} */
  category({ section, at }) { return this.categories[section.category[at]]; }
  /** @param {Place} place */
  row({ section, at }) { return /** @type {HallRow} */ (section.rows.find((row) => at >= row.start && at < row.start + row.count)); }

  /** The lowest price of a section. @param {Section} section @returns {Money | null} */
  from(section) {
    const prices = section.categories.map((it) => this.categories[it]?.price).filter((it) => it !== null && it !== undefined);
    return prices.length ? prices.reduce((a, b) => (b.amountMinor < a.amountMinor ? b : a)) : null;
  }
}
