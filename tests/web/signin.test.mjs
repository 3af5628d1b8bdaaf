// Signing in at an identity provider: authorization code with PKCE, against a provider that checks what it must.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { DESKTOP, URL_BASE, launch, token } from "./browser.mjs";

const CLIENT = "web-client";
let browser;
let provider;
let issuer;
/** What was asked for, by the code that was given for it. */
const asked = new Map();
const refusals = [];

before(async () => {
  browser = await launch();
  provider = createServer(async (request, answer) => {
    const url = new URL(request.url, issuer);
    const json = (status, body) => answer.writeHead(status, { "content-type": "application/json", "access-control-allow-origin": "*" }).end(JSON.stringify(body));
    if (url.pathname === "/.well-known/openid-configuration") return json(200, { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` });
    if (url.pathname === "/authorize") {
      const { client_id, redirect_uri, state, code_challenge, code_challenge_method, response_type } = Object.fromEntries(url.searchParams);
      if (client_id !== CLIENT || response_type !== "code" || code_challenge_method !== "S256") return json(400, { error: "invalid_request" });
      const code = `code-${asked.size}`;
      asked.set(code, { redirect_uri, code_challenge });
      return answer.writeHead(303, { location: `${redirect_uri}?code=${code}&state=${encodeURIComponent(state)}` }).end();
    }
    let body = "";
    for await (const part of request) body += part;
    const form = Object.fromEntries(new URLSearchParams(body));
    const known = asked.get(form.code);
    asked.delete(form.code);
    const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
    if (!known || challenge !== known.code_challenge || form.redirect_uri !== known.redirect_uri || form.client_id !== CLIENT) {
      refusals.push(form.code);
      return json(400, { error: "invalid_grant" });
    }
    return json(200, { access_token: await token("from-the-provider"), token_type: "Bearer" });
  });
  await new Promise((resolve) => provider.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${provider.address().port}`;
});
after(() => { provider.close(); return browser.close(); });

async function visitor() {
  // The platform's own policy lets nobody but itself be called: a deployment's names its provider.
  const context = await browser.newContext({ viewport: DESKTOP, baseURL: URL_BASE, bypassCSP: true, locale: "en" });
  const page = await context.newPage();
  await page.route("**/config.json", (route) => route.fulfill({ json: { api: "", signIn: { kind: "oidc", issuer, clientId: CLIENT }, payment: { kind: "sandbox", url: "/sandbox/stripe/v1" } } }));
  return page;
}

test("somebody signs in at the provider and comes back to where they were", async () => {
  const page = await visitor();
  await page.goto("/signin?next=%2Fbookings");
  await page.getByRole("button", { name: "Go to sign-in" }).click();
  await page.waitForURL(`${URL_BASE}/bookings`);
  await page.getByText("No tickets yet").waitFor();
  assert.equal(await page.evaluate(() => JSON.parse(localStorage.getItem("usher.session")).sub), "from-the-provider");
  assert.deepEqual(refusals, []);
});

test("an answer that nobody asked for signs nobody in", async () => {
  const page = await visitor();
  await page.goto("/signin/callback?code=stolen&state=guessed");
  await page.getByText("Signing in did not work").waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem("usher.session")), null);
  assert.deepEqual(refusals, [], "the provider was not even asked");
});

test("nobody is sent to somebody else's page after signing in", async () => {
  const page = await visitor();
  await page.goto("/signin?next=%2F%2Fevil.example%2F");
  await page.getByRole("button", { name: "Go to sign-in" }).click();
  await page.waitForURL(`${URL_BASE}/`);
});
