// What is seen: from afar a section is one shape; nearer, its seats are drawn once into a picture of their own, a few pictures a
// frame, and only these pictures are moved; from near, the few seats in sight are drawn one by one from stamped shapes.

import { money, t } from "../i18n.js";
import { Camera } from "./camera.js";
import { drawSeat, shape, theme } from "./glyphs.js";
import { ACCESSIBLE, COMPANION, FREE } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall @typedef {import("./hall.js").Section} Section @typedef {import("./hall.js").Place} Place @typedef {import("./hall.js").Box} Box */
/** @typedef {{chosen: () => Place[], lost?: () => Place[], sales?: boolean, signal: AbortSignal}} Seen */

/** Below this radius on the screen, in pixels, a section is one shape. */
const DOTS_PIXELS = 1.5;
/** From this radius on, seats are drawn one by one. */
export const SEATS_PIXELS = 5.5;
/** Time a frame has for drawing sections anew. */
const BUDGET_MILLIS = 5;
/** Pictures of sections kept when they are out of sight. */
const PICTURES_MAX = 80;

export class Painter extends Camera {
  /** @param {Hall} hall @param {Seen} seen @param {HTMLCanvasElement} canvas */
  constructor(hall, seen, canvas) {
    super(hall, seen.signal);
    this.seen = seen;
    this.canvas = canvas;
    this.g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.ratio = 1;
    this.colours = theme();
    /** Categories that are not looked at. @type {Set<number>} */
    this.hidden = new Set();
    this.onlyAccessible = false;
    this.filterRevision = 0;
    /** @type {Map<string, HTMLCanvasElement>} */
    this.stamps = new Map();
    /** Where the keyboard is. @type {Place | null} */
    this.cursor = null;
    /** @type {Section | null} */
    this.sectionCursor = null;
    /** How long the last frames took, in milliseconds, the newest last: looked at by tests and by nobody else. @type {number[]} */
    this.frames = [];
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = theme(); this.filtered(); }, { signal: seen.signal });
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
    hall.want(near || this.seen.sales ? seen : hall.sections.some((section) => !section.outline.length) ? hall.sections : []);
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
    const gone = this.seen.sales ? 1 - share : 0;
    this.trace(section);
    g.lineJoin = "round";
    // The outline runs through the seats' middles: a wide line of the same colour gives it its edge.
    g.lineWidth = 2 * room;
    const colour = this.seen.sales ? colours.accent : share > 0 ? colours.prices[rank % colours.prices.length] : colours.taken;
    const alpha = faint ? 0.1 : this.seen.sales ? 0.1 + 0.8 * gone : share > 0 ? 0.42 + 0.5 * share : 0.35;
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
    const price = this.seen.sales ? null : this.hall.from(section);
    const sold = section.counts.sold + section.counts.held;
    const lines = this.seen.sales
      ? [section.name, `${Math.round((100 * sold) / Math.max(1, section.total))} %`]
      : [section.name, section.counts.available ? t("map.free", { n: section.counts.available }) : t("map.none"), section.counts.available && price ? money(price) : ""].filter(Boolean);
    const small = Math.max(8.5, size * 0.68);
    const font = (/** @type {number} */ at) => `${at ? 500 : 700} ${at ? small : size}px system-ui, sans-serif`;
    while (lines.length && !this.hasRoom(section, Math.max(...lines.map((line, at) => { g.font = font(at); return g.measureText(line).width; })), size + (lines.length - 1) * small * 1.3)) lines.pop();
    const share = section.total ? section.counts.available / section.total : 0;
    const strong = this.seen.sales ? share < 0.5 : share > 0.25 && !this.isFaint(section);
    g.fillStyle = strong ? (colours.dark ? "#0d0912" : "#ffffff") : colours.ink;
    const top = y - ((lines.length - 1) * small * 1.25) / 2;
    lines.forEach((line, at) => {
      g.font = font(at);
      g.fillText(line, x, top + at * small * 1.3);
    });
  }

  /** Whether a text of this size fits into the middle of a section, corners and all. @param {Section} section @param {number} width @param {number} height */
  hasRoom(section, width, height) {
    // The ground reaches beyond the outline, and letters need not touch its edge.
    const edge = this.hall.pitch * 0.62 - 2 / this.scale;
    const [dx, dy] = [Math.max(0, width / 2 / this.scale - edge), Math.max(0, height / 2 / this.scale - edge)];
    const [x, y] = section.middle;
    return [[-dx, -dy], [dx, -dy], [dx, dy], [-dx, dy]].every(([cx, cy]) => isWithin(section.outline, x + cx, y + cy));
  }

  /** What a seat looks like here. @param {Section} section @param {number} at */
  look(section, at) {
    const category = section.category[at];
    const flags = section.flags[at];
    const faint = this.hidden.has(category) || (this.onlyAccessible && !(flags & (ACCESSIBLE | COMPANION)));
    return { rank: this.hall.categories[category]?.rank ?? 0, flags, state: section.states[at], faint, sales: Boolean(this.seen.sales) };
  }

  /** The stamp of such a seat. @param {ReturnType<Painter["look"]>} look @param {number} radius in device pixels */
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
    for (const place of this.seen.chosen()) {
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
    for (const place of this.seen.lost?.() ?? []) {
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
}

/** `colour` over `ground`, as opaque as `alpha`: #rrggbb both. @param {string} colour @param {string} ground @param {number} alpha */
function mixed(colour, ground, alpha) {
  const part = (/** @type {string} */ text, /** @type {number} */ at) => parseInt(text.slice(1 + 2 * at, 3 + 2 * at), 16);
  return `rgb(${[0, 1, 2].map((at) => Math.round(part(colour, at) * alpha + part(ground, at) * (1 - alpha))).join(" ")})`;
}

/** Whether a point is within an outline, whatever its shape. @param {import("./hall.js").Section["outline"]} outline @param {number} x @param {number} y */
function isWithin(outline, x, y) {
  let is = false;
  outline.forEach(([x1, y1], at) => {
    const [x2, y2] = outline[(at + 1) % outline.length];
    if (y1 > y !== y2 > y && x < x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)) is = !is;
  });
  return is;
}
