// Who is signed in. The token is kept in this browser so that a second tab is the same person; our content policy lets no other script read it.

import { config } from "./config.js";

const KEPT = "usher.session";
/** A token is renewed or given up this long before it ends. */
const MARGIN_MILLIS = 30_000;

/** @typedef {{token: string, sub: string, name: string, roles: string[], expires: number, refresh?: string}} Session */

/** @returns {Session | null} */
export function session() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    return found && found.expires > Date.now() + MARGIN_MILLIS ? found : null;
  } catch {
    return null;
  }
}

export const bearer = () => session()?.token ?? "";
/** @param {string} role */
export const has = (role) => session()?.roles.includes(role) ?? false;

/** @param {string} token @param {{name?: string, refresh?: string}} [more] @returns {Session} */
export function keep(token, more = {}) {
  const claims = claimsOf(token);
  const roles = claims[config().rolesClaim ?? "cognito:groups"];
  const made = {
    token,
    sub: String(claims.sub ?? ""),
    name: String(more.name ?? claims.name ?? claims.email ?? claims.username ?? claims.sub ?? ""),
    roles: Array.isArray(roles) ? roles.map(String) : [],
    expires: Number(claims.exp ?? 0) * 1000,
    refresh: more.refresh,
  };
  localStorage.setItem(KEPT, JSON.stringify(made));
  changed();
  return made;
}

export function forget() {
  if (localStorage.getItem(KEPT) === null) return;
  localStorage.removeItem(KEPT);
  changed();
}

function changed() {
  dispatchEvent(new Event("usher:session"));
}

// Another tab signed in or out.
addEventListener("storage", (event) => { if (event.key === KEPT) changed(); });

/** What a token says. It is read for display only: the API verifies. @param {string} token @returns {Record<string, any>} */
function claimsOf(token) {
  try {
    const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** A token of the embedded platform, for whoever says so. @param {string} name @param {string[]} roles */
export async function signInLocally(name, roles) {
  const sub = name.normalize("NFKD").replace(/[^\w.-]/g, "") || "somebody";
  const email = `${sub}@example.com`;
  const answer = await fetch(`${config().api ?? ""}/dev/token`, { method: "POST", body: JSON.stringify({ sub, roles, email }) });
  if (!answer.ok) throw new Error("dev token");
  return keep((await answer.json()).accessToken, { name });
}

const PENDING = "usher.oidc";

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

/** @param {string} issuer */
async function discover(issuer) {
  const answer = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!answer.ok) throw new Error("discovery");
  return answer.json();
}

const redirectUri = () => `${location.origin}/signin/callback`;

/** Goes to the identity provider: authorization code with PKCE (RFC 7636). @param {string} next where to come back to */
export async function signInThere(next) {
  const oidc = config().signIn;
  if (oidc.kind !== "oidc") return;
  const provider = await discover(oidc.issuer);
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const state = base64url(crypto.getRandomValues(new Uint8Array(16)));
  const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, next, tokenEndpoint: provider.token_endpoint }));
  const query = new URLSearchParams({
    response_type: "code", client_id: oidc.clientId, redirect_uri: redirectUri(), scope: oidc.scope ?? "openid email profile",
    state, code_challenge: challenge, code_challenge_method: "S256", ...(oidc.audience ? { audience: oidc.audience } : {}),
  });
  location.assign(`${provider.authorization_endpoint}?${query}`);
}

/** Back from the provider: trades the code for tokens. @param {URLSearchParams} query @returns {Promise<string>} where to go on */
export async function signInReturned(query) {
  const oidc = config().signIn;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  const code = query.get("code");
  if (oidc.kind !== "oidc" || !pending || !code || query.get("state") !== pending.state) throw new Error("state");
  const body = new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: redirectUri(), client_id: oidc.clientId, code_verifier: pending.verifier });
  const answer = await fetch(pending.tokenEndpoint, { method: "POST", body });
  if (!answer.ok) throw new Error("token");
  const tokens = await answer.json();
  const names = claimsOf(tokens.id_token ?? "");
  keep(oidc.token === "id" ? tokens.id_token : tokens.access_token, { name: names.name ?? names.email });
  // Only to a page of ours.
  return /^\/(?![/\\])/.test(pending.next) ? pending.next : "/";
}
