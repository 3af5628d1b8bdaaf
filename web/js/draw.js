// The draw of a waiting room, computed in the reader's own browser: nobody has to believe us.
//
// The commitment is SHA-256 of the secret's text. A buyer at a show is the first 32 digits of SHA-256 of "usher place\n<show>\n<user>", the last part
// of their place; what is drawn for them is the first 32 digits of HMAC-SHA256, under the secret's text, of those 32 digits.

const text = new TextEncoder();
/** @param {ArrayBuffer} buffer */
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} message */
export const sha256 = async (message) => hex(await crypto.subtle.digest("SHA-256", text.encode(message)));

/** @param {string} secret @param {string} message */
async function hmac(secret, message) {
  const key = await crypto.subtle.importKey("raw", text.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, text.encode(message)));
}

/** The end of a buyer's place at a show. @param {string} show @param {string} user */
export const placeHash = async (show, user) => (await sha256(`usher place\n${show}\n${user}`)).slice(0, 32);

/**
 * When a place's turn is, as text that compares with `serving`; null while it is not drawn yet.
 * @param {string} place @param {string | null} secret
 */
export async function turn(place, secret) {
  if (!place.startsWith("0-")) return place;
  return secret ? `0-0000000000000-${(await hmac(secret, place.split("-").at(-1) ?? "")).slice(0, 32)}` : null;
}

/** @param {string} place @param {string | null} secret @param {string} serving */
export async function isServed(place, secret, serving) {
  const own = await turn(place, secret);
  return own !== null && own <= serving;
}

/**
 * Everything that can be checked, each with its outcome: the secret is the one that was promised before the opening, the place is this person's, and their turn.
 * @param {{commitment: string, secret: string | null}} room @param {string} show @param {string} user @param {string} place @param {string} promised the commitment as it was seen before
 */
export async function check(room, show, user, place, promised) {
  return {
    kept: !promised || promised === room.commitment,
    secret: room.secret === null ? null : (await sha256(room.secret)) === room.commitment,
    own: place.split("-").at(-1) === (await placeHash(show, user)),
    turn: await turn(place, room.secret),
  };
}
