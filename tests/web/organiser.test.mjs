// From a file to a sold-out house, and to one that is called off.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { api, launch, person, signIn, token } from "./browser.mjs";
import { plan, settle, theatre } from "./stage.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const file = (name, document) => ({ name, mimeType: "application/json", buffer: Buffer.from(typeof document === "string" ? document : JSON.stringify(document)) });

test("an organiser drags a plan in, mends what is wrong with it, and sells", async () => {
  const { page, errors } = await person(browser);
  await signIn(page, "impresario", ["organiser"]);
  await page.goto("/organise/new");
  await page.getByLabel("Name of the house").fill("Opera");
  await page.getByLabel("City").first().fill("Wien");
  await page.getByLabel("Time zone").fill("Europe/Vienna");
  const input = page.locator("#plan-file");
  await input.setInputFiles(file("broken.json", "{"));
  await page.getByText("broken.json is not JSON").waitFor();
  const faulty = plan();
  faulty.zones[0].rows[2].seats[4].category = "Loge";
  faulty.zones[1].rows[0].seats[1].seat_guid = faulty.zones[1].rows[0].seats[0].seat_guid;
  await input.setInputFiles(file("plan.json", faulty));
  await page.getByText("210 seats in 2 sections").first().waitFor();
  await page.getByRole("button", { name: "Use this house" }).click();
  await page.getByText("The plan has 2 faults").waitFor();
  await page.getByText("Zone 1 · row 3 · seat 5").waitFor();
  await page.getByText("Zone 2 · row 1 · seat 2").waitFor();
  await page.getByRole("button", { name: "Show on the map" }).first().click();
  await input.setInputFiles(file("plan.json", plan()));
  await page.getByRole("button", { name: "Use this house" }).click();
  await page.getByText("Opera, Wien").waitFor();
  await page.getByLabel("Title").fill("Die Fledermaus");
  await page.getByLabel("Begins").fill("2031-05-04T19:30");
  await page.getByLabel("Currency").selectOption("EUR");
  await page.getByLabel("Stalls").fill("abc");
  await page.getByLabel("Balcony").fill("19,50");
  await page.getByRole("button", { name: "Put on sale" }).click();
  await page.getByText("An amount such as 12.50").waitFor();
  await page.getByLabel("Stalls").fill("1,089.00");
  await page.getByRole("button", { name: "Put on sale" }).click();
  await page.getByText("Published.").waitFor();
  const showId = new URL(page.url()).pathname.split("/").at(-1);
  const show = await api("GET", `/v1/shows/${showId}`);
  assert.equal(show.startsAt, "2031-05-04T17:30:00Z", "half past seven in Vienna in May");
  assert.deepEqual(show.prices.map((it) => [it.category, it.price.amountMinor, it.price.currency]), [["balcony", 1950, "EUR"], ["stalls", 108_900, "EUR"]]);
  await page.getByRole("link", { name: "See it as buyers do" }).click();
  await page.getByText("7:30").first().waitFor();
  assert.deepEqual(errors, []);
});

test("a plan that is too large for a call is put beside it", async () => {
  const { page, errors } = await person(browser);
  await signIn(page, "impresario", ["organiser"]);
  await page.goto("/organise/new");
  await page.getByLabel("Name of the house").fill("Arena");
  await page.getByLabel("City").first().fill("Wien");
  await page.getByLabel("Time zone").fill("Europe/Vienna");
  const row = (name) => ({ row_number: String(name), position: { x: 0, y: name * 30 }, seats: Array.from({ length: 70 }, (_, seat) => ({ seat_guid: `${name}-${seat}`, seat_number: String(seat + 1), position: { x: seat * 25, y: 0 }, category: "Stalls" })) });
  const rows = (first) => Array.from({ length: 60 }, (_, at) => row(first + at));
  const arena = { ...plan(), zones: [0, 1, 2].map((at) => ({ name: `Block ${at + 1}`, position: { x: at * 1900, y: 0 }, rows: rows(at * 60), areas: [] })) };
  assert.ok(JSON.stringify(arena).length > 1024 * 1024);
  const calls = [];
  page.on("request", (request) => { if (["POST", "PUT"].includes(request.method())) calls.push({ way: `${request.method()} ${new URL(request.url()).pathname.replace(/uploads\/.*/, "uploads/…")}`, request }); });
  // The line breaks once.
  let broken = false;
  await page.route("**/dev/uploads/**", (route) => {
    if (broken) return route.continue();
    broken = true;
    return route.abort("connectionreset");
  });
  await page.locator("#plan-file").setInputFiles(file("arena.json", arena));
  await page.getByText("12,600 seats in 3 sections").first().waitFor();
  await page.getByRole("button", { name: "Use this house" }).click();
  await page.getByText("Arena, Wien").waitFor();
  assert.deepEqual(calls.map(({ way }) => way), ["POST /v1/plan-uploads", "PUT /dev/uploads/…", "PUT /dev/uploads/…", "POST /v1/venues"]);
  assert.ok(!calls[1].request.headers().authorization, "the address is all that is shown there");
  assert.ok(calls[3].request.postData().length < 1024);
  assert.deepEqual(errors.filter((it) => !/ERR_CONNECTION_RESET/.test(it)), []);
});

test("the board fills up as people buy, pauses and opens, blocks seats, exports, and calls the show off", async () => {
  const showId = await theatre();
  const { page, errors } = await person(browser);
  await signIn(page, "demo-organiser", ["organiser"]);
  await page.goto(`/organise/shows/${showId}`);
  const figure = (name, value) => page.locator(".figures div", { hasText: name }).locator("dd", { hasText: value }).waitFor();
  await figure("Sold", "0");
  const buyer = await token("collector");
  const booking = await api("POST", `/v1/shows/${showId}/holds`, { token: buyer, key: "b1", body: { seatIds: ["stalls:A:1", "stalls:A:2"] } });
  await figure("Being paid", "2");
  await settle(booking, buyer);
  await figure("Sold", "2");
  await figure("Taken", "₹1,800");
  await page.locator(".chart .line").waitFor();
  // Two house seats.
  await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.sections.every((it) => it.ready));
  await page.evaluate(() => { const { view } = document.querySelector("canvas"); for (const id of ["stalls:C:7", "stalls:C:8"]) view.options.pick(view.hall.find(id)); });
  await page.getByRole("button", { name: "Block these 2 seats" }).click();
  await figure("Blocked", "2");
  await page.getByRole("button", { name: "Pause sales" }).click();
  await page.locator(".state", { hasText: "Paused" }).waitFor();
  await page.getByRole("button", { name: "Open sales" }).click();
  await page.locator(".state", { hasText: "On sale" }).waitFor();
  for (const [name, wanted] of [["Sales (CSV)", /Stalls,180,2,/], ["Ledger (CSV)", /captured/]]) {
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    assert.match(readFileSync(await (await download).path(), "utf8"), wanted);
  }
  await page.getByRole("button", { name: "Cancel the show…" }).click();
  await page.getByText("2 sold and held seats lose their tickets").waitFor();
  await page.getByText("₹1,800 goes back in full").waitFor();
  assert.ok(await page.getByRole("button", { name: "Cancel the show", exact: true }).isDisabled());
  await page.getByRole("textbox", { name: /to confirm/ }).fill("A test of patience");
  await page.getByRole("button", { name: "Cancel the show", exact: true }).click();
  await page.locator(".state", { hasText: "Cancelled" }).waitFor();
  await page.getByText(/being called off|is called off/).waitFor();
  assert.deepEqual(errors, []);
});

test("somebody else's show is not there", async () => {
  const showId = await theatre();
  const { page } = await person(browser);
  await signIn(page, "stranger", ["organiser"]);
  await page.goto(`/organise/shows/${showId}`);
  await page.getByText("There is nothing here").waitFor();
});

test("whoever publishes finds it again in any browser, with the house to sell once more", async () => {
  const name = `manager-${process.pid}`;
  const organiser = await token(name, ["organiser"]);
  const { venueId, categories } = await api("POST", "/v1/venues", { token: organiser, body: { name: "Kuppelsaal", city: "Hannover", timeZone: "Europe/Berlin", plan: plan() } });
  const later = await api("POST", "/v1/events", { token: organiser, body: { title: "Nothing planned", category: "movies", city: "Hannover" } });
  const { eventId } = await api("POST", "/v1/events", { token: organiser, body: { title: "Ein Abend im Mai", category: "concerts", city: "Hannover" } });
  const day = 86_400_000;
  await api("POST", `/v1/events/${eventId}/shows`, { token: organiser, body: { venueId, startsAt: new Date(Date.now() + 9 * day).toISOString(), onSaleAt: new Date(Date.now() + day).toISOString(), currency: "EUR", prices: Object.fromEntries(categories.map((it) => [it.categoryId, 4200])) } });
  const { page, errors } = await person(browser);
  await signIn(page, name, ["organiser"]);
  await page.goto("/organise");
  await page.getByRole("heading", { name: "Ein Abend im Mai" }).waitFor();
  assert.deepEqual(await page.locator(".own h2").allTextContents(), ["Ein Abend im Mai", "Nothing planned"], "the newest first");
  await page.goto(`/organise/new?event=${later.eventId}`);
  await page.getByRole("button", { name: "Kuppelsaal, Hannover" }).click();
  await page.getByLabel("Begins").fill("2031-05-04T19:30");
  for (const label of ["Stalls", "Balcony"]) await page.getByLabel(label).fill("20");
  await page.getByRole("button", { name: "Put on sale" }).click();
  await page.getByText("Published.").waitFor();
  assert.deepEqual(errors, []);
});
