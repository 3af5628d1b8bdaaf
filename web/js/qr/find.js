// Finds a QR code in a picture: the three squares of its corners, then the fourth corner, then every module. For browsers that cannot do it themselves.

import { VERSION_MAX, alignments, decode } from "./decode.js";

/** @typedef {{x: number, y: number}} Point @typedef {{x: number, y: number, module: number, seen: number}} Square */
/** @typedef {{width: number, height: number, data: Uint8ClampedArray | number[]}} Picture */

/** Squares that are tried, three at a time: the clearest. */
const SQUARES_MAX = 9;
/** Versions beside the one that the squares' size tells, and how many of them are tried. */
const VERSIONS_BESIDE = 2;
const VERSIONS_TRIED = 2;
/** How far from its place the fourth corner's pattern is looked for, in modules, and how many finds are tried. */
const FOURTH_AWAY = 4;
const FOURTHS_MAX = 4;
/** How far away one side of a code can be from the camera, by the other side's distance; first of all as far. */
const DEPTHS = Array.from({ length: 25 }, (_, at) => 1.025 ** ((at % 2 ? 1 : -1) * ((at + 1) >> 1)));
/** Rows of a picture that are looked at. */
const ROWS_MAX = 320;

/** The text of a code in a picture. @param {Picture} picture as ImageData @returns {string | null} */
export function read(picture) {
  const grey = greys(picture);
  for (const dark of [locally(grey, picture.width, picture.height), globally(grey)]) {
    const found = inBits({ dark, width: picture.width, height: picture.height });
    if (found !== null) return found;
  }
  return null;
}

/** @param {Picture} picture */
function greys({ data, width, height }) {
  const grey = new Uint8Array(width * height);
  for (let at = 0; at < grey.length; at++) grey[at] = (data[4 * at] * 77 + data[4 * at + 1] * 150 + data[4 * at + 2] * 29) >> 8;
  return grey;
}

/** Dark is what is darker than its surroundings: light falls unevenly. @param {Uint8Array} grey @param {number} width @param {number} height */
function locally(grey, width, height) {
  const sums = new Uint32Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += grey[y * width + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  const reach = Math.max(8, Math.min(width, height) >> 3);
  const dark = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(0, y - reach), Math.min(height, y + reach)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - reach), Math.min(width, x + reach)];
      const sum = sums[bottom * (width + 1) + right] - sums[top * (width + 1) + right] - sums[bottom * (width + 1) + left] + sums[top * (width + 1) + left];
      dark[y * width + x] = Number(grey[y * width + x] * (right - left) * (bottom - top) < sum * 0.94);
    }
  }
  return dark;
}

/** Dark is what is below the value that parts the picture best (Otsu). @param {Uint8Array} grey */
function globally(grey) {
  const counts = new Uint32Array(256);
  let all = 0;
  for (const it of grey) { counts[it] += 1; all += it; }
  let [below, sum, best, least] = [0, 0, 0, 128];
  for (let level = 0; level < 256; level++) {
    below += counts[level];
    sum += counts[level] * level;
    const above = grey.length - below;
    if (!below || !above) continue;
    const between = below * above * (sum / below - (all - sum) / above) ** 2;
    if (between > best) [best, least] = [between, level];
  }
  return Uint8Array.from(grey, (it) => Number(it <= least));
}

/** @typedef {{dark: Uint8Array, width: number, height: number}} Bits */

/** @param {Bits} bits */
function inBits(bits) {
  const squares = squaresOf(bits);
  for (const three of threes(squares)) {
    const found = between(bits, three);
    if (found !== null) return found;
  }
  return null;
}

/** Everything that looks like a corner's square: dark, light, dark, light, dark as 1 : 1 : 3 : 1 : 1 across and down. @param {Bits} bits @returns {Square[]} */
function squaresOf(bits) {
  /** @type {Square[]} */
  const found = [];
  const step = Math.max(1, Math.ceil(bits.height / ROWS_MAX));
  for (let y = step >> 1; y < bits.height; y += step) {
    const runs = [0, 0, 0, 0, 0];
    let now = 1;
    for (let x = 0; x <= bits.width; x++) {
      const is = x < bits.width ? bits.dark[y * bits.width + x] : 1 - now;
      if (is === now) { runs[4] += 1; continue; }
      if (now === 1 && isSquare(runs)) look(bits, x - runs[4] - runs[3] - runs[2] / 2, y, runs, found);
      runs.shift();
      runs.push(1);
      now = is;
    }
  }
  return found.filter((it) => it.seen > 1).sort((a, b) => b.seen - a.seen).slice(0, SQUARES_MAX);
}

/** @param {number[]} runs */
function isSquare(runs) {
  const module = (runs[0] + runs[1] + runs[2] + runs[3] + runs[4]) / 7;
  if (module < 1) return false;
  const room = Math.max(1, module * 0.65);
  return Math.abs(runs[0] - module) < room && Math.abs(runs[1] - module) < room && Math.abs(runs[2] - 3 * module) < 2.2 * room && Math.abs(runs[3] - module) < room && Math.abs(runs[4] - module) < room;
}

/** Crosses it down and across, and takes it as one with what was seen there. @param {Bits} bits @param {number} x @param {number} y @param {number[]} across @param {Square[]} found */
function look(bits, x, y, across, found) {
  const down = cross(bits, Math.floor(x), y, 0, 1);
  if (!down) return;
  const again = cross(bits, Math.floor(x), Math.floor(down.middle), 1, 0);
  if (!again) return;
  const module = (down.length + again.length) / 14;
  if (Math.abs(down.length - again.length) > 0.45 * again.length || across[2] > 5 * module) return;
  const [cx, cy] = [again.middle, down.middle];
  const known = found.find((it) => Math.abs(it.x - cx) < it.module * 2 && Math.abs(it.y - cy) < it.module * 2);
  if (!known) return void found.push({ x: cx, y: cy, module, seen: 1 });
  known.x = (known.x * known.seen + cx) / (known.seen + 1);
  known.y = (known.y * known.seen + cy) / (known.seen + 1);
  known.module = (known.module * known.seen + module) / (known.seen + 1);
  known.seen += 1;
}

/** The five runs through a point along one way. @param {Bits} bits @param {number} x @param {number} y @param {number} dx @param {number} dy */
function cross(bits, x, y, dx, dy) {
  const at = (/** @type {number} */ n) => {
    const [px, py] = [x + n * dx, y + n * dy];
    return px < 0 || py < 0 || px >= bits.width || py >= bits.height ? -1 : bits.dark[py * bits.width + px];
  };
  if (at(0) !== 1) return null;
  const side = (/** @type {number} */ way) => {
    let n = 0;
    return [1, 0, 1].map((wanted) => {
      let run = 0;
      while (at(n) === wanted) { n += way; run += 1; }
      return run;
    });
  };
  const [back, ahead] = [side(-1), side(1)];
  const runs = [back[2], back[1], back[0] + ahead[0] - 1, ahead[1], ahead[2]];
  if (!isSquare(runs)) return null;
  const start = (dx ? x : y) - back[0] + 1;
  return { middle: start + runs[2] / 2, length: runs.reduce((sum, it) => sum + it, 0) };
}

/** Three squares that can be one code's, the likeliest first: alike in size, and at a right angle. @param {Square[]} squares @returns {[Square, Square, Square][]} the corner, then its right, then what is below */
function threes(squares) {
  /** @type {{three: [Square, Square, Square], off: number}[]} */
  const found = [];
  for (const corner of squares) for (const [n, one] of squares.entries()) for (const two of squares.slice(n + 1)) {
    if (corner === one || corner === two) continue;
    const modules = [corner.module, one.module, two.module];
    const spread = Math.max(...modules) / Math.min(...modules);
    const [ux, uy, vx, vy] = [one.x - corner.x, one.y - corner.y, two.x - corner.x, two.y - corner.y];
    const [u, v] = [Math.hypot(ux, uy), Math.hypot(vx, vy)];
    const cosine = Math.abs((ux * vx + uy * vy) / (u * v));
    const uneven = Math.max(u, v) / Math.min(u, v);
    if (spread > 2 || cosine > 0.5 || uneven > 1.8 || Math.min(u, v) < 9 * Math.min(...modules)) continue;
    found.push({ three: ux * vy - uy * vx > 0 ? [corner, one, two] : [corner, two, one], off: spread + uneven + 2 * cosine });
  }
  return found.sort((a, b) => a.off - b.off).slice(0, 12).map((it) => it.three);
}

/** The code between three squares, with whatever number of modules makes it one. @param {Bits} bits @param {[Square, Square, Square]} squares */
function between(bits, [corner, right, below]) {
  const size = (/** @type {Square} */ to) => {
    const [dx, dy] = [to.x - corner.x, to.y - corner.y];
    // Runs were measured along the axes: longer than the module by as much as the code is turned.
    const turn = Math.max(Math.abs(dx), Math.abs(dy)) / Math.hypot(dx, dy);
    return Math.hypot(dx, dy) / (((corner.module + to.module) / 2) * turn);
  };
  const likely = Math.round(((size(right) + size(below)) / 2 + 7 - 17) / 4);
  const versions = Array.from({ length: 2 * VERSIONS_BESIDE + 1 }, (_, at) => likely - VERSIONS_BESIDE + at).filter((it) => it >= 1 && it <= VERSION_MAX);
  const laid = versions.map((version) => lean(bits, [corner, right, below], version)).sort((a, b) => b.beat - a.beat);
  for (const { version, place } of laid.slice(0, VERSIONS_TRIED)) {
    for (const exact of places(bits, place, [corner, right, below], version)) {
      const text = decode((x, y) => isDark(bits, exact(x + 0.5, y + 0.5)), version);
      if (text !== null) return text;
    }
  }
  return null;
}

/** @param {Bits} bits @param {Point} point */
function isDark(bits, { x, y }) {
  const [px, py] = [Math.floor(x), Math.floor(y)];
  return px >= 0 && py >= 0 && px < bits.width && py < bits.height && bits.dark[py * bits.width + px] === 1;
}

/** @typedef {(x: number, y: number) => Point} Place from modules to the picture */

/**
 * The modules in perspective: `right` and `below` say how much farther away those corners are than the first.
 * @param {Point[]} squares @param {number} version @param {number} right @param {number} below @returns {Place}
 */
function lay([o, r, b], version, right, below) {
  const span = version * 4 + 10;
  return (x, y) => {
    const [across, down] = [(x - 3.5) / span, (y - 3.5) / span];
    const depth = 1 + (right - 1) * across + (below - 1) * down;
    return { x: (o.x + (r.x * right - o.x) * across + (b.x * below - o.x) * down) / depth, y: (o.y + (r.y * right - o.y) * across + (b.y * below - o.y) * down) / depth };
  };
}

/** The lean of a code of this version: dark and light take turns between the squares, in step only where number and lean are right. @param {Bits} bits @param {[Point, Point, Point]} squares @param {number} version */
function lean(bits, squares, version) {
  const best = { right: 1, below: 1 };
  let beat = 0;
  for (const side of /** @type {const} */ (["right", "below"])) {
    let most = -1;
    for (const depth of DEPTHS) {
      const place = side === "right" ? lay(squares, version, depth, 1) : lay(squares, version, 1, depth);
      let fits = 0;
      for (let at = 8; at < version * 4 + 9; at++) fits += Number(isDark(bits, side === "right" ? place(at + 0.5, 6.5) : place(6.5, at + 0.5)) === (at % 2 === 0));
      if (fits > most) [most, best[side]] = [fits, depth];
    }
    beat += most / (version * 4 + 1);
  }
  return { version, beat, place: lay(squares, version, best.right, best.below) };
}

/** Ways to lay the modules: by the pattern near the fourth corner where it is found, and as the squares alone say. @param {Bits} bits @param {Place} place @param {Point[]} squares @param {number} version @returns {Place[]} */
function places(bits, place, [corner, right, below], version) {
  const far = version * 4 + 13.5;
  const middle = alignments(version).at(-1);
  if (middle === undefined) return [place];
  const found = fourth(bits, place, middle + 0.5);
  return [...found.map((it) => warp([[3.5, 3.5], [far, 3.5], [middle + 0.5, middle + 0.5], [3.5, far]], [corner, right, it, below])), place];
}

/** Where the alignment pattern of the fourth corner can be: what looks like it around where it should be, the likest first. @param {Bits} bits @param {Place} place @param {number} middle @returns {Point[]} */
function fourth(bits, place, middle) {
  /** @type {{x: number, y: number, fits: number, count: number}[]} */
  const spots = [];
  for (let dy = -FOURTH_AWAY; dy <= FOURTH_AWAY; dy += 0.25) for (let dx = -FOURTH_AWAY; dx <= FOURTH_AWAY; dx += 0.25) {
    let fits = 0;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) fits += Number(isDark(bits, place(middle + dx + x, middle + dy + y)) === (Math.max(Math.abs(x), Math.abs(y)) !== 1));
    if (fits < 21) continue;
    const spot = spots.find((it) => Math.hypot(it.x - dx, it.y - dy) < 1);
    if (!spot || fits > spot.fits) {
      if (spot) Object.assign(spot, { x: dx, y: dy, fits, count: 1 });
      else spots.push({ x: dx, y: dy, fits, count: 1 });
    } else if (fits === spot.fits) {
      // The middle of what fits as well.
      spot.x += (dx - spot.x) / ++spot.count;
      spot.y += (dy - spot.y) / spot.count;
    }
  }
  const likest = spots.sort((one, two) => two.fits - one.fits || Math.hypot(one.x, one.y) - Math.hypot(two.x, two.y));
  return likest.slice(0, FOURTHS_MAX).map((it) => place(middle + it.x, middle + it.y));
}

/** The perspective that takes four points to four others. @param {number[][]} from @param {Point[]} to @returns {Place} */
function warp(from, to) {
  const rows = from.flatMap(([x, y], at) => [[x, y, 1, 0, 0, 0, -x * to[at].x, -y * to[at].x, to[at].x], [0, 0, 0, x, y, 1, -x * to[at].y, -y * to[at].y, to[at].y]]);
  for (let column = 0; column < 8; column++) {
    const pivot = rows.slice(column).reduce((best, row, at) => (Math.abs(row[column]) > Math.abs(rows[best][column]) ? column + at : best), column);
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (const [at, row] of rows.entries()) {
      if (at === column) continue;
      const part = row[column] / rows[column][column];
      for (let n = column; n < 9; n++) row[n] -= part * rows[column][n];
    }
  }
  const [a, b, c, d, e, f, g, h] = rows.map((row, at) => row[8] / row[at]);
  return (x, y) => {
    const depth = g * x + h * y + 1;
    return { x: (a * x + b * y + c) / depth, y: (d * x + e * y + f) / depth };
  };
}
