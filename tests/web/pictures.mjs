// The pictures of README.md, small enough to be kept: `node tests/web/pictures.mjs` with USHER_URL, after a change of the look.

import { mkdirSync } from "node:fs";
import { DESKTOP, launch, person, signIn } from "./browser.mjs";
import { crowd, demo } from "./stage.mjs";

const FOLDER = new URL("../../docs/screenshots/", import.meta.url).pathname;
mkdirSync(FOLDER, { recursive: true });
const browser = await launch();

const [{ show: theatre }, { show: stadium }] = [await demo("theatre"), await demo("sports")];

async function picture(name, options, act) {
  const { context, page } = await person(browser, options);
  await act(page);
  await page.screenshot({ path: `${FOLDER}${name}.jpg`, type: "jpeg", quality: 74 });
  await context.close();
}

await crowd(theatre, 45, 6);
await picture("home", { viewport: DESKTOP }, async (page) => { await page.goto("/"); await page.locator(".event .stub").first().waitFor(); await page.waitForTimeout(500); });
await picture("stadium", { viewport: DESKTOP, dark: true }, async (page) => { await page.goto(`/shows/${stadium}`); await page.waitForTimeout(1500); });
await picture("seats", { viewport: DESKTOP }, async (page) => {
  await page.goto(`/shows/${theatre}`);
  await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.byId.get("stalls")?.ready);
  await page.evaluate(() => {
    const { view } = document.querySelector("canvas");
    const stalls = view.hall.byId.get("stalls");
    // Three side by side.
    const isNext = (at) => Math.hypot(stalls.x[at] - stalls.x[at + 1], stalls.y[at] - stalls.y[at + 1]) < 1.3 * view.hall.pitch;
    const first = [...stalls.states.keys()].find((at) => stalls.y[at] > 480 && [0, 1, 2].every((by) => stalls.states[at + by] === 0) && isNext(at) && isNext(at + 1));
    for (const by of [0, 1, 2]) view.options.pick({ section: stalls, at: first + by });
    view.approach(stalls);
  });
  await page.waitForTimeout(700);
});
await picture("board", { viewport: DESKTOP, dark: true }, async (page) => { await signIn(page, "demo-organiser", ["organiser"]); await page.goto(`/organise/shows/${theatre}`); await page.waitForTimeout(6500); });
await browser.close();
