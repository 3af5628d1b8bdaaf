// A real Chromium, and people in it.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // A camera that shows a picture of the browser's own.
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
];

export const URL_BASE = process.env.USHER_URL ?? "http://127.0.0.1:3000";

/** @param {string[]} [more] flags beside the usual ones */
export function launch(more = []) {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("no Chromium: install it, or say where it is in CHROMIUM");
  return chromium.launch({ executablePath, args: [...FLAGS, ...more] });
}

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1280, height: 860 };

/** Somebody with a browser of their own; what their page complains about is kept in `errors`. */
export async function person(browser, { viewport = DESKTOP, dark = false, language = "en", touch = false, motion = "reduce" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: dark ? "dark" : "light", locale: language, hasTouch: touch, reducedMotion: motion, baseURL: URL_BASE, timezoneId: "Europe/Berlin", serviceWorkers: "allow" });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error" && !/status of (4\d\d|503)/.test(message.text())) errors.push(message.text()); });
  return { context, page, errors };
}

/** Signs in as the page would keep it. */
export async function signIn(page, sub, roles = []) {
  await page.goto("/signin");
  await page.getByRole("textbox").fill(sub);
  if (roles[0]) await page.getByRole("combobox", { name: /Role|Rolle|भूमिका/ }).first().selectOption(roles[0]);
  await page.getByRole("button", { name: /Enter|Eintreten|अंदर/ }).click();
  await page.waitForFunction(() => localStorage.getItem("usher.session"));
}

/** The API, for setting the stage. */
export async function api(method, path, { token, body, key } = {}) {
  const answer = await fetch(URL_BASE + path, {
    method, body: body === undefined ? undefined : JSON.stringify(body),
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body ? { "content-type": "application/json" } : {}), ...(key ? { "idempotency-key": key } : {}) },
  });
  const json = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
  return json;
}

export const token = async (sub, roles = []) => (await api("POST", "/dev/token", { body: { sub, roles, email: `${sub}@example.com` } })).accessToken;
