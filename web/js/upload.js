// Files that are too large for a call: put where the API says, past it.

import { Problem, call } from "./api.js";
import { config } from "./config.js";
import { pause } from "./dom.js";

/** How often a file is sent. */
const TRIES_MAX = 4;

/**
 * Puts a file where a POST of `path` offers to take it; answers the upload's id. The address is all that is shown there: no token. A file
 * that is there already came with a try whose answer was lost, because nobody else knows the address.
 * @param {string} path @param {Blob} file @param {AbortSignal} signal @returns {Promise<string>}
 */
export async function upload(path, file, signal) {
  const { uploadId, url, method, headers } = await call("POST", path, { body: { bytes: file.size }, repeatable: true, signal });
  // One's own machine has many names, and its answer has one: a page may only write to the name that it came from.
  const place = config().signIn.kind === "dev" ? new URL(url).pathname + new URL(url).search : url;
  for (let tries = 1; ; tries++) {
    const answer = await fetch(place, { method, headers, body: file, signal }).catch((why) => {
      if (signal.aborted) throw why;
      return null;
    });
    if (answer?.ok || answer?.status === 412) return uploadId;
    // 409: the try before is still on its way.
    const passing = !answer || answer.status === 409 || answer.status >= 500;
    if (!passing || tries >= TRIES_MAX) throw new Problem(0, { detail: `the file was not taken: ${answer?.status ?? "no answer"}` });
    await pause(300 * 2 ** tries * (0.75 + Math.random() / 2), signal);
  }
}
