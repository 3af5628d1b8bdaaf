// As deployed: the payment provider's own fields in the page, under the policy that lets in them and nothing else; and work for whoever looks like a machine.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

process.env.USHER_URL = process.env.USHER_DEPLOYED_URL ?? process.env.USHER_URL;
const { URL_BASE, api, launch, person, signIn, token } = await import("./browser.mjs");
const { theatre } = await import("./stage.mjs");
const skip = !process.env.USHER_DEPLOYED_URL;

/** What the provider's script does in a page, as far as the app sees: a frame of its own origin, and a payment at the sandbox. */
const SCRIPT = `globalThis.Stripe = (key) => ({
  elements: (options) => {
    globalThis.asked = { key, ...options };
    return {
      create: (kind) => ({ mount: (node) => { const frame = document.createElement("iframe"); frame.title = "Secure " + kind; frame.src = "https://js.stripe.com/v3/inner.html"; node.append(frame); } }),
      submit: async () => ({}),
    };
  },
  confirmPayment: async ({ clientSecret, confirmParams }) => {
    const intent = clientSecret.split("_secret")[0];
    const body = new URLSearchParams({ payment_method: globalThis.card ?? "pm_card_visa", client_secret: clientSecret, return_url: confirmParams.return_url });
    const answer = await fetch("/sandbox/stripe/v1/payment_intents/" + intent + "/confirm", { method: "POST", body });
    const said = await answer.json();
    return answer.ok ? { paymentIntent: said } : { error: said.error };
  },
});`;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

async function payer(name) {
  const one = await person(browser);
  await one.context.route("https://js.stripe.com/**", (route) => route.fulfill(route.request().url().endsWith(".html") ? { contentType: "text/html", body: "<p>card fields</p>" } : { contentType: "text/javascript", body: SCRIPT }));
  await signIn(one.page, name);
  return one;
}

test("the provider's fields are mounted in the page, a decline is told in its words, and a payment ends in tickets", { skip }, async () => {
  const show = await theatre();
  const { page, errors } = await payer(`payer-${process.pid}`);
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.waitForURL(/\/pay$/);
  await page.frameLocator("iframe[title='Secure payment']").getByText("card fields").waitFor();
  const { key, amount, currency, captureMethod } = await page.evaluate(() => globalThis.asked);
  assert.deepEqual({ key, amount, currency, captureMethod }, { key: "pk_test_of_nobody", amount: 180_000, currency: "inr", captureMethod: "manual" });
  await page.evaluate(() => { globalThis.card = "pm_card_chargeDeclined"; });
  await page.getByRole("button", { name: /^Pay/ }).click();
  await page.getByText("You can try 2 more times.").waitFor();
  await page.getByText(/declined/i).first().waitFor();
  await page.evaluate(() => { globalThis.card = "pm_card_visa"; });
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".stub-card img").nth(1).waitFor();
  assert.deepEqual(errors, []);
});

test("where the provider's script cannot be had, that is said and can be tried again", { skip }, async () => {
  const show = await theatre();
  const { page, context } = await person(browser);
  let reachable = false;
  await context.route("https://js.stripe.com/**", (route) => reachable ? route.fulfill({ contentType: "text/javascript", body: SCRIPT }) : route.abort());
  await signIn(page, `patient-${process.pid}`);
  await page.goto(`/shows/${show}`);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.getByText("The payment form does not load").waitFor();
  reachable = true;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("iframe[title='Secure payment']").waitFor();
});

test("the policy lets in the provider's script and nobody else's", { skip }, async () => {
  const { headers } = await fetch(`${URL_BASE}/`, { headers: { accept: "text/html" } });
  const policy = headers.get("content-security-policy");
  assert.match(policy, /^default-src 'none'; script-src 'self' https:\/\/js\.stripe\.com; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  const { page } = await person(browser);
  await page.goto("/");
  const refused = await page.evaluate(() => new Promise((resolve) => {
    const seen = [];
    addEventListener("securitypolicyviolation", (event) => { seen.push(event.effectiveDirective); if (seen.length === 3) resolve(seen.sort()); });
    const script = document.createElement("script");
    script.src = "https://elsewhere.example/x.js";
    document.head.append(script);
    const inline = document.createElement("script");
    inline.textContent = "globalThis.inline = true";
    document.head.append(inline);
    fetch("https://elsewhere.example/").catch(() => {});
  }));
  assert.deepEqual(refused, ["connect-src", "script-src-elem", "script-src-elem"]);
  assert.equal(await page.evaluate(() => globalThis.inline), undefined);
});

test("whoever holds and gives back again and again is asked for work, and the browser does it", { skip }, async () => {
  const show = await theatre();
  const name = `restless-${process.pid}`;
  const restless = await token(name);
  for (let at = 0; at < 2; at++) {
    const { bookingId } = await api("POST", `/v1/shows/${show}/best-available`, { token: restless, key: `r${at}`, body: { quantity: 1 } });
    await api("DELETE", `/v1/bookings/${bookingId}`, { token: restless });
  }
  await assert.rejects(api("POST", `/v1/shows/${show}/best-available`, { token: restless, key: "machine", body: { quantity: 1 } }), /challenge-required/);
  const { page, errors } = await payer(name);
  await page.goto(`/shows/${show}`);
  const proved = page.waitForRequest((request) => request.headers()["usher-proof"] !== undefined);
  await page.getByRole("button", { name: /^Hold the best 2/ }).click();
  await page.getByText("your browser has to do a small puzzle first").waitFor();
  assert.match((await proved).headers()["usher-proof"], /^\d+\.18\.[0-9a-f]+:[0-9a-f]+$/);
  await page.waitForURL(/\/pay$/);
  assert.deepEqual(errors, []);
});
