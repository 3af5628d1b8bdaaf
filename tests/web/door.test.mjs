// At the door: let in once, with a network and without.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PHONE, URL_BASE, api, launch, person, signIn, token } from "./browser.mjs";
import { theatre } from "./stage.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Tickets that somebody bought, as their codes. */
async function tickets(show, seatIds) {
  const buyer = await token("guest");
  const booking = await api("POST", `/v1/shows/${show}/holds`, { token: buyer, key: String(Math.random()), body: { seatIds } });
  const { payment } = await api("POST", `/v1/bookings/${booking.bookingId}/confirm`, { token: buyer, body: {} });
  await fetch(`${URL_BASE}/sandbox/stripe/v1/payment_intents/${payment.intentId}/confirm`, { method: "POST", body: new URLSearchParams({ payment_method: "pm_card_visa", client_secret: payment.clientSecret }) });
  for (let tries = 0; tries < 100; tries++) {
    const answer = await api("GET", `/v1/bookings/${booking.bookingId}/tickets`, { token: buyer }).catch(() => null);
    if (answer) return { codes: answer.tickets.map((it) => it.code), cancel: () => api("DELETE", `/v1/bookings/${booking.bookingId}`, { token: buyer }) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no tickets");
}

async function scan(page, code, verdict) {
  await page.getByRole("textbox", { name: "Code of a ticket" }).fill(code);
  await page.getByRole("button", { name: "Check" }).click();
  await page.locator(`.verdict.${verdict}`).waitFor();
}

test("a ticket lets somebody in once, and what is no ticket never", async () => {
  const [show, other] = [await theatre(), await theatre()];
  const { codes } = await tickets(show, ["stalls:A:1", "stalls:A:2"]);
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
  const { codes } = await tickets(show, ["stalls:B:1", "stalls:B:2", "stalls:B:3"]);
  const back = await tickets(show, ["stalls:C:1"]);
  const { page, context } = await person(browser);
  await signIn(page, "usher", ["door"]);
  await page.goto(`/door/${show}`);
  await scan(page, codes[0], "admitted");
  await back.cancel();
  // The list of void tickets comes along while there is a network.
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  await page.reload();
  await page.waitForFunction(async (count) => {
    const database = await new Promise((resolve) => { const asked = indexedDB.open("usher-gate", 1); asked.onsuccess = () => resolve(asked.result); });
    const all = await new Promise((resolve) => { const asked = database.transaction("facts").objectStore("facts").getAll(); asked.onsuccess = () => resolve(asked.result); });
    database.close();
    return all.some((it) => it?.bookings?.length >= count);
  }, 1, { timeout: 30_000, polling: 500 });
  await context.setOffline(true);
  await page.getByText("this gate decides").waitFor();
  await scan(page, codes[0], "already-scanned");
  await scan(page, codes[1], "admitted");
  await page.getByText("decided here, without the network").first().waitFor();
  await scan(page, codes[1], "already-scanned");
  await scan(page, back.codes[0], "revoked");
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
