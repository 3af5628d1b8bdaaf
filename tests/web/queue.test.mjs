// The waiting room: drawn, checked, and gone into by itself, from any tab.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PHONE, launch, person, signIn } from "./browser.mjs";
import { theatre } from "./stage.mjs";

/** An opening is at least three seconds away when it is set. */
const OPENS_MILLIS = 18_000;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("who waits before the opening is drawn, checks the draw, and goes in by itself, whatever happens to the tab", async () => {
  const show = await theatre({ waitingRoom: { enabled: true, opensAt: new Date(Date.now() + OPENS_MILLIS).toISOString() } });
  const { page, context, errors } = await person(browser, { viewport: PHONE });
  await signIn(page, "waiter");
  await page.goto(`/shows/${show}`);
  await page.waitForURL(/\/queue$/);
  await page.getByText("You are in the draw").waitFor();
  await page.getByText("Is it fair?").click();
  await page.getByText("The secret is told once the doors are open.").waitFor();
  const place = await page.locator(".proof code").nth(1).textContent();
  assert.match(place, /^0-\d{13}-[0-9a-f]{32}$/);
  // A second tab and a reload have the same place.
  const second = await context.newPage();
  await second.goto(`/shows/${show}/queue`);
  await second.getByText("Is it fair?").click();
  await second.locator(".proof code").nth(1).waitFor();
  assert.equal(await second.locator(".proof code").nth(1).textContent(), place);
  await page.reload();
  await page.getByText("You are in the draw").waitFor();
  // The doors open: both tabs go in, and a seat can be held.
  await page.waitForURL(new RegExp(`/shows/${show}$`), { timeout: 60_000 });
  await second.waitForURL(new RegExp(`/shows/${show}$`), { timeout: 20_000 });
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/pay$/);
  assert.deepEqual(errors, []);
});

test("without an admission the map can be looked at, and a hold leads to the waiting room", async () => {
  const show = await theatre({ waitingRoom: { enabled: true, opensAt: new Date(Date.now() + 3_600_000).toISOString() } });
  const { page } = await person(browser);
  await signIn(page, "looker");
  await page.goto(`/shows/${show}?look=1`);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/queue$/);
  await page.getByText("The doors open in").waitFor();
});
