// From the modules of a QR code to its text (ISO/IEC 18004), errors corrected. Up to version 20: a ticket is smaller.

/** By version from 1, for the levels L, M, Q, H: check words of a block, and how many blocks there are. */
const CHECK_WORDS = [
  [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28],
  [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26],
  [13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30],
  [17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28],
];
const BLOCKS = [
  [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8],
  [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16],
  [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20],
  [1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25],
];
export const VERSION_MAX = BLOCKS[0].length;
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
/** Wrong bits of the format that are put right. */
const FORMAT_ERRORS_MAX = 3;

/** Powers of 2 in the field of 256, and their logarithms. */
const POWER = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let at = 0, value = 1; at < 255; at++) {
  POWER[at] = POWER[at + 255] = value;
  LOG[value] = at;
  value = (value << 1) ^ (value & 128 ? 0x11d : 0);
}
const times = (/** @type {number} */ a, /** @type {number} */ b) => (a && b ? POWER[LOG[a] + LOG[b]] : 0);
const over = (/** @type {number} */ a, /** @type {number} */ b) => (a ? POWER[LOG[a] + 255 - LOG[b]] : 0);

/** @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0, (_x, y) => y % 2 === 0, (x) => x % 3 === 0, (x, y) => (x + y) % 3 === 0,
  (x, y) => ((x / 3 | 0) + (y / 2 | 0)) % 2 === 0, (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** Where the middles of alignment patterns are, along each side. @param {number} version @returns {number[]} */
export function alignments(version) {
  if (version === 1) return [];
  const count = (version / 7 | 0) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, at) => version * 4 + 10 - (count - 2 - at) * step)];
}

/** @typedef {(x: number, y: number) => boolean} Modules dark or not, from the corner without a square's opposite */

/** The text of a code. @param {Modules} dark @param {number} version @returns {string | null} null where it is none, or too dirty */
export function decode(dark, version) {
  const format = formatOf(dark, version);
  if (!format) return null;
  const words = wordsOf(dark, version, format.mask);
  const data = blocksOf(words, version, format.level);
  return data && textOf(data, version);
}

/** Level and mask, from whichever copy of them is cleaner. @param {Modules} dark @param {number} version */
function formatOf(dark, version) {
  const last = version * 4 + 16;
  let [one, two] = [0, 0];
  for (let at = 0; at < 15; at++) {
    const first = at < 6 ? dark(8, at) : at === 6 ? dark(8, 7) : at === 7 ? dark(8, 8) : at === 8 ? dark(7, 8) : dark(14 - at, 8);
    const second = at < 8 ? dark(last - at, 8) : dark(8, last - 14 + at);
    one |= Number(first) << at;
    two |= Number(second) << at;
  }
  let best = { errors: FORMAT_ERRORS_MAX + 1, level: 0, mask: 0 };
  for (let said = 0; said < 32; said++) {
    let rest = said;
    for (let bit = 0; bit < 10; bit++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    const wanted = ((said << 10) | rest) ^ 0x5412;
    const errors = Math.min(ones(wanted ^ one), ones(wanted ^ two));
    if (errors < best.errors) best = { errors, level: [1, 0, 3, 2][said >> 3], mask: said & 7 };
  }
  return best.errors > FORMAT_ERRORS_MAX ? null : best;
}

/** @param {number} bits */
function ones(bits) {
  let count = 0;
  for (; bits; bits &= bits - 1) count++;
  return count;
}

/** Whether a module belongs to the code's frame and tells nothing. @param {number} version @returns {Modules} */
function frame(version) {
  const size = version * 4 + 17;
  const middles = alignments(version);
  const isCorner = (/** @type {number} */ x, /** @type {number} */ y) => (x < 9 && y < 9) || (x < 9 && y >= size - 8) || (x >= size - 8 && y < 9);
  return (x, y) => {
    if (isCorner(x, y) || x === 6 || y === 6) return true;
    if (version >= 7 && ((x < 6 && y >= size - 11) || (y < 6 && x >= size - 11))) return true;
    const [ax, ay] = [middles.find((it) => Math.abs(it - x) <= 2), middles.find((it) => Math.abs(it - y) <= 2)];
    if (ax === undefined || ay === undefined) return false;
    // None where a square is.
    return !((ax === 6 && ay === 6) || (ax === 6 && ay === size - 7) || (ax === size - 7 && ay === 6));
  };
}

/** In zigzag, two columns at a time, from the right. @param {Modules} dark @param {number} version @param {number} mask */
function wordsOf(dark, version, mask) {
  const size = version * 4 + 17;
  const isFrame = frame(version);
  /** @type {number[]} */
  const words = [];
  let [bits, held, up] = [0, 0, true];
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (isFrame(x, y)) continue;
        held = (held << 1) | Number(dark(x, y) !== MASKS[mask](x, y));
        if (++bits % 8 === 0) { words.push(held & 255); held = 0; }
      }
    }
    up = !up;
  }
  return words;
}

/** Takes the blocks apart, mends each, and puts their data together. @param {number[]} words @param {number} version @param {number} level @returns {number[] | null} */
function blocksOf(words, version, level) {
  const check = CHECK_WORDS[level][version - 1];
  const count = BLOCKS[level][version - 1];
  const short = words.length / count | 0;
  const shorts = count - (words.length % count);
  /** @type {number[][]} */
  const blocks = Array.from({ length: count }, () => []);
  let at = 0;
  for (let place = 0; place <= short - check; place++) for (let block = place === short - check ? shorts : 0; block < count; block++) blocks[block].push(words[at++]);
  for (let place = 0; place < check; place++) for (const block of blocks) block.push(words[at++]);
  const whole = blocks.every((block) => mend(block, check));
  return whole ? blocks.flatMap((block) => block.slice(0, -check)) : null;
}

/** Puts a block right where that can be done (Berlekamp and Massey, Chien, Forney). @param {number[]} block @param {number} check */
function mend(block, check) {
  const syndromes = Array.from({ length: check }, (_, at) => block.reduce((sum, word) => times(sum, POWER[at]) ^ word, 0));
  if (syndromes.every((it) => it === 0)) return true;
  const locator = locate(syndromes);
  const errors = locator.length - 1;
  if (errors > check / 2) return false;
  const evaluator = Array.from({ length: errors }, (_, at) => locator.slice(0, at + 1).reduce((sum, it, back) => sum ^ times(it, syndromes[at - back]), 0));
  let found = 0;
  for (let at = 0; at < block.length; at++) {
    const power = block.length - 1 - at;
    const inverse = POWER[(255 - power) % 255];
    if (value(locator, inverse) !== 0) continue;
    found += 1;
    // The derivative has the odd terms alone.
    const slope = value(locator.map((it, power) => (power % 2 ? it : 0)).slice(1), inverse);
    if (!slope) return false;
    block[at] ^= over(times(value(evaluator, inverse), POWER[power]), slope);
  }
  return found === errors;
}

/** The polynomial whose zeros are where the errors are, lowest power first. @param {number[]} syndromes */
function locate(syndromes) {
  let [locator, before, gap, last] = [[1], [1], 1, 1];
  for (let at = 0, errors = 0; at < syndromes.length; at++) {
    const off = locator.reduce((sum, it, back) => sum ^ times(it, syndromes[at - back] ?? 0), 0);
    if (off === 0) { gap++; continue; }
    const next = Array.from({ length: Math.max(locator.length, before.length + gap) }, (_, power) => (locator[power] ?? 0) ^ times(over(off, last), before[power - gap] ?? 0));
    if (2 * errors <= at) [before, last, errors, gap] = [locator, off, at + 1 - errors, 1];
    else gap++;
    locator = next;
  }
  while (locator.length > 1 && locator.at(-1) === 0) locator.pop();
  return locator;
}

/** @param {number[]} polynomial lowest power first @param {number} x */
const value = (polynomial, x) => polynomial.reduceRight((sum, it) => times(sum, x) ^ it, 0);

/** @param {number[]} data @param {number} version @returns {string | null} */
function textOf(data, version) {
  let at = 0;
  const left = () => data.length * 8 - at;
  const take = (/** @type {number} */ count) => {
    let bits = 0;
    for (; count > 0; count--, at++) bits = (bits << 1) | ((data[at >> 3] >> (7 - (at & 7))) & 1);
    return bits;
  };
  const wide = version >= 10;
  /** @type {number[]} */
  const bytes = [];
  const letters = (/** @type {string} */ text) => { for (const letter of text) bytes.push(letter.charCodeAt(0)); };
  while (left() >= 4) {
    const mode = take(4);
    if (mode === 0) break;
    if (mode === 1) {
      let count = take(wide ? 12 : 10);
      for (; count > 0; count -= 3) letters(String(take([0, 4, 7, 10][Math.min(3, count)])).padStart(Math.min(3, count), "0"));
    } else if (mode === 2) {
      let count = take(wide ? 11 : 9);
      for (; count > 1; count -= 2) { const pair = take(11); letters(LETTERS[pair / 45 | 0] + LETTERS[pair % 45]); }
      if (count) letters(LETTERS[take(6)]);
    } else if (mode === 4) {
      for (let count = take(wide ? 16 : 8); count > 0; count--) bytes.push(take(8));
    } else if (mode === 7) take(8);
    else return null;
    if (left() < 0) return null;
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
