// The seat map: a canvas that shows sections from afar and seats from near, at sixty frames a second with 50,000 of them, and
// what people do with it.

import { h, icon, say } from "../dom.js";
import { money, number, t } from "../i18n.js";
import { FREE } from "./hall.js";
import { Painter, SEATS_PIXELS } from "./paint.js";

/** @typedef {import("./hall.js").Hall} Hall @typedef {import("./hall.js").Section} Section @typedef {import("./hall.js").Place} Place */

/** A finger that moved less than this has tapped. */
const TAP_PIXELS = 9;

export class MapView extends Painter {
  /**
   * @param {Hall} hall
   * @param {{pick: (place: Place) => void, pickArea?: (areaId: string) => void, chosen: () => Place[], lost?: () => Place[], sales?: boolean, label: string, signal: AbortSignal}} options
   */
  constructor(hall, options) {
    super(hall, options, h("canvas", { tabindex: "0", role: "application", "aria-label": options.label, "aria-describedby": "map-keys" }));
    this.options = options;
    this.moved = 0;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.tip = h("div", { class: "tip", hidden: true });
    const button = (/** @type {string} */ name, /** @type {string} */ words, /** @type {() => void} */ act) => h("button", { type: "button", class: "round", "aria-label": words, title: words, onclick: act }, icon(name));
    this.box = h("div", { class: "map" }, this.canvas, this.tip,
      h("p", { id: "map-keys", class: "unseen" }, t("map.keys")),
      h("div", { class: "map-buttons" },
        button("plus", t("map.nearer"), () => this.zoom(1.7)), button("minus", t("map.farther"), () => this.zoom(1 / 1.7)), button("fit", t("map.whole"), () => this.fit())));
    this.listen();
    hall.listeners.add(() => this.redraw());
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(this.box);
    options.signal.addEventListener("abort", () => resized.disconnect(), { once: true });
    /** @type {any} */ (this.canvas).view = this;
  }

  resize() {
    const { width, height } = this.box.getBoundingClientRect();
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.frame(width, height);
    this.draw();
  }

  // What people do.

  listen() {
    const { canvas } = this;
    const { signal } = this.options;
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act, /** @type {AddEventListenerOptions} */ more = {}) => canvas.addEventListener(name, act, { signal, ...more });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => { this.pointers.delete(event.pointerId); this.moved = TAP_PIXELS; });
    on("pointerleave", () => { this.tip.hidden = true; });
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("keydown", (event) => this.key(event));
    on("focus", () => this.redraw());
    on("blur", () => this.redraw());
  }

  /** @param {PointerEvent | WheelEvent} event */
  at(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** @param {PointerEvent} event */
  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    if (this.pointers.size === 1) this.moved = 0;
    this.trip = undefined;
    this.tip.hidden = true;
  }

  /** @param {PointerEvent} event */
  move(event) {
    const now = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return event.pointerType === "mouse" ? this.hover(now) : undefined;
    if (this.pointers.size === 1) {
      this.moved = this.moved + Math.hypot(now.x - before.x, now.y - before.y);
      if (this.moved > TAP_PIXELS) this.drag(now.x - before.x, now.y - before.y);
    } else if (this.pointers.size === 2) {
      this.moved = TAP_PIXELS + 1;
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1] ?? before;
      const grown = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      this.pinch(grown, (now.x + other.x) / 2, (now.y + other.y) / 2);
      this.drag((now.x - before.x) / 2, (now.y - before.y) / 2);
    }
    this.pointers.set(event.pointerId, now);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    this.trip = undefined;
    const lines = event.deltaMode === 1 ? 16 : 1;
    const { x, y } = this.at(event);
    this.pinch(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0022), x, y);
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size || this.moved > TAP_PIXELS) return;
    this.cursor = this.sectionCursor = null;
    this.tap(this.at(event), event.pointerType === "mouse" ? 1.3 : 2.2);
  }

  /** @param {{x: number, y: number}} at @param {number} reach how far from a seat it still is meant, in radii */
  tap(at, reach) {
    const point = this.plan(at.x, at.y);
    if (this.hall.radius * this.scale >= SEATS_PIXELS) {
      const place = this.seatAt(point, reach);
      if (place) return this.options.pick(place);
    }
    const section = this.sectionAt(point);
    if (section) return this.hall.radius * this.scale < SEATS_PIXELS ? this.approach(section, point) : undefined;
    const area = this.hall.decorations.find((it) => it.areaId && point.x >= it.x && point.y >= it.y && point.x <= it.x + it.width && point.y <= it.y + it.height);
    if (area?.areaId) this.options.pickArea?.(area.areaId);
  }

  /** @param {{x: number, y: number}} point @returns {Section | undefined} */
  sectionAt(point) {
    const room = this.hall.pitch * 0.7;
    return this.hall.sections.find(({ box, outline }) => {
      if (point.x < box.x - room || point.y < box.y - room || point.x > box.x + box.w + room || point.y > box.y + box.h + room) return false;
      if (outline.length < 3) return true;
      return outline.every(([x1, y1], at) => {
        const [x2, y2] = outline[(at + 1) % outline.length];
        return ((x2 - x1) * (point.y - y1) - (y2 - y1) * (point.x - x1)) / Math.max(1, Math.hypot(x2 - x1, y2 - y1)) > -room;
      });
    });
  }

  /** @param {{x: number, y: number}} point @param {number} reach @returns {Place | null} */
  seatAt(point, reach) {
    /** @type {Place | null} */
    let best = null;
    let nearest = this.hall.radius * reach;
    for (const section of this.hall.sections) {
      const { box } = section;
      const room = this.hall.pitch;
      if (!section.ready || point.x < box.x - room || point.y < box.y - room || point.x > box.x + box.w + room || point.y > box.y + box.h + room) continue;
      for (let at = 0; at < section.x.length; at++) {
        const distance = Math.hypot(section.x[at] - point.x, section.y[at] - point.y);
        if (distance < nearest) [nearest, best] = [distance, { section, at }];
      }
    }
    return best;
  }

  /** @param {{x: number, y: number}} at */
  hover(at) {
    const point = this.plan(at.x, at.y);
    const near = this.hall.radius * this.scale >= SEATS_PIXELS;
    const place = near ? this.seatAt(point, 1.3) : null;
    const section = place ? null : this.sectionAt(point);
    this.canvas.style.cursor = place ? (this.hall.state(place) === FREE || this.options.sales ? "pointer" : "not-allowed") : section && !near ? "zoom-in" : "grab";
    const words = place ? this.describe(place) : section && !near ? this.describeSection(section) : "";
    this.tip.hidden = !words;
    if (!words) return;
    this.tip.textContent = words;
    const { offsetWidth: w } = this.tip;
    this.tip.style.transform = `translate(${Math.max(6, Math.min(this.width - w - 6, at.x - w / 2))}px, ${at.y > 90 ? at.y - this.tip.offsetHeight - 16 : at.y + 22}px)`;
  }

  /** @param {Place} place */
  describe(place) {
    const { section } = place;
    const seat = this.hall.seat(place);
    const category = this.hall.category(place);
    const name = t("seat.name", { section: section.name, row: this.hall.row(place).label, seat: seat.label ?? seat.seat });
    const flags = [seat.accessible && t("seat.accessible"), seat.companion && t("seat.companion"), seat.obstructedView && t("seat.obstructed")];
    const state = [category.price ? money(category.price) : "", t("seat.held"), t("seat.sold"), t("seat.blocked")][this.hall.state(place)];
    const chosen = this.options.chosen().some((it) => it.section === section && it.at === place.at);
    return [name, category.name, state, ...flags, chosen && t("seat.chosen")].filter(Boolean).join(" · ");
  }

  /** @param {Section} section */
  describeSection(section) {
    const price = this.hall.from(section);
    const free = section.counts.available ? t("map.freeOf", { n: section.counts.available, total: number(section.total) }) : t("map.none");
    return [section.name, free, section.counts.available && price ? t("from", { price: money(price) }) : ""].filter(Boolean).join(" · ");
  }

  /** Arrows go from seat to seat (from afar: section to section), Enter picks, plus and minus zoom, 0 shows everything. @param {KeyboardEvent} event */
  key(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (direction) {
      this.walk(direction[0], direction[1]);
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.cursor) this.options.pick(this.cursor);
      else if (this.sectionCursor) this.enter(this.sectionCursor);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0" || event.key === "Escape") {
      this.sectionCursor = this.cursor?.section ?? this.sectionCursor;
      this.cursor = null;
      this.fit();
    } else return;
    event.preventDefault();
    this.redraw();
  }

  /** @param {Section} section */
  async enter(section) {
    this.approach(section);
    await this.hall.load(section).catch(() => {});
    const free = section.states.findIndex((state) => state === FREE);
    if (section.ready) this.stand({ section, at: Math.max(0, free) });
  }

  /** @param {Place} place */
  stand(place) {
    this.cursor = place;
    say(this.describe(place));
    const [x, y] = [place.section.x[place.at], place.section.y[place.at]];
    const [sx, sy] = [x * this.scale + this.x, y * this.scale + this.y];
    if (sx < 40 || sy < 40 || sx > this.width - 40 || sy > this.height - 40) this.travel(x, y, Math.max(this.scale, 8 / this.hall.radius));
    this.redraw();
  }

  /** To the nearest in that direction: ahead counts once, aside counts more. @param {number} dx @param {number} dy */
  walk(dx, dy) {
    const score = (/** @type {number} */ x, /** @type {number} */ y) => {
      const [ahead, aside] = [x * dx + y * dy, Math.abs(x * dy - y * dx)];
      return ahead > 1e-6 ? ahead + 3 * aside : Infinity;
    };
    if (!this.cursor) return this.walkSections(score);
    const { section: here, at } = this.cursor;
    /** @type {Place | null} */
    let best = null;
    let least = Infinity;
    for (const section of this.hall.sections) {
      if (!section.ready) continue;
      for (let it = 0; it < section.x.length; it++) {
        const distance = score(section.x[it] - here.x[at], section.y[it] - here.y[at]);
        if (distance < least) [least, best] = [distance, { section, at: it }];
      }
    }
    if (best) this.stand(best);
    else say(t("map.edge"));
  }

  /** @param {(x: number, y: number) => number} score */
  walkSections(score) {
    const drawn = this.hall.sections.filter((section) => section.outline.length);
    const from = this.sectionCursor;
    const next = from
      ? drawn.filter((section) => section !== from).map((section) => ({ section, far: score(section.middle[0] - from.middle[0], section.middle[1] - from.middle[1]) })).filter((it) => it.far < Infinity).sort((a, b) => a.far - b.far)[0]?.section
      : drawn[0];
    if (!next) return say(t("map.edge"));
    this.sectionCursor = next;
    say(`${this.describeSection(next)}. ${t("map.enter")}`);
    this.redraw();
  }
}
