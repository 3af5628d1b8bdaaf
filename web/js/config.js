// Where the services are: config.json, which each deployment has its own of.

/**
 * @typedef {{
 *   api?: string,
 *   live?: string,
 *   signIn: {kind: "dev"} | {kind: "oidc", issuer: string, clientId: string, scope?: string, token?: "access" | "id", audience?: string},
 *   rolesClaim?: string,
 *   payment: {kind: "sandbox", url: string} | {kind: "stripe", publishableKey: string},
 *   ticketKeys?: string[],
 * }} Config
 */

/** @type {Config} */
let loaded = { signIn: { kind: "dev" }, payment: { kind: "sandbox", url: "/sandbox/stripe/v1" } };

export const config = () => loaded;

export async function configure() {
  const answer = await fetch("/config.json");
  if (answer.ok) loaded = await answer.json();
}
