// A worker that finds a nonce: for "<challenge>:<nonce>" whose SHA-256 begins with so many zero bits. The page stays alive meanwhile.

const K = new Int32Array(64);
const START = new Int32Array(8);
// The constants are the first bits of roots of the first primes, as the standard (FIPS 180-4) says.
for (let number = 2, found = 0; found < 64; number++) {
  let prime = true;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) prime = false;
  if (!prime) continue;
  if (found < 8) START[found] = (Math.sqrt(number) % 1) * 4294967296;
  K[found++] = (Math.cbrt(number) % 1) * 4294967296;
}

const W = new Int32Array(64);

/** The first two words of the SHA-256 of ASCII text: more zero bits than 64 nobody asks for. @param {string} message @returns {[number, number]} */
export function digest(message) {
  const blocks = (message.length + 9 + 63) >> 6;
  const words = new Int32Array(blocks * 16);
  for (let at = 0; at < message.length; at++) words[at >> 2] |= message.charCodeAt(at) << (24 - 8 * (at & 3));
  words[message.length >> 2] |= 0x80 << (24 - 8 * (message.length & 3));
  words[blocks * 16 - 1] = message.length * 8;
  const state = Int32Array.from(START);
  for (let block = 0; block < blocks; block++) {
    for (let at = 0; at < 64; at++) {
      if (at < 16) W[at] = words[block * 16 + at];
      else {
        const [a, b] = [W[at - 15], W[at - 2]];
        W[at] = (W[at - 16] + ((a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3) + W[at - 7] + ((b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10)) | 0;
      }
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const one = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + ((e & f) ^ (~e & g)) + K[at] + W[at]) | 0;
      const two = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }
  return [state[0], state[1]];
}

/** @param {string} challenge @param {number} bits @returns {string} what to send */
export function solve(challenge, bits) {
  for (let nonce = 0; ; nonce++) {
    const proof = `${challenge}:${nonce.toString(16)}`;
    const [first, second] = digest(proof);
    if ((first === 0 ? 32 + Math.clz32(second) : Math.clz32(first)) >= bits) return proof;
  }
}

if ("WorkerGlobalScope" in globalThis) {
  addEventListener("message", ({ data }) => postMessage(solve(data.challenge, data.bits)));
}
