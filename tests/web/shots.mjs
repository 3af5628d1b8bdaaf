// A picture of every page, in light and dark, on a phone and on a desk: `cargo xtask web --shots DIR`. They are for looking at.

import { join } from "node:path";
import { DESKTOP, PHONE, launch, person, signIn } from "./browser.mjs";
import { buy, crowd, demo, plan, theatre as stage } from "./stage.mjs";

const folder = process.argv[2] ?? ".";
const only = process.argv.slice(3);
const browser = await launch();

const theatre = await demo("theatre");
const stadium = await demo("sports");
await crowd(theatre.show, 14, 5);
const soon = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
const room = await stage({ waitingRoom: { enabled: true, opensAt: soon(1) } });
const presale = await stage({ onSaleAt: soon(24) });
const parlour = await stage({}, (plan) => { plan.zones[0].rows.splice(1); plan.zones[0].rows[0].seats.splice(2); plan.zones.splice(1); plan.categories.splice(1); });
await buy(parlour, "zoe", ["stalls:A:1", "stalls:A:2"]);
const gate = await stage();
const { tickets: [ticket] } = await buy(gate, "guest", ["stalls:E:7"]);

/** Each page, and what somebody does there before the picture. @type {Record<string, {path?: string, as?: [string, string[]], act?: (page: any) => Promise<unknown>, whole?: boolean}>} */
const PAGES = {
  home: { path: "/", whole: true },
  nothing: { path: "/?q=zzz" },
  event: { path: `/events/${theatre.event}`, whole: true },
  show: { path: `/shows/${theatre.show}`, act: (page) => page.waitForTimeout(600) },
  seats: {
    path: `/shows/${theatre.show}`,
    act: async (page) => {
      await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.byId.get("stalls")?.ready);
      await page.evaluate(() => {
        const { view } = document.querySelector("canvas");
        const { hall } = view;
        const stalls = hall.byId.get("stalls");
        let picked = 0;
        for (let at = 120; at < stalls.seats.length && picked < 3; at++) if (stalls.states[at] === 0) { view.options.pick({ section: stalls, at }); picked += 1; }
        view.approach(stalls, { x: stalls.x[124], y: stalls.y[124] });
      });
      await page.waitForTimeout(500);
    },
  },
  stadium: { path: `/shows/${stadium.show}`, act: (page) => page.waitForTimeout(600) },
  "stadium-near": {
    path: `/shows/${stadium.show}`,
    act: async (page) => {
      await page.waitForFunction(() => document.querySelector("canvas")?.view?.hall.asOf);
      await page.evaluate(() => { const { view } = document.querySelector("canvas"); view.place(view.hall.box.x + view.hall.box.w * 0.5, view.hall.box.y + view.hall.box.h * 0.2, view.whole() * 2.4); view.draw(); });
      await page.waitForTimeout(1800);
    },
  },
  list: { path: `/shows/${theatre.show}`, act: async (page) => { await page.getByRole("button", { name: "List" }).click(); await page.locator("summary", { hasText: "Stalls" }).click(); await page.waitForTimeout(700); } },
  signin: { path: "/signin" },
  pay: { as: ["painter", []], act: (page) => hold(page) },
  declined: { as: ["painter2", []], act: async (page) => { await hold(page); await page.getByText("is declined").click(); await page.getByRole("button", { name: /^Pay/ }).click(); await page.getByText("You can try").waitFor(); } },
  ticket: { as: ["painter3", []], whole: true, act: async (page) => { await purchase(page); } },
  cancel: { as: ["painter4", []], act: async (page) => { await purchase(page); await page.getByRole("button", { name: "Cancel this booking" }).click(); await page.waitForTimeout(300); } },
  bookings: { as: ["painter3", []], path: "/bookings" },
  missing: { path: "/nowhere" },
  queue: { as: ["painter5", []], path: `/shows/${room}/queue`, whole: true, act: (page) => page.getByText("Is it fair?").click() },
  presale: { path: `/shows/${presale}`, whole: true },
  waitlist: { as: ["painter6", []], path: `/shows/${parlour}`, whole: true, act: async (page) => { await page.getByLabel("How many together").selectOption("1"); await page.getByRole("button", { name: "Put my name down" }).click(); await page.getByText("Your name is on the list").waitFor(); } },
  door: { as: ["door-staff", ["door"]], path: `/door/${gate}`, act: async (page) => { await page.getByRole("textbox", { name: "Code of a ticket" }).fill(ticket.code); await page.getByRole("button", { name: "Check" }).click(); await page.locator(".verdict.admitted, .verdict.already-scanned").waitFor(); } },
  organise: { as: ["demo-organiser", ["organiser"]], path: "/organise", whole: true },
  publish: { as: ["demo-organiser", ["organiser"]], path: "/organise/new", whole: true, act: async (page) => { const faulty = plan(); faulty.zones[0].rows[2].seats[4].category = "Loge"; await page.getByLabel("Name of the house").fill("Opera"); await page.getByLabel("City").first().fill("Wien"); await page.locator("#plan-file").setInputFiles({ name: "opera.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(faulty)) }); await page.getByRole("button", { name: "Use this house" }).click(); await page.getByText("The plan has").waitFor(); } },
  board: { as: ["demo-organiser", ["organiser"]], path: `/organise/shows/${theatre.show}`, whole: true, act: (page) => page.waitForTimeout(2500) },
  "call-off": { as: ["demo-organiser", ["organiser"]], path: `/organise/shows/${theatre.show}`, act: async (page) => { await page.getByRole("button", { name: /Cancel the show/ }).click(); await page.waitForTimeout(500); } },
};

async function hold(page) {
  await page.goto(`/shows/${theatre.show}`);
  await page.getByRole("button", { name: /^Hold the best/ }).click();
  await page.waitForURL(/\/pay$/);
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
}

async function purchase(page) {
  await hold(page);
  await page.getByRole("button", { name: /^Pay/ }).click();
  await page.locator(".stub-card img").first().waitFor();
  await page.waitForTimeout(400);
}

for (const [name, { path, as, act, whole }] of Object.entries(PAGES)) {
  if (only.length && !only.includes(name)) continue;
  for (const [size, viewport] of Object.entries({ phone: PHONE, desk: DESKTOP })) {
    for (const dark of [false, true]) {
      const { context, page, errors } = await person(browser, { viewport, dark });
      try {
        if (as) await signIn(page, `${as[0]}${as[1].length ? "" : `-${size}-${dark}`}`, as[1]);
        if (path) await page.goto(path);
        await page.waitForTimeout(900);
        await act?.(page);
        await page.screenshot({ path: join(folder, `${name}-${size}-${dark ? "dark" : "light"}.png`), fullPage: Boolean(whole) });
        if (errors.length) console.error(name, size, errors);
      } catch (why) {
        console.error(`${name} ${size} ${dark}: ${String(why).split("\n")[0]}`);
      }
      await context.close();
    }
  }
}
await browser.close();
