// From browsing to a ticket, with everything that can go wrong on the way.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PHONE, api, launch, person, signIn, token } from "./browser.mjs";
import { theatre } from "./stage.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Chooses a seat in the list view: words and buttons only, as somebody does who does not see the map. */
async function choose(page, seatId) {
  const [section, row, seat] = seatId.split(":");
  const list = page.getByRole("button", { name: "List" });
  if ((await list.getAttribute("aria-pressed")) !== "true") await list.click();
  const group = page.locator("details", { has: page.locator("summary b", { hasText: new RegExp(`^${section}$`, "i") }) });
  if (!(await group.evaluate((it) => it.open))) await group.locator("summary").click();
  await group.getByRole("group", { name: `Row ${row}` }).getByRole("button", { name: new RegExp(`^Seat ${seat},`) }).click();
}

async function holdOne(page, show, seatId) {
  await page.goto(`/shows/${show}`);
  await choose(page, seatId);
  await page.getByRole("button", { name: /^Hold (this seat|these)/ }).click();
  await page.waitForURL(/\/pay$/);
}

const pay = (page, card) => page.getByText(card).click().then(() => page.getByRole("button", { name: /^(Pay|Try again)/ }).click());

test("somebody finds a show, chooses two seats on the map, pays and has tickets", async () => {
  const { page, errors } = await person(browser);
  await signIn(page, "ada");
  await page.goto("/");
  await page.getByRole("searchbox").fill("monsoon");
  await page.locator(".event", { hasText: "The Monsoon Letters" }).first().click();
  await page.locator(".showing").first().click();
  await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.sections.every((it) => it.ready));
  for (const nth of [0, 1]) {
    // Where a free seat is on the screen is for the map to say; the click is a real one.
    const at = await page.evaluate((nth) => {
      const view = document.querySelector("canvas").view;
      const stalls = view.hall.byId.get("stalls");
      const premium = view.hall.categories.findIndex((it) => it.id === "premium");
      const at = [...stalls.states.keys()].filter((it) => stalls.states[it] === 0 && stalls.category[it] === premium)[nth];
      const box = view.canvas.getBoundingClientRect();
      return { x: box.x + stalls.x[at] * view.scale + view.x, y: box.y + stalls.y[at] * view.scale + view.y };
    }, nth);
    await page.mouse.click(at.x, at.y);
  }
  assert.equal(await page.locator(".tray li").count(), 2);
  await page.getByRole("button", { name: "Hold these 2 seats" }).click();
  await page.waitForURL(/\/pay$/);
  assert.match(await page.getByRole("timer").textContent(), /^(10:00|9:5\d)$/);
  await pay(page, "pays at once");
  await page.waitForURL(/paid=1/);
  await page.locator(".stub-card img").nth(1).waitFor();
  assert.equal(await page.locator(".stub-card img").count(), 2);
  await page.getByRole("button", { name: "Tickets as PDF" }).isEnabled();
  const opened = page.waitForEvent("popup");
  await page.locator("button:not([disabled])", { hasText: "Tickets as PDF" }).click();
  await (await opened).close();
  // And gives them back: what comes back is said before it happens.
  await page.getByRole("button", { name: "Cancel this booking" }).click();
  await page.getByText(/You get ₹3,600 back \(100 %\)/).waitFor();
  await page.getByRole("button", { name: "Cancel booking" }).click();
  await page.getByText(/has been given back/).waitFor();
  await page.goto("/bookings");
  await page.getByText("Cancelled").first().waitFor();
  assert.deepEqual(errors, []);
});

test("of two browsers that want one seat one gets it, and the other is told which is gone and offered another", async () => {
  const show = await theatre();
  const rival = await launch();
  after(() => rival.close());
  const people = await Promise.all([["grace", browser], ["ravi", rival]].map(async ([name, own]) => {
    const one = await person(own);
    await signIn(one.page, name);
    await one.page.goto(`/shows/${show}`);
    await choose(one.page, "stalls:F:10");
    await choose(one.page, "stalls:F:11");
    return one.page;
  }));
  await Promise.all(people.map((page) => page.getByRole("button", { name: "Hold these 2 seats" }).click()));
  const outcomes = await Promise.all(people.map((page) => Promise.race([page.waitForURL(/\/pay$/).then(() => "held"), page.getByText("taken a moment ago").waitFor().then(() => "lost")])));
  assert.deepEqual([...outcomes].sort(), ["held", "lost"]);
  const loser = people[outcomes.indexOf("lost")];
  await loser.getByText(/Row F · Seat 1[01]/).first().waitFor();
  await loser.getByText("Nothing is held or charged").waitFor();
  await loser.getByRole("button", { name: /^Find 2 like them/ }).click();
  await loser.waitForURL(/\/pay$/);
  await loser.getByText("Your 2 places are held").waitFor();
});

test("who changes their mind gives the seats back, and may choose again", async () => {
  const show = await theatre();
  const { page } = await person(browser);
  await signIn(page, "fickle");
  await holdOne(page, show, "stalls:G:5");
  await page.getByRole("button", { name: "Give the seats back" }).click();
  await page.getByRole("button", { name: "Give back", exact: true }).click();
  await page.getByRole("heading", { name: "The seats are back on sale" }).waitFor();
  await page.getByRole("link", { name: "Choose seats again" }).click();
  await page.waitForURL(new RegExp(show));
});

test("a declined card can be tried again, a bank can ask first, and three declines end the hold", async () => {
  const show = await theatre();
  const { page, errors } = await person(browser);
  await signIn(page, "unlucky");
  await holdOne(page, show, "stalls:H:8");
  await pay(page, "is declined");
  await page.getByText("You can try 2 more times.").waitFor();
  await page.waitForFunction(() => /^11:\d\d$/.test(document.querySelector(".digits").textContent), null, { timeout: 5000 });
  await pay(page, "the bank asks you first");
  await page.getByRole("button", { name: "Refuse" }).click();
  await page.waitForURL(/\/pay/);
  await page.getByText("You can try once more.").waitFor();
  await pay(page, "the bank asks you first");
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForURL(/paid=1/);
  await page.locator(".stub-card img").first().waitFor();

  await holdOne(page, show, "stalls:H:9");
  for (const words of ["You can try 2 more times.", "You can try once more.", "The payment did not work"]) {
    await pay(page, "has not enough money");
    await page.getByText(words).first().waitFor();
  }
  assert.deepEqual(errors, []);
});

test("on a phone, in German, the best seats are two taps away", async () => {
  const show = await theatre();
  const { page, errors } = await person(browser, { viewport: PHONE, language: "de", touch: true });
  await signIn(page, "jürgen");
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: /^Die besten 2/ }).tap();
  await page.waitForURL(/\/pay$/);
  await page.getByText("Ihre 2 Plätze sind reserviert").waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the phone");
  assert.deepEqual(errors, []);
});

test("what is chosen survives signing in, and a show's limit is explained", async () => {
  const show = await theatre({ maxSeatsPerBuyer: 2 });
  const { page } = await person(browser);
  await page.goto(`/shows/${show}`);
  await choose(page, "stalls:K:3");
  await choose(page, "stalls:K:4");
  await choose(page, "stalls:K:5");
  await page.getByText("2 places per person at this show.").first().waitFor();
  await page.getByRole("button", { name: "Hold these 2 seats" }).click();
  await page.getByRole("button", { name: /^grace/ }).click();
  await page.waitForURL(new RegExp(`/shows/${show}`));
  await page.getByRole("button", { name: "Hold these 2 seats" }).click();
  await page.waitForURL(/\/pay$/);
  await page.goto(`/shows/${show}`);
  await choose(page, "stalls:L:3");
  await page.getByRole("button", { name: "Hold this seat" }).click();
  await page.getByText("each person can have 2 places, and you have 2 already").waitFor();
});

test("a seat that somebody else holds is seen on the map within seconds", async () => {
  const show = await theatre();
  const { page } = await person(browser);
  await page.goto(`/shows/${show}`);
  await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.sections.every((it) => it.ready));
  const buyer = await token("quick");
  await api("POST", `/v1/shows/${show}/holds`, { token: buyer, key: "k1", body: { seatIds: ["balcony:B:6"] } });
  await page.waitForFunction(() => { const { hall } = document.querySelector("canvas").view; return hall.state(hall.find("balcony:B:6")) === 1; }, null, { timeout: 6000 });
});

test("places without seats are bought by number, beside seats", async () => {
  const show = await theatre({}, (plan) => { plan.zones[0].areas.push({ shape: "rectangle", rectangle: { width: 350, height: 60 }, position: { x: 0, y: 440 }, rotation: 0, name: "Standing", capacity: 40, category: "Balcony" }); });
  const { page, errors } = await person(browser);
  await signIn(page, "stander");
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: "More: Standing" }).click();
  await page.getByRole("button", { name: "More: Standing" }).click();
  await choose(page, "stalls:A:1");
  await page.getByRole("button", { name: "Hold these 3 seats" }).click();
  await page.waitForURL(/\/pay$/);
  await page.getByText("Standing × 2").waitFor();
  await pay(page, "pays at once");
  await page.locator(".stub-card img").nth(2).waitFor();
  assert.equal(await page.locator(".stub-card", { hasText: "Standing" }).count(), 2);
  assert.deepEqual(errors, []);
});
