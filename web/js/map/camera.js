// Where one looks: which part of the plan is on the screen, how near, and how it gets there.

import { still } from "../dom.js";

/** @typedef {import("./hall.js").Hall} Hall @typedef {import("./hall.js").Section} Section @typedef {import("./hall.js").Box} Box */

/** A seat is as large as this on the screen, at most. */
const RADIUS_PIXELS_MAX = 26;
const ZOOM_MILLIS = 380;
/** Narrower windows have their buttons at the foot, which is so high. */
const NARROW_PIXELS = 640;
const FOOT_PIXELS = 44;
/** Without moving for so long the map rests. */
const REST_MILLIS = 160;
const PADDING_PIXELS = 22;

export class Camera {
  /** @param {Hall} hall @param {AbortSignal} signal */
  constructor(hall, signal) {
    this.hall = hall;
    this.signal = signal;
    this.scale = this.x = this.y = 0;
    this.width = this.height = 0;
    /** What is kept free at the bottom when everything is in sight, in pixels. */
    this.foot = 0;
    this.asked = false;
    this.moving = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.resting = undefined;
    /** @type {{from: {x: number, y: number, scale: number}, to: {x: number, y: number, scale: number}, began: number} | undefined} */
    this.trip = undefined;
  }

  /** What is seen from here: whoever looks through the camera draws it. */
  draw() {}

  /** The window has this size now: what was in its middle stays there. @param {number} width @param {number} height */
  frame(width, height) {
    const middle = this.width ? this.plan(this.width / 2, this.height / 2) : null;
    this.width = width;
    this.height = height;
    this.foot = width < NARROW_PIXELS ? FOOT_PIXELS : 0;
    if (middle) this.place(middle.x, middle.y, Math.max(this.scale, this.whole() * 0.9));
    else this.fit(true);
  }

  /** The scale at which everything is in sight. */
  whole() {
    const { w, h: height } = this.hall.box;
    const room = this.hall.radius * 2;
    return Math.min((this.width - 2 * PADDING_PIXELS) / (w + room), (this.height - this.foot - 2 * PADDING_PIXELS) / (height + room));
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
    this.travel(x + w / 2, y + height / 2 + this.foot / 2 / this.whole(), this.whole(), atOnce);
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
    if (this.asked || this.signal.aborted) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.step(); this.draw(); });
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

  /** @param {Box} box */
  sees(box) {
    const room = this.hall.pitch * this.scale;
    const [x, y] = [box.x * this.scale + this.x, box.y * this.scale + this.y];
    return x < this.width + room && y < this.height + room && x + box.w * this.scale > -room && y + box.h * this.scale > -room;
  }
}
