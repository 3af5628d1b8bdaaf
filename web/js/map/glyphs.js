// How a seat looks. Colour says the price, and so does the shape; a state is told by filling, never by colour alone.

import { ACCESSIBLE, BLOCKED, COMPANION, FREE, HELD, OBSTRUCTED, SOLD } from "./hall.js";

/** Distinguishable with any colour vision (after Okabe and Ito), by price rank: for light and dark grounds. */
const LIGHT = ["#0b6fb8", "#c4501c", "#0a8a66", "#8d45a0", "#a87400", "#2f8fbe", "#b03060", "#5b6b1f"];
const DARK = ["#5cb3f0", "#f28c56", "#3fcb9f", "#d593e3", "#e6b84a", "#86d0f2", "#f0809f", "#b9cc5a"];

/** The colours of the page, as a canvas needs them. @returns {Theme} */
export function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const style = getComputedStyle(document.documentElement);
  const of = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return { dark, prices: dark ? DARK : LIGHT, ground: of("--map"), ink: of("--ink"), dim: of("--dim"), line: of("--line"), card: of("--card"), torch: of("--torch"), accent: of("--accent"), taken: of("--taken") };
}

/** @typedef {{dark: boolean, prices: string[], ground: string, ink: string, dim: string, line: string, card: string, torch: string, accent: string, taken: string}} Theme */

/** The outline of the shape of a price rank. @param {CanvasRenderingContext2D} g @param {number} rank @param {number} x @param {number} y @param {number} r */
export function shape(g, rank, x, y, r) {
  g.beginPath();
  switch (rank % 6) {
    case 0: g.arc(x, y, r, 0, 2 * Math.PI); break;
    case 1: g.roundRect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8, r * 0.35); break;
    case 2: polygon(g, x, y, r * 1.1, 4, 0); break;
    case 3: polygon(g, x, y, r * 1.05, 6, 0); break;
    case 4: polygon(g, x, y + r * 0.12, r * 1.15, 3, -Math.PI / 2); break;
    default: polygon(g, x, y, r * 1.05, 5, -Math.PI / 2);
  }
}

/** @param {CanvasRenderingContext2D} g @param {number} x @param {number} y @param {number} r @param {number} corners @param {number} turn */
function polygon(g, x, y, r, corners, turn) {
  for (let at = 0; at < corners; at++) {
    const angle = turn + (at * 2 * Math.PI) / corners;
    g[at ? "lineTo" : "moveTo"](x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  g.closePath();
}

/**
 * One seat. On the map of sales (`sales`) the filling says the state and the shape is a circle.
 * @param {CanvasRenderingContext2D} g @param {Theme} colours @param {{rank: number, flags: number, state: number, faint: boolean, sales: boolean}} seat @param {number} x @param {number} y @param {number} r
 */
export function drawSeat(g, colours, seat, x, y, r) {
  const { rank, flags, state, sales } = seat;
  const colour = sales ? [colours.taken, colours.torch, colours.accent, colours.dim][state] : colours.prices[rank % colours.prices.length];
  g.globalAlpha = seat.faint ? 0.16 : 1;
  if (sales ? state !== FREE : state === FREE) {
    shape(g, sales ? 0 : rank, x, y, r);
    g.fillStyle = colour;
    g.fill();
    if (!sales || state === BLOCKED) marks(g, colours, flags, state, sales, x, y, r);
  } else if (sales) {
    shape(g, 0, x, y, r * 0.7);
    g.strokeStyle = colour;
    g.lineWidth = Math.max(0.7, r * 0.22);
    g.stroke();
  } else if (state === HELD) {
    shape(g, rank, x, y, r * 0.78);
    g.strokeStyle = colours.taken;
    g.lineWidth = Math.max(0.8, r * 0.24);
    g.stroke();
  } else if (state === SOLD) {
    shape(g, 0, x, y, Math.max(0.6, r * 0.42));
    g.fillStyle = colours.taken;
    g.fill();
  } else if (r > 2.5) {
    g.strokeStyle = colours.taken;
    g.lineWidth = Math.max(0.6, r * 0.16);
    g.beginPath();
    g.moveTo(x - r * 0.4, y);
    g.lineTo(x + r * 0.4, y);
    g.stroke();
  }
  g.globalAlpha = 1;
}

/** What is special about a free seat. @param {CanvasRenderingContext2D} g @param {Theme} colours @param {number} flags @param {number} state @param {boolean} sales @param {number} x @param {number} y @param {number} r */
function marks(g, colours, flags, state, sales, x, y, r) {
  if (r < 3.4) {
    if (flags & ACCESSIBLE) ring(g, colours, x, y, r);
    return;
  }
  const ink = colours.dark ? "#120d18" : "#ffffff";
  if (sales && state === BLOCKED) {
    g.strokeStyle = colours.card;
    g.lineWidth = r * 0.28;
    g.beginPath();
    g.moveTo(x - r * 0.55, y + r * 0.55);
    g.lineTo(x + r * 0.55, y - r * 0.55);
    g.stroke();
    return;
  }
  if (flags & ACCESSIBLE) {
    ring(g, colours, x, y, r);
    wheelchair(g, ink, x, y, r * 0.62);
  } else if (flags & COMPANION) {
    g.fillStyle = ink;
    g.beginPath();
    g.arc(x, y - r * 0.28, r * 0.24, 0, 2 * Math.PI);
    g.arc(x, y + r * 0.52, r * 0.42, Math.PI, 2 * Math.PI);
    g.fill();
  } else if (flags & OBSTRUCTED) {
    g.strokeStyle = ink;
    g.lineWidth = r * 0.26;
    g.beginPath();
    g.moveTo(x, y - r * 0.62);
    g.lineTo(x, y + r * 0.62);
    g.stroke();
  }
}

/** @param {CanvasRenderingContext2D} g @param {Theme} colours @param {number} x @param {number} y @param {number} r */
function ring(g, colours, x, y, r) {
  g.strokeStyle = colours.ink;
  g.lineWidth = Math.max(0.8, r * 0.16);
  g.beginPath();
  g.arc(x, y, r * 1.16, 0, 2 * Math.PI);
  g.stroke();
}

/** @param {CanvasRenderingContext2D} g @param {string} ink @param {number} x @param {number} y @param {number} s */
function wheelchair(g, ink, x, y, s) {
  g.strokeStyle = g.fillStyle = ink;
  g.lineWidth = s * 0.26;
  g.lineCap = "round";
  g.beginPath();
  g.arc(x - s * 0.15, y - s * 0.95, s * 0.22, 0, 2 * Math.PI);
  g.fill();
  g.beginPath();
  g.moveTo(x - s * 0.15, y - s * 0.55);
  g.lineTo(x - s * 0.1, y + s * 0.1);
  g.lineTo(x + s * 0.5, y + s * 0.1);
  g.lineTo(x + s * 0.8, y + s * 0.85);
  g.stroke();
  g.beginPath();
  g.arc(x - s * 0.05, y + s * 0.42, s * 0.58, Math.PI * 1.15, Math.PI * 0.12, true);
  g.stroke();
  g.lineCap = "butt";
}

/** The same shape as an element, for legends. @param {number} rank @param {string} colour */
export function swatch(rank, colour) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(3, devicePixelRatio || 1);
  canvas.width = canvas.height = 18 * scale;
  canvas.className = "swatch";
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  g.scale(scale, scale);
  shape(g, rank, 9, 9, 7);
  g.fillStyle = colour;
  g.fill();
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}
