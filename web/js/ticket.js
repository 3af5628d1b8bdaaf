// What a ticket's code says, and whether it is genuine, with a public key and no network. The format is written down in shared/domain/src/ticket.rs.

const PREFIX = "USHER1.";
const CODE_CHARS_MAX = 400;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const KEY_ID_BYTES = 4;
const ID_BYTES = 16;
const SIGNATURE_BYTES = 64;

/** @typedef {{booking: string, show: string, issue: number, seatId?: string, areaId?: string, number?: number}} Claim */

/** RFC 4648 without padding; null for what is not. @param {string} text @returns {Uint8Array<ArrayBuffer> | null} */
function base32(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [bits, held, at] = [0, 0, 0];
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return null;
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 255;
      held &= (1 << bits) - 1;
    }
  }
  // Bits that are left over must be none: a code has one spelling.
  return held === 0 && bits < 5 ? bytes : null;
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** Whether this browser can verify by itself. */
export async function canVerify() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

/**
 * What a code says, if one of these keys signed it.
 * @param {string} code @param {string[]} keys public keys, hexadecimal
 * @returns {Promise<{claim: Claim} | {bad: "malformed" | "other-key" | "forged"}>}
 */
export async function verify(code, keys) {
  const text = code.trim().toUpperCase();
  const bytes = text.length <= CODE_CHARS_MAX && text.startsWith(PREFIX) ? base32(text.slice(PREFIX.length)) : null;
  if (!bytes || bytes.length < KEY_ID_BYTES + 2 * ID_BYTES + 3 + SIGNATURE_BYTES) return { bad: "malformed" };
  const payload = bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
  const signature = bytes.subarray(bytes.length - SIGNATURE_BYTES);
  const named = hex(payload.subarray(0, KEY_ID_BYTES));
  for (const key of keys) {
    const raw = unhex(key);
    const id = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw)).subarray(0, KEY_ID_BYTES));
    if (id !== named) continue;
    const imported = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    const message = new Uint8Array(PREFIX.length + payload.length);
    message.set(new TextEncoder().encode(PREFIX));
    message.set(payload, PREFIX.length);
    const genuine = await crypto.subtle.verify("Ed25519", imported, signature, message);
    const claim = genuine ? read(payload.subarray(KEY_ID_BYTES)) : null;
    return claim ? { claim } : { bad: genuine ? "malformed" : "forged" };
  }
  return { bad: "other-key" };
}

/** @param {Uint8Array} bytes @returns {Claim | null} */
function read(bytes) {
  const booking = `bkg_${hex(bytes.subarray(0, ID_BYTES))}`;
  const show = `shw_${hex(bytes.subarray(ID_BYTES, 2 * ID_BYTES))}`;
  const issue = bytes[32] * 256 + bytes[33];
  const rest = bytes.subarray(35);
  const text = new TextDecoder();
  if (bytes[34] === 83) return { booking, show, issue, seatId: text.decode(rest) };
  if (bytes[34] !== 65 || rest.length < 5) return null;
  const number = ((rest[0] << 24) | (rest[1] << 16) | (rest[2] << 8) | rest[3]) >>> 0;
  return { booking, show, issue, areaId: text.decode(rest.subarray(4)), number };
}
