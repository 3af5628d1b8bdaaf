// The one way to the API: tokens, problems, retries that are safe, and polling that costs nothing when nothing changed.

import { pause } from "./dom.js";
import { bearer, forget } from "./session.js";
import { config } from "./config.js";

/** How often a call is sent that may be repeated. */
const TRIES_MAX = 5;
/** The longest wait between two tries. */
const WAIT_MILLIS_MAX = 8000;

/** A problem document (RFC 9457), or what stands for one when nobody answered. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} document @param {number} [retryAfter] seconds */
  constructor(status, document, retryAfter) {
    super(document.detail ?? document.title ?? `HTTP ${status}`);
    this.status = status;
    this.slug = String(document.type ?? "").replace("urn:problem:usher:", "") || (status ? "internal" : "unreachable");
    this.document = document;
    this.retryAfter = retryAfter;
  }
}

/** @param {string} path */
export const address = (path) => `${config().api ?? ""}${path}`;

/**
 * Calls the API. Repeats what is safe to repeat (reads; writes with a key; DELETE and confirm, which are the same when done twice)
 * when the network or the platform says "later".
 * @param {string} method @param {string} path
 * @param {{body?: unknown, key?: string, headers?: Record<string, string>, signal?: AbortSignal, repeatable?: boolean, onretry?: () => void}} [options]
 * @returns {Promise<any>} with `asked`, the moment (performance.now) before the call, where it is an object
 */
export async function call(method, path, options = {}) {
  const { body, key, headers = {}, signal, onretry } = options;
  const repeatable = options.repeatable ?? (method === "GET" || method === "DELETE" || key !== undefined);
  for (let tries = 1; ; tries++) {
    const asked = performance.now();
    try {
      const answer = await fetch(address(path), { method, signal, headers: { ...sent(body, key), ...headers }, body: text(body) });
      if (answer.ok) return stamped(await answer.json(), asked);
      throw await problem(answer);
    } catch (failure) {
      if (signal?.aborted) throw failure;
      const found = failure instanceof Problem ? failure : new Problem(0, { detail: String(failure) });
      if (found.status === 401) forget();
      const passing = found.status === 0 || found.status === 429 || found.status >= 502;
      if (!passing || !repeatable || tries >= TRIES_MAX) throw found;
      onretry?.();
      await pause(Math.min(WAIT_MILLIS_MAX, Math.max((found.retryAfter ?? 0) * 1000, 300 * 2 ** tries) * (0.75 + Math.random() / 2)), signal);
    }
  }
}

/** @param {unknown} body */
const text = (body) => body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);

/** @param {unknown} body @param {string | undefined} key @returns {Record<string, string>} */
function sent(body, key) {
  const token = bearer();
  return {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(key ? { "idempotency-key": key } : {}),
  };
}

/** @param {any} answer @param {number} asked */
function stamped(answer, asked) {
  if (answer && typeof answer === "object") Object.defineProperty(answer, "asked", { value: asked });
  return answer;
}

/** @param {Response} answer */
async function problem(answer) {
  const document = await answer.json().catch(() => ({}));
  return new Problem(answer.status, document, Number(answer.headers.get("retry-after")) || undefined);
}

export const get = (/** @type {string} */ path, /** @type {AbortSignal} */ signal) => call("GET", path, { signal });

/** @type {Map<string, Promise<any>>} */
const kept = new Map();

/** A thing that rarely changes, asked for once a visit. @param {string} path @returns {Promise<any>} */
export function once(path) {
  let found = kept.get(path);
  if (!found) {
    found = call("GET", path);
    kept.set(path, found);
    found.catch(() => kept.delete(path));
  }
  return found;
}

/**
 * Asks again and again, with the tag of what is known: an unchanged answer costs a 304. Rests while the page is hidden.
 * @param {string} path
 * @param {{every: number | (() => number), signal: AbortSignal, data: (answer: any) => void, fresh?: (ok: boolean) => void, headers?: () => Record<string, string>}} options
 * @returns {{now: () => void}}
 */
export function watch(path, { every, signal, data, fresh }) {
  let tag = "";
  /** @type {() => void} */
  let wake = () => {};
  const rest = (/** @type {number} */ millis) => new Promise((resolve) => {
    wake = () => resolve(undefined);
    pause(millis, signal).then(resolve);
  });
  const visible = () => { if (!document.hidden) wake(); };
  document.addEventListener("visibilitychange", visible, { signal });
  (async () => {
    let failures = 0;
    while (!signal.aborted) {
      if (!document.hidden) {
        try {
          const token = bearer();
          const headers = { ...(tag ? { "if-none-match": tag } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) };
          const asked = performance.now();
          const answer = await fetch(address(path), { headers, signal, cache: "no-store" });
          if (answer.status === 200) {
            tag = answer.headers.get("etag") ?? "";
            data(stamped(await answer.json(), asked));
          } else if (answer.status !== 304) throw await problem(answer);
          failures = 0;
          fresh?.(true);
        } catch (failure) {
          if (signal.aborted) return;
          failures += 1;
          if (!(failure instanceof Problem) && !(failure instanceof TypeError)) console.error(failure);
          fresh?.(false);
        }
      }
      await rest(document.hidden ? 60_000 : Math.min((typeof every === "number" ? every : every()) * 2 ** failures, 30_000));
    }
  })();
  return { now: () => wake() };
}
