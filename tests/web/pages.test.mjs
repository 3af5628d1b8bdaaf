// What holds for every page: nothing jumps, nothing is too wide, and everybody can use it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, api, launch, person, signIn, token } from "./browser.mjs";
import { settle, theatre } from "./stage.mjs";

const SHIFT_MAX = 0.02;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const PAGES = {
  home: async () => "/",
  event: async (show) => `/events/${(await api("GET", `/v1/shows/${show}`)).eventId}`,
  show: async (show) => `/shows/${show}`,
  signin: async () => "/signin",
  bookings: async () => "/bookings",
  lost: async () => "/nowhere",
  pay: async (show) => `/bookings/${(await held(show)).bookingId}/pay`,
  ticket: async (show) => `/bookings/${(await bought(show)).bookingId}`,
  organise: async () => "/organise",
  publish: async () => "/organise/new",
  board: async (show) => `/organise/shows/${show}`,
  door: async (show) => `/door/${show}`,
};

const AXE = `axe-${process.pid}`;
/** Who sees the page; the others are seen by anybody. */
const AS = { bookings: [AXE], pay: [AXE], ticket: [AXE], organise: ["demo-organiser", ["organiser"]], publish: ["demo-organiser", ["organiser"]], board: ["demo-organiser", ["organiser"]], door: ["usher", ["door"]] };

const held = async (show) => api("POST", `/v1/shows/${show}/best-available`, { token: await token(AXE), key: String(Math.random()), body: { quantity: 2 } });

async function bought(show) {
  const booking = await held(show);
  await settle(booking, await token(AXE));
  return booking;
}

for (const [name, path] of Object.entries(PAGES)) {
  test(`nothing on the page ${name} jumps, and axe finds nothing serious in light or dark`, async () => {
    const address = await path(await theatre());
    // A phone in the dark, a desk in the light.
    await Promise.all([false, true].map(async (dark) => {
      const { context, page, errors } = await person(browser, { dark, viewport: dark ? PHONE : DESKTOP });
      await page.addInitScript(() => {
        globalThis.shift = 0;
        new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value; }).observe({ type: "layout-shift", buffered: true });
      });
      if (AS[name]) await signIn(page, ...AS[name]);
      await page.goto(address);
      await page.waitForTimeout(1200);
      const shift = await page.evaluate(() => globalThis.shift);
      assert.ok(shift < SHIFT_MAX, `shift ${shift}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the window");
      await axe(page, name);
      assert.deepEqual(errors, []);
      await context.close();
    }));
  });
}

/** The policy of the page forbids scripts from elsewhere; the debugger's are not asked. */
async function axe(page, name) {
  await page.evaluate(readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const serious = violations.filter((it) => ["serious", "critical"].includes(it.impact));
  assert.deepEqual(serious.map((it) => `${name}: ${it.id}: ${it.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(" | ")}`), []);
}
