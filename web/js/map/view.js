// The seat map: a canvas that shows sections from afar and seats from near, at sixty frames a second with 50,000 of them.
//
// From afar a section is one shape. Nearer, its seats are drawn once into a picture of their own, a few pictures a frame, and only
// these pictures are moved. From near, the few seats in sight are drawn one by one from stamped shapes.

import { h, icon, say, still } from "../dom.js";
import { money, number, t } from "../i18n.js";
import { ACCESSIBLE, COMPANION, FREE } from "./hall.js";
import { drawSeat, shape, theme } from "./glyphs.js";

/** @typedef {import("./hall.js").Hall} Hall @typedef {import("./hall.js").Section} Section @typedef {import("./hall.js").Place} Place @typedef {import("./hall.js").Box} Box */

/** Below this radius on the screen, in pixels, a section is one shape. */
const DOTS_PIXELS = 1.5;
/** From this radius on, seats are drawn one by one. */
const SEATS_PIXELS = 5.5;
/** A seat is as large as this on the screen, at most. */
const RADIUS_PIXELS_MAX = 26;
/** Time a frame has for drawing sections anew. */
const BUDGET_MILLIS = 5;
/** A finger that moved less than this has tapped. */
const TAP_PIXELS = 9;
const ZOOM_MILLIS = 380;
/** Without moving for so long the map rests. */
const REST_MILLIS = 160;
const PADDING_PIXELS = 22;
/** Pictures of sections kept when they are out of sight. */
const PICTURES_MAX = 80;

export class MapView {
  /**
   * @param {Hall} hall
   * @param {{pick: (place: Place) => void, pickArea?: (areaId: string) => void, chosen: () => Place[], lost?: () => Place[], sales?: boolean, label: string, signal: AbortSignal}} options
   */
  constructor(hall, options) {
    this.hall = hall;
    this.options = options;
    this.colours = theme();
    /** Categories that are not looked at. @type {Set<number>} */
    this.hidden = new Set();
    this.onlyAccessible = false;
    this.filterRevision = 0;
    this.scale = this.x = this.y = 0;
    this.width = this.height = 0;
    this.ratio = 1;
    this.moved = 0;
    this.asked = false;
    this.moving = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.resting = undefined;
    /** @type {{from: {x: number, y: number, scale: number}, to: {x: number, y: number, scale: number}, began: number} | undefined} */
    this.trip = undefined;
    /** @type {Map<string, HTMLCanvasElement>} */
    this.stamps = new Map();
    /** @type {Place | null} */
    this.cursor = null;
    /** @type {Section | null} */
    this.sectionCursor = null;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": options.label, "aria-describedby": "map-keys" });
    this.g = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
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
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = theme(); this.filtered(); }, { signal: options.signal });
    /** How long the last frames took, in milliseconds, the newest last: looked at by tests and by nobody else. @type {number[]} */
    this.frames = [];
    /** @type {any} */ (this.canvas).view = this;
  }

  resize() {
    const { width, height } = this.box.getBoundingClientRect();
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    const first = !this.width;
    const middle = first ? null : this.plan(this.width / 2, this.height / 2);
    this.width = width;
    this.height = height;
    if (!middle) this.fit(true);
    else this.place(middle.x, middle.y, Math.max(this.scale, this.whole() * 0.9));
    this.draw();
  }

  /** The scale at which everything is in sight. */
  whole() {
    const { w, h: height } = this.hall.box;
    const room = this.hall.radius * 2;
    return Math.min((this.width - 2 * PADDING_PIXELS) / (w + room), (this.height - 2 * PADDING_PIXELS) / (height + room));
  }

  /** @param {number} x @param {number} y */
  plan(x, y) { return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale }; }

  /** Puts a point of the plan into the middle. @param {number} x @param {number} y @param {number} scale */
  place(x, y, scale) {
    this.scale = this.bounded(scale);
    this.x = this.width / 2 - x * this.scale;
    this.y = this.height / 2 - y * this.scale;
    this.keepInSight();
  }

  /** @param {number} scale */
  bounded(scale) { return Math.max(this.whole() * 0.85, Math.min(scale, Math.max(RADIUS_PIXELS_MAX / this.hall.radius, this.whole()))); }

  /** The plan's middle cannot be pushed out of the window. */
  keepInSight() {
    const { x, y, w, h: height } = this.hall.box;
    const [left, right] = [this.width / 2 - (x + w) * this.scale, this.width / 2 - x * this.scale];
    const [top, bottom] = [this.height / 2 - (y + height) * this.scale, this.height / 2 - y * this.scale];
    this.x = Math.max(left, Math.min(right, this.x));
    this.y = Math.max(top, Math.min(bottom, this.y));
  }

  /** @param {boolean} [atOnce] */
  fit(atOnce = false) {
    const { x, y, w, h: height } = this.hall.box;
    this.travel(x + w / 2, y + height / 2, this.whole(), atOnce);
  }

  /** @param {number} factor @param {number} [x] @param {number} [y] */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const at = this.plan(x, y);
    const scale = this.bounded(this.scale * factor);
    this.travel(at.x + (this.width / 2 - x) / scale, at.y + (this.height / 2 - y) / scale, scale);
  }

  /** So near that its seats can be picked with a finger. @param {Section} section @param {{x: number, y: number}} [at] */
  approach(section, at) {
    const { x, y, w, h: height } = section.box;
    const fits = Math.min((this.width - 60) / (w + 2 * this.hall.pitch), (this.height - 60) / (height + 2 * this.hall.pitch));
    const pickable = 9.5 / this.hall.radius;
    const [px, py] = at && pickable > fits ? [at.x, at.y] : [x + w / 2, y + height / 2];
    this.travel(px, py, Math.max(fits, pickable));
  }

  /** @param {number} x @param {number} y @param {number} scale @param {boolean} [atOnce] */
  travel(x, y, scale, atOnce = false) {
    this.trip = undefined;
    scale = this.bounded(scale);
    if (atOnce || still() || !this.scale) {
      this.place(x, y, scale);
      return this.redraw();
    }
    const from = { ...this.plan(this.width / 2, this.height / 2), scale: this.scale };
    this.trip = { from, to: { x, y, scale }, began: performance.now() };
    this.stir();
    this.redraw();
  }

  step() {
    if (!this.trip) return;
    const { from, to, began } = this.trip;
    const part = Math.min(1, (performance.now() - began) / ZOOM_MILLIS);
    const eased = 1 - (1 - part) ** 3;
    // The scale grows by factors; the point moves so that what is aimed at comes nearer evenly.
    const scale = from.scale * (to.scale / from.scale) ** eased;
    const way = Math.abs(to.scale - from.scale) < 1e-9 ? eased : (1 / scale - 1 / from.scale) / (1 / to.scale - 1 / from.scale);
    this.place(from.x + (to.x - from.x) * way, from.y + (to.y - from.y) * way, scale);
    if (part < 1) {
      this.stir();
      this.redraw();
    } else this.trip = undefined;
  }

  /** Something moves: until it rests, speed matters more than sharpness. */
  stir() {
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.moving = false; this.redraw(); }, REST_MILLIS);
  }

  redraw() {
    if (this.asked || this.options.signal.aborted) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.step(); this.draw(); });
  }

  filtered() {
    this.filterRevision += 1;
    this.stamps.clear();
    this.redraw();
  }

  /** @param {Section} section */
  isFaint(section) { return section.categories.length > 0 && section.categories.every((it) => this.hidden.has(it)); }

  draw() {
    if (!this.width) return;
    const began = performance.now();
    const { g, hall } = this;
    const radius = hall.radius * this.scale;
    g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    g.fillStyle = this.colours.ground;
    g.fillRect(0, 0, this.width, this.height);
    for (const it of hall.decorations) this.decorate(it);
    const seen = hall.sections.filter((section) => section.outline.length && this.sees(section.box));
    const near = radius >= DOTS_PIXELS;
    hall.want(near || this.options.sales ? seen : hall.sections.some((section) => !section.outline.length) ? hall.sections : []);
    let unfinished = false;
    for (const section of seen) {
      if (!near || !section.ready) this.floor(section, 1);
      else {
        this.floor(section, 0.1);
        if (radius < SEATS_PIXELS) unfinished = this.picture(section, radius, began) || unfinished;
        else this.seats(section, radius);
      }
    }
    this.extras(radius);
    if (!near) for (const section of seen) this.name(section);
    else if (radius < 3.4) for (const section of seen) this.name(section, true);
    if (unfinished) this.redraw();
    this.frames.push(performance.now() - began);
    if (this.frames.length > 600) this.frames.shift();
  }

  /** @param {Box} box */
  sees(box) {
    const room = this.hall.pitch * this.scale;
    const [x, y] = [box.x * this.scale + this.x, box.y * this.scale + this.y];
    return x < this.width + room && y < this.height + room && x + box.w * this.scale > -room && y + box.h * this.scale > -room;
  }

  /** @param {Decoration} it */
  decorate(it) {
    const { g } = this;
    const area = it.areaId ? this.hall.areas.find((area) => area.areaId === it.areaId) : null;
    g.save();
    g.translate(it.x * this.scale + this.x, it.y * this.scale + this.y);
    g.rotate(((it.rotation ?? 0) * Math.PI) / 180);
    const [w, height] = [it.width * this.scale, it.height * this.scale];
    g.beginPath();
    if (it.shape === "ellipse") g.ellipse(w / 2, height / 2, w / 2, height / 2, 0, 0, 2 * Math.PI);
    else g.roundRect(0, 0, w, height, Math.min(14, w / 8, height / 8));
    g.fillStyle = area ? this.colours.prices[(this.hall.categories.find((category) => category.id === area.category)?.rank ?? 0) % 8] : this.colours.line;
    g.globalAlpha = area ? (area.remaining ? 0.85 : 0.2) : 0.75;
    g.fill();
    g.globalAlpha = 1;
    const text = it.text ?? area?.name ?? "";
    const size = Math.min(17, height * 0.4, (w * 1.5) / Math.max(1, text.length));
    if (text && size > 6) {
      g.fillStyle = area ? (this.colours.dark ? "#120d18" : "#fff") : this.colours.dim;
      g.font = `600 ${size}px system-ui, sans-serif`;
      g.textAlign = "center";
      g.textBaseline = "middle";
      g.fillText(text, w / 2, height / 2);
    }
    g.restore();
  }

  /** @param {Section} section */
  trace(section) {
    const { g } = this;
    g.beginPath();
    section.outline.forEach(([x, y], at) => g[at ? "lineTo" : "moveTo"](x * this.scale + this.x, y * this.scale + this.y));
    g.closePath();
  }

  /** The ground of a section: from afar its colour says the price, its strength what is left. @param {Section} section @param {number} strength */
  floor(section, strength) {
    const { g, colours } = this;
    const room = Math.max(1.5, this.hall.pitch * 0.62 * this.scale);
    const share = section.total ? section.counts.available / section.total : 0;
    const rank = this.hall.categories[section.categories[0]]?.rank ?? 0;
    const faint = this.isFaint(section);
    const gone = this.options.sales ? 1 - share : 0;
    this.trace(section);
    g.lineJoin = "round";
    // The outline runs through the seats' middles: a wide line of the same colour gives it its edge.
    g.lineWidth = 2 * room;
    const colour = this.options.sales ? colours.accent : share > 0 ? colours.prices[rank % colours.prices.length] : colours.taken;
    const alpha = faint ? 0.1 : this.options.sales ? 0.1 + 0.8 * gone : share > 0 ? 0.42 + 0.5 * share : 0.35;
    g.fillStyle = g.strokeStyle = mixed(colour, colours.ground, alpha * strength);
    g.fill();
    g.stroke();
    if (section === this.sectionCursor && document.activeElement === this.canvas) {
      g.lineWidth = 3;
      g.strokeStyle = colours.ink;
      g.stroke();
    }
  }

  /** What a section is called and has left, as far as there is room. @param {Section} section @param {boolean} [onlyName] */
  name(section, onlyName = false) {
    const { g, colours } = this;
    const width = section.box.w * this.scale + 8;
    const height = section.box.h * this.scale + 8;
    const size = Math.max(9, Math.min(17, width / 4.6, height / 2.2));
    if (width < 16 || height < 11) return;
    const [x, y] = [section.middle[0] * this.scale + this.x, section.middle[1] * this.scale + this.y];
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.font = `700 ${size}px system-ui, sans-serif`;
    if (onlyName) {
      const label = g.measureText(section.name).width + 12;
      // A name never hides what it names.
      if (label > width * 0.45 || size * 1.6 > height * 0.4) return;
      g.fillStyle = colours.card;
      g.globalAlpha = 0.86;
      g.beginPath();
      g.roundRect(x - label / 2, y - size * 0.8, label, size * 1.6, size);
      g.fill();
      g.globalAlpha = 1;
      g.fillStyle = colours.ink;
      return g.fillText(section.name, x, y);
    }
    const price = this.options.sales ? null : this.hall.from(section);
    const sold = section.counts.sold + section.counts.held;
    const lines = this.options.sales
      ? [section.name, `${Math.round((100 * sold) / Math.max(1, section.total))} %`]
      : [section.name, section.counts.available ? t("map.free", { n: section.counts.available }) : t("map.none"), section.counts.available && price ? money(price) : ""];
    const small = Math.max(8.5, size * 0.68);
    const fits = lines.filter((line, at) => {
      if (!line) return false;
      g.font = `${at ? 500 : 700} ${at ? small : size}px system-ui, sans-serif`;
      return at === 0 || (g.measureText(line).width < width - 4 && height > size + at * small * 1.25 + 6);
    });
    const share = section.total ? section.counts.available / section.total : 0;
    const strong = this.options.sales ? share < 0.5 : share > 0.25 && !this.isFaint(section);
    g.fillStyle = strong ? (colours.dark ? "#0d0912" : "#ffffff") : colours.ink;
    const top = y - ((fits.length - 1) * small * 1.25) / 2;
    fits.forEach((line, at) => {
      g.font = `${at ? 500 : 700} ${at ? small : size}px system-ui, sans-serif`;
      g.fillText(line, x, top + at * small * 1.3);
    });
  }

  /** What a seat looks like here. @param {Section} section @param {number} at */
  look(section, at) {
    const category = section.category[at];
    const flags = section.flags[at];
    const faint = this.hidden.has(category) || (this.onlyAccessible && !(flags & (ACCESSIBLE | COMPANION)));
    return { rank: this.hall.categories[category]?.rank ?? 0, flags, state: section.states[at], faint, sales: Boolean(this.options.sales) };
  }

  /** The stamp of such a seat. @param {ReturnType<MapView["look"]>} look @param {number} radius in device pixels */
  stamp(look, radius) {
    const key = `${look.rank},${look.flags},${look.state},${look.faint},${radius}`;
    let stamp = this.stamps.get(key);
    if (!stamp) {
      if (this.stamps.size > 600) this.stamps.clear();
      stamp = document.createElement("canvas");
      stamp.width = stamp.height = Math.ceil(radius * 2.7) + 2;
      drawSeat(/** @type {CanvasRenderingContext2D} */ (stamp.getContext("2d")), this.colours, look, stamp.width / 2, stamp.width / 2, radius);
      this.stamps.set(key, stamp);
    }
    return stamp;
  }

  /** A section's seats as a picture that was drawn before. Answers whether it is still to be drawn (anew). @param {Section} section @param {number} radius @param {number} began */
  picture(section, radius, began) {
    // On the move a picture of about this size will do; once it is still there is one of exactly this size.
    const scale = this.moving ? 2 ** (Math.round(Math.log2(this.scale) * 3) / 3) : this.scale;
    const due = `${scale},${section.revision},${this.filterRevision},${this.hall.pitch}`;
    if (section.bitmap?.due !== due && performance.now() - began < BUDGET_MILLIS) this.render(section, scale, due);
    const { g, ratio } = this;
    if (section.bitmap?.due === due && !this.moving) {
      const { canvas, x, y } = section.bitmap;
      const whole = (/** @type {number} */ pixels) => Math.round(pixels * ratio) / ratio;
      g.drawImage(canvas, whole(x * this.scale + this.x), whole(y * this.scale + this.y), canvas.width / ratio, canvas.height / ratio);
    } else if (section.bitmap) {
      const { canvas, x, y, w, h: height } = section.bitmap;
      g.drawImage(canvas, x * this.scale + this.x, y * this.scale + this.y, w * this.scale, height * this.scale);
    } else this.floor(section, 0.8);
    return section.bitmap?.due !== due;
  }

  /** @param {Section} section @param {number} scale @param {string} due */
  render(section, scale, due) {
    const { ratio } = this;
    const room = this.hall.pitch;
    const box = { x: section.box.x - room, y: section.box.y - room, w: section.box.w + 2 * room, h: section.box.h + 2 * room };
    const canvas = section.bitmap?.canvas ?? document.createElement("canvas");
    canvas.width = Math.ceil(box.w * scale * ratio);
    canvas.height = Math.ceil(box.h * scale * ratio);
    const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const radius = Math.max(0.9, this.hall.radius * scale * ratio);
    for (let at = 0; at < section.seats.length; at++) {
      const stamp = this.stamp(this.look(section, at), Math.round(radius * 4) / 4);
      g.drawImage(stamp, (section.x[at] - box.x) * scale * ratio - stamp.width / 2, (section.y[at] - box.y) * scale * ratio - stamp.height / 2);
    }
    section.bitmap = { canvas, due, ...box };
    this.forgetPictures();
  }

  forgetPictures() {
    const drawn = this.hall.sections.filter((section) => section.bitmap);
    if (drawn.length <= PICTURES_MAX) return;
    for (const section of drawn) if (!this.sees(section.box)) section.bitmap = null;
  }

  /** Seats one by one. @param {Section} section @param {number} radius */
  seats(section, radius) {
    const { g } = this;
    section.bitmap = null;
    const { ratio } = this;
    const pixels = Math.round(radius * ratio * 2) / 2;
    const room = radius * 2;
    const numbers = radius >= 11;
    if (numbers) {
      g.font = `600 ${Math.min(13, radius * 0.85)}px system-ui, sans-serif`;
      g.textAlign = "center";
      g.textBaseline = "middle";
    }
    for (const row of section.rows) {
      for (let at = row.start; at < row.start + row.count; at++) {
        const x = section.x[at] * this.scale + this.x;
        const y = section.y[at] * this.scale + this.y;
        if (x < -room || y < -room || x > this.width + room || y > this.height + room) continue;
        const look = this.look(section, at);
        const stamp = this.stamp(look, pixels);
        const size = stamp.width / ratio;
        g.drawImage(stamp, x - size / 2, y - size / 2, size, size);
        if (numbers && look.state === FREE && !look.flags && !look.faint && !look.sales) {
          const seat = section.seats[at];
          g.fillStyle = this.colours.dark ? "#120d18" : "#ffffff";
          g.fillText(seat.label ?? seat.seat, x, y);
        }
      }
      if (radius >= 6) this.rowName(section, row, radius);
    }
  }

  /** @param {Section} section @param {import("./hall.js").HallRow} row @param {number} radius */
  rowName(section, row, radius) {
    if (!row.count) return;
    const { g } = this;
    const last = Math.min(row.start + 1, row.start + row.count - 1);
    const [x0, y0, x1, y1] = [section.x[row.start], section.y[row.start], section.x[last], section.y[last]];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const [dx, dy] = last > row.start ? [(x0 - x1) / length, (y0 - y1) / length] : [-1, 0];
    const away = this.hall.pitch * 0.95;
    g.save();
    g.fillStyle = this.colours.dim;
    g.font = `600 ${Math.min(13, radius * 0.95)}px system-ui, sans-serif`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.fillText(row.label, (x0 + dx * away) * this.scale + this.x, (y0 + dy * away) * this.scale + this.y);
    g.restore();
  }

  /** What was chosen, what was lost, and where the keyboard is. @param {number} radius */
  extras(radius) {
    const { g, colours } = this;
    const r = Math.max(radius, 4);
    const at = (/** @type {Place} */ place) => [place.section.x[place.at] * this.scale + this.x, place.section.y[place.at] * this.scale + this.y];
    for (const place of this.options.chosen()) {
      const [x, y] = at(place);
      g.fillStyle = colours.torch;
      g.strokeStyle = colours.ink;
      g.lineWidth = Math.max(1.5, r * 0.2);
      shape(g, 0, x, y, r * 1.18);
      g.fill();
      g.stroke();
      if (r > 3.5) {
        g.strokeStyle = "#1d1426";
        g.lineWidth = Math.max(1.4, r * 0.26);
        g.beginPath();
        g.moveTo(x - r * 0.5, y + r * 0.05);
        g.lineTo(x - r * 0.1, y + r * 0.45);
        g.lineTo(x + r * 0.55, y - r * 0.42);
        g.stroke();
      }
    }
    for (const place of this.options.lost?.() ?? []) {
      const [x, y] = at(place);
      g.strokeStyle = colours.accent;
      g.lineWidth = Math.max(2, r * 0.3);
      g.beginPath();
      for (const side of [-1, 1]) {
        g.moveTo(x - r * 0.8, y - r * 0.8 * side);
        g.lineTo(x + r * 0.8, y + r * 0.8 * side);
      }
      g.stroke();
    }
    if (this.cursor && document.activeElement === this.canvas) {
      const [x, y] = at(this.cursor);
      for (const [colour, width] of /** @type {[string, number][]} */ ([[colours.card, 5], [colours.ink, 2.5]])) {
        g.strokeStyle = colour;
        g.lineWidth = width;
        g.strokeRect(x - r * 1.5, y - r * 1.5, r * 3, r * 3);
      }
    }
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

  /** @param {number} dx @param {number} dy */
  drag(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.stir();
    this.keepInSight();
    this.redraw();
  }

  /** @param {number} factor @param {number} x @param {number} y */
  pinch(factor, x, y) {
    const at = this.plan(x, y);
    this.stir();
    this.scale = this.bounded(this.scale * factor);
    this.x = x - at.x * this.scale;
    this.y = y - at.y * this.scale;
    this.keepInSight();
    this.redraw();
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

/** `colour` over `ground`, as opaque as `alpha`: #rrggbb both. @param {string} colour @param {string} ground @param {number} alpha */
function mixed(colour, ground, alpha) {
  const part = (/** @type {string} */ text, /** @type {number} */ at) => parseInt(text.slice(1 + 2 * at, 3 + 2 * at), 16);
  return `rgb(${[0, 1, 2].map((at) => Math.round(part(colour, at) * alpha + part(ground, at) * (1 - alpha))).join(" ")})`;
}

