// What needs no browser: money as people type it, clocks on walls, tickets.

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";

const { minor, moment, typed } = await import("../../web/js/times.js");
const { verify } = await import("../../web/js/ticket.js");

test("money is read as people type it, in any manner, and never through a fraction", () => {
  const cases = [["12", "EUR", 1200], ["12.5", "EUR", 1250], ["12,50", "EUR", 1250], ["1,234.50", "USD", 123_450], ["1.234,50", "EUR", 123_450], ["1 234,50", "EUR", 123_450], ["500", "JPY", 500], ["0.29", "EUR", 29], ["1,089.00", "EUR", 108_900], ["19.99", "EUR", 1999], ["1,000", "INR", 100_000], ["1,00,000.50", "INR", 10_000_050], ["70.001", "JPY", 70_001]];
  for (const [text, currency, wanted] of cases) assert.equal(minor(text, currency), wanted, text);
  for (const text of ["", "abc", "-5", "0", "1.2.3x", "12.345.", "."]) assert.equal(minor(text, "EUR"), null, text);
  assert.equal(minor("12.5", "JPY"), null, "yen have no parts");
  assert.equal(typed(108_900, "EUR"), "1089.00");
  assert.equal(typed(5, "EUR"), "0.05");
});

test("a clock on a wall in a zone is one moment, across changes of the clock", () => {
  assert.equal(moment("2031-05-04T19:30", "Europe/Vienna"), "2031-05-04T17:30:00.000Z");
  assert.equal(moment("2031-01-04T19:30", "Europe/Vienna"), "2031-01-04T18:30:00.000Z");
  assert.equal(moment("2031-05-04T19:30", "Asia/Kolkata"), "2031-05-04T14:00:00.000Z");
  assert.equal(moment("2030-03-31T01:30", "Europe/Vienna"), "2030-03-31T00:30:00.000Z");
  assert.equal(moment("2030-03-31T03:00", "Europe/Vienna"), "2030-03-31T01:00:00.000Z");
  assert.equal(moment("2031-12-31T23:59", "Pacific/Auckland"), "2031-12-31T10:59:00.000Z");
});

/** A ticket as the platform makes it, by the rules in shared/domain/src/ticket.rs. */
function ticket(privateKey, raw, keyId, seat = "stalls:A:1") {
  const payload = Buffer.concat([keyId, Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.from([0, 1, 83]), Buffer.from(seat)]);
  const signature = sign(null, Buffer.concat([Buffer.from("USHER1."), payload]), privateKey);
  let text = "";
  let [held, bits] = [0, 0];
  for (const byte of Buffer.concat([payload, signature])) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) { bits -= 5; text += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(held >> bits) & 31]; held &= (1 << bits) - 1; }
  }
  if (bits) text += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(held << (5 - bits)) & 31];
  return `USHER1.${text}`;
}

test("a ticket is verified with the public key alone, and any other letter makes it none", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const keyId = Buffer.from(await crypto.subtle.digest("SHA-256", raw)).subarray(0, 4);
  const code = ticket(privateKey, raw, keyId);
  const keys = [raw.toString("hex")];
  assert.deepEqual(await verify(code, keys), { claim: { booking: `bkg_${"01".repeat(16)}`, show: `shw_${"02".repeat(16)}`, issue: 1, seatId: "stalls:A:1" } });
  assert.deepEqual(await verify(` ${code.toLowerCase()} `, keys), await verify(code, keys), "as a hand scanner may type it");
  assert.deepEqual(await verify(code, ["00".repeat(32)]), { bad: "other-key" });
  assert.deepEqual(await verify("https://example.com", keys), { bad: "malformed" });
  for (let at = 20; at < code.length - 1; at += 17) {
    const other = code.slice(0, at) + (code[at] === "A" ? "B" : "A") + code.slice(at + 1);
    assert.ok("bad" in (await verify(other, keys)), `letter ${at}`);
  }
});

const { createHash, createHmac } = await import("node:crypto");
const { digest, solve } = await import("../../web/js/work.js");
const { check, isServed, placeHash, turn } = await import("../../web/js/draw.js");

test("the machine's work is SHA-256 as everybody computes it", () => {
  for (const length of [0, 1, 3, 54, 55, 56, 63, 64, 65, 119, 120, 200]) {
    const text = "a1:".repeat(100).slice(0, length);
    const wanted = createHash("sha256").update(text).digest();
    assert.deepEqual(digest(text).map((word) => word >>> 0), [wanted.readUInt32BE(0), wanted.readUInt32BE(4)], `${length}`);
  }
  const proof = solve("1795359900123.12.5f0c", 12);
  assert.match(proof, /^1795359900123\.12\.5f0c:[0-9a-f]{1,32}$/);
  assert.equal(createHash("sha256").update(proof).digest().readUInt32BE(0) >>> 20, 0);
});

test("the draw is computed as the platform promises, and any lie about it is seen", async () => {
  const [show, user, secret] = ["shw_1", "ada", "a secret of forty-three letters or so"];
  const hash = createHash("sha256").update(`usher place\n${show}\n${user}`).digest("hex").slice(0, 32);
  const drawn = createHmac("sha256", secret).update(hash).digest("hex").slice(0, 32);
  const commitment = createHash("sha256").update(secret).digest("hex");
  const place = `0-1795359600123-${hash}`;
  assert.equal(await placeHash(show, user), hash);
  assert.equal(await turn(place, secret), `0-0000000000000-${drawn}`);
  assert.equal(await turn(place, null), null, "nothing is known before the opening");
  assert.equal(await turn("1-1795359600999-ff", null), "1-1795359600999-ff");
  assert.equal(await isServed(place, secret, `0-0000000000000-${drawn}`), true);
  assert.equal(await isServed(place, secret, "0-0000000000000-"), false);
  assert.equal(await isServed(place, null, "1-9999999999999-ff"), false);
  assert.equal(await isServed("1-1795359600999-ff", secret, "0-9999999999999-ff"), false, "the draw comes first");
  assert.deepEqual(await check({ commitment, secret }, show, user, place, commitment), { kept: true, secret: true, own: true, turn: `0-0000000000000-${drawn}` });
  assert.deepEqual(await check({ commitment, secret: "another" }, show, "eve", place, "00"), { kept: false, secret: false, own: false, turn: await turn(place, "another") });
});
