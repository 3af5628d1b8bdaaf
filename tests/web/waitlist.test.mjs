// Before a sale and after it: codes that let some people in early, and names for what comes back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, launch, person, signIn, token } from "./browser.mjs";
import { buy, theatre } from "./stage.mjs";

const HOUR_MILLIS = 3_600_000;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("before the sale a code lets in whoever has it, and nobody else", async () => {
  const show = await theatre({ onSaleAt: new Date(Date.now() + 24 * HOUR_MILLIS).toISOString() });
  const organiser = await token("demo-organiser", ["organiser"]);
  await api("POST", `/v1/shows/${show}/codes`, { token: organiser, key: "codes", body: { codes: ["FAN-CLUB"], places: 2 } });
  const { page, errors } = await person(browser);
  await signIn(page, "fan");
  await page.goto(`/shows/${show}`);
  await page.getByText(/^Sales begin on/).waitFor();
  const best = page.getByRole("button", { name: /^Hold the best 2/ });
  await best.click();
  await page.getByText("Tickets are not on sale at this moment.").waitFor();
  await page.getByLabel("Presale code").fill("fan-clup");
  await best.click();
  await page.getByText("There is no such presale code").waitFor();
  await page.getByLabel("Presale code").fill("fan-club");
  await best.click();
  await page.waitForURL(/\/pay$/);
  const { codes } = await api("GET", `/v1/shows/${show}/codes`, { token: organiser });
  assert.equal(codes[0].left, 0);
  assert.deepEqual(errors, []);
});

/** A house of two seats in a row, both sold. */
async function soldOut() {
  const show = await theatre({}, (plan) => {
    plan.zones = [{ ...plan.zones[0], rows: [{ ...plan.zones[0].rows[0], seats: plan.zones[0].rows[0].seats.slice(0, 2) }] }];
    plan.categories.length = 1;
  });
  const sold = [];
  for (const seat of ["stalls:A:1", "stalls:A:2"]) sold.push(await buy(show, "zoe", [seat]));
  return { show, giveBack: () => sold[0].giveBack() };
}

test("at a sold-out show a name is put down, what comes back is offered in order, and paid for", async () => {
  const { show, giveBack } = await soldOut();
  const people = [];
  for (const name of ["first", "second"]) {
    const one = await person(browser);
    await signIn(one.page, `${name}-${process.pid}`);
    await one.page.goto(`/shows/${show}`);
    await one.page.getByText("Sold out", { exact: true }).waitFor();
    await one.page.getByRole("button", { name: /^Hold the best/ }).waitFor({ state: "hidden" });
    await one.page.getByLabel("How many together").selectOption("1");
    await one.page.getByRole("button", { name: "Put my name down" }).click();
    await one.page.getByText(`You are number ${people.length + 1}.`).waitFor();
    people.push(one);
  }
  const [first, second] = people.map((it) => it.page);
  // What instances remember of a show is over after three seconds: a name that is younger waits for the next minute.
  await first.waitForTimeout(3500);
  await giveBack();
  await first.getByText("Seats have come back for you").waitFor({ timeout: 20_000 });
  await second.getByText("You are number 1.").waitFor();
  await first.getByRole("link", { name: "Go on to pay" }).click();
  await first.getByText("Your seat is held").waitFor();
  await first.getByRole("button", { name: /^Pay/ }).click();
  await first.locator(".stub-card img").waitFor();
  // Who does not want to wait any longer goes, and a reload knows it.
  await second.getByRole("button", { name: "Take my name off" }).click();
  await second.getByRole("button", { name: "Put my name down" }).waitFor();
  await second.reload();
  await second.getByRole("button", { name: "Put my name down" }).waitFor();
  assert.deepEqual(people.map((it) => it.errors), [[], []]);
});
