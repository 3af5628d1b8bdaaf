// At the door: let in once, with a network and without.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PHONE, api, launch, person, signIn, token } from "./browser.mjs";
import { buy, theatre } from "./stage.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** How many void bookings a gate knows of. */
const revoked = (page) => page.evaluate(async () => {
  const done = (asked) => new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); });
  const database = await done(indexedDB.open("usher-gate", 1));
  const all = await done(database.transaction("facts").objectStore("facts").getAll());
  database.close();
  return Math.max(0, ...all.map((it) => it?.bookings?.length ?? 0));
});

async function scan(page, code, verdict) {
  await page.getByRole("textbox", { name: "Code of a ticket" }).fill(code);
  await page.getByRole("button", { name: "Check" }).click();
  await page.locator(`.verdict.${verdict}`).waitFor();
}

test("a ticket lets somebody in once, and what is no ticket never", async () => {
  const [show, other] = [await theatre(), await theatre()];
  const codes = (await buy(show, "guest", ["stalls:A:1", "stalls:A:2"])).tickets.map((it) => it.code);
  const { page, errors } = await person(browser, { viewport: PHONE });
  await signIn(page, "usher", ["door"]);
  await page.goto(`/door/${show}`);
  await scan(page, codes[0], "admitted");
  await page.getByText("stalls · A · 1").first().waitFor();
  await scan(page, codes[0], "already-scanned");
  await scan(page, codes[1].toLowerCase(), "admitted");
  await scan(page, "https://example.com", "invalid");
  await scan(page, codes[1].slice(0, -6) + "AAAAAA", "invalid");
  await page.goto(`/door/${other}`);
  await scan(page, codes[0], "invalid");
  await page.getByText("another show").first().waitFor();
  assert.deepEqual(errors, []);
});

test("without a network the gate decides by itself, remembers across a restart, and tells the platform later", async () => {
  const show = await theatre();
  const codes = (await buy(show, "guest", ["stalls:B:1", "stalls:B:2", "stalls:B:3"])).tickets.map((it) => it.code);
  const back = await buy(show, "guest", ["stalls:C:1"]);
  const { page, context } = await person(browser);
  await signIn(page, "usher", ["door"]);
  await page.goto(`/door/${show}`);
  await scan(page, codes[0], "admitted");
  await back.giveBack();
  // The list of void tickets comes along while there is a network.
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  await page.reload();
  for (let tries = 0; (await revoked(page)) < 1; tries++) {
    assert.ok(tries < 60, "the list does not come");
    await page.waitForTimeout(500);
  }
  await context.setOffline(true);
  await page.getByText("this gate decides").waitFor();
  await scan(page, codes[0], "already-scanned");
  await scan(page, codes[1], "admitted");
  await page.getByText("decided here, without the network").first().waitFor();
  await scan(page, codes[1], "already-scanned");
  await scan(page, back.tickets[0].code, "revoked");
  // Switched off and on again, with no network: the page and what it knew are still there.
  await page.reload();
  await page.getByText("this gate decides").waitFor();
  await scan(page, codes[1], "already-scanned");
  await scan(page, codes[2], "admitted");
  await context.setOffline(false);
  await page.getByText("Connected", { exact: true }).waitFor({ timeout: 30_000 });
  const door = await token("usher", ["door"]);
  const { admitted } = await api("GET", `/v1/shows/${show}/scans`, { token: door });
  assert.equal(admitted, 3);
});

const [WIDTH, HEIGHT] = [640, 480];

/** A ticket as a camera sees it, held askew, under uneven light, a little blurred: the page's `picture`. */
const look = (page, svg, { turn = 0, tilt = 0, blur = 0, noise = 0, blot = 0 }) => page.evaluate(async ({ svg, width, height, turn, tilt, blur, noise, blot }) => {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const flat = new OffscreenCanvas(900, 900).getContext("2d");
  flat.fillStyle = "#fff";
  flat.fillRect(0, 0, 900, 900);
  flat.drawImage(image, 60, 60, 780, 780);
  const paper = flat.getImageData(0, 0, 900, 900).data;
  const sharp = new OffscreenCanvas(width, height).getContext("2d");
  const picture = sharp.createImageData(width, height);
  const [sine, cosine, side] = [Math.sin(turn), Math.cos(turn), 0.68 * Math.min(width, height)];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const [dx, dy] = [(x - width / 2) / side, (y - height / 2) / side];
    // The farther edge is smaller: a perspective.
    const depth = 1 + tilt * dy;
    const [u, v] = [(dx * cosine + dy * sine) / depth + 0.5, (dy * cosine - dx * sine) / depth + 0.5];
    const at = u >= 0 && v >= 0 && u < 1 && v < 1 ? paper[4 * (Math.floor(v * 900) * 900 + Math.floor(u * 900))] : 90;
    const isBlot = Math.hypot(u - 0.62, v - 0.55) < blot;
    const light = 0.55 + 0.45 * (x / width);
    const grey = 25 + (isBlot ? 160 : at) * light * 0.8 + (((x * 7919 + y * 104729) % 97) / 97 - 0.5) * noise;
    picture.data.set([grey, grey, grey, 255], 4 * (y * width + x));
  }
  sharp.putImageData(picture, 0, 0);
  const soft = new OffscreenCanvas(width, height).getContext("2d");
  soft.filter = `blur(${blur}px)`;
  soft.drawImage(sharp.canvas, 0, 0);
  globalThis.picture = soft.getImageData(0, 0, width, height);
}, { svg, width: WIDTH, height: HEIGHT, turn, tilt, blur, noise, blot });

test("a ticket is read from a picture however it is held, and nothing is read where there is none", async () => {
  const show = await theatre();
  const { tickets: [{ code, svg }] } = await buy(show, "guest", ["stalls:D:1"]);
  const { page } = await person(browser);
  await page.goto("/door");
  const read = () => page.evaluate(async () => {
    const { read } = await import("/js/qr/find.js");
    const began = performance.now();
    return { text: read(globalThis.picture), millis: performance.now() - began };
  });
  const held = [{}, { turn: 0.2 }, { turn: 1.1, noise: 20 }, { turn: Math.PI, blur: 0.8 }, { turn: -0.6, tilt: 0.15, noise: 20, blur: 0.6 }, { tilt: -0.25, noise: 30 }, { turn: 0.1, blot: 0.09 }, { turn: 2.5, tilt: 0.2, blur: 1 }];
  const times = [];
  for (const how of held) {
    await look(page, svg, how);
    const { text, millis } = await read();
    assert.equal(text, code, JSON.stringify(how));
    times.push(millis);
  }
  await page.evaluate(() => globalThis.picture.data.forEach((_, at, data) => { data[at] = Math.imul(at, 2654435761) >>> 24; }));
  const nothing = await read();
  assert.equal(nothing.text, null);
  console.log(`# a ticket is read from a picture in ${Math.round(Math.max(...times))} ms at most, noise is given up in ${Math.round(nothing.millis)} ms`);
});

test("a ticket that is held before the camera lets somebody in, once", async () => {
  const show = await theatre();
  const { tickets: [{ svg }] } = await buy(show, "guest", ["stalls:D:5"]);
  const artist = await person(browser);
  await artist.page.goto("/door");
  await look(artist.page, svg, { turn: 0.3, tilt: 0.1, noise: 15, blur: 0.5 });
  const grey = Buffer.from(await artist.page.evaluate(() => { let text = ""; for (let at = 0; at < globalThis.picture.data.length; at += 4) text += String.fromCharCode(globalThis.picture.data[at]); return btoa(text); }), "base64");
  const folder = mkdtempSync(join(tmpdir(), "usher-camera-"));
  const film = join(folder, "ticket.y4m");
  // One frame, over and over: grey as it is, and no colour.
  writeFileSync(film, Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\nFRAME\n`), grey, Buffer.alloc((WIDTH * HEIGHT) / 2, 128)]));
  const gate = await launch([`--use-file-for-fake-video-capture=${film}`]);
  try {
    const { page, errors } = await person(gate, { viewport: PHONE });
    await signIn(page, "usher", ["door"]);
    await page.goto(`/door/${show}`);
    await page.getByRole("button", { name: "Use the camera" }).click();
    await page.locator(".verdict.admitted").waitFor();
    await page.getByText("stalls · D · 5").first().waitFor();
    // It stays before the camera: that is one scan, however long.
    await page.waitForTimeout(5000);
    await page.locator(".verdict.admitted").waitFor();
    assert.equal((await api("GET", `/v1/shows/${show}/scans`, { token: await token("usher", ["door"]) })).admitted, 1);
    assert.deepEqual(errors, []);
  } finally {
    await gate.close();
    rmSync(folder, { recursive: true });
  }
});
