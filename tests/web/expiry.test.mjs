// A hold whose time runs out while somebody looks at it, on a platform whose holds last seconds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

process.env.USHER_URL = process.env.USHER_HASTY_URL ?? process.env.USHER_URL;
const { launch, person, signIn } = await import("./browser.mjs");
const { theatre } = await import("./stage.mjs");

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("a hold that nobody pays ends when its clock says so, and its seats are had again", { skip: !process.env.USHER_HASTY_URL }, async () => {
  const show = await theatre();
  const { page, errors } = await person(browser);
  await signIn(page, "slow");
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/pay$/);
  assert.match(await page.getByRole("timer").textContent(), /^0:0\d$/);
  await page.getByRole("heading", { name: "Your time is up" }).waitFor();
  await page.getByRole("link", { name: "Choose seats again" }).click();
  // The same person's seats come back to them: an overdue hold is in nobody's way.
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/pay$/);
  await page.getByText("Your 2 places are held").waitFor();
  assert.deepEqual(errors, []);
});

test("who pays after the time is told that nothing was charged", { skip: !process.env.USHER_HASTY_URL }, async () => {
  const show = await theatre();
  const { page } = await person(browser);
  await signIn(page, "slower");
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/pay$/);
  const address = page.url();
  await page.waitForTimeout(7000);
  await page.goto(address);
  await page.getByRole("heading", { name: "Your time is up" }).waitFor();
  await page.getByText("nothing was charged").first().waitFor();
});
